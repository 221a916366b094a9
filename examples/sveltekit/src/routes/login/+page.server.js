import { redirect } from '@sveltejs/kit';
import { ownPath } from '#lib/own-path.js';
import { currentUser } from '#lib/server/session.js';

export async function load(event) {
  const next = ownPath(event.url.searchParams.get('next'));
  if (await currentUser(event)) redirect(303, next);
  return { next };
}
