import { NOTES_URL } from '$app/env/private';
import { logIn, requireToken } from '#lib/server/session.js';

export async function load(event) {
  const { user, accessToken } = await requireToken(event);
  const { id, username } = user;
  return { user: { id, username }, notes: await notesOf(event, accessToken) };
}

/** Asks an API of ours in the user's name. When it fails, the page is there without the notes. */
async function notesOf(event, token) {
  const answer = await fetch(`${NOTES_URL}/notes`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  // The session has ended between the two questions.
  if (answer?.status === 401) logIn(event);
  return answer?.ok ? answer.json() : null;
}
