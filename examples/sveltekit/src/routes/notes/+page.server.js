import { NOTES_URL } from '$app/env/private';
import { logIn, requireToken } from '#lib/server/session.js';

export async function load(event) {
  const { user, accessToken } = await requireToken(event);
  const { id, username } = user;
  return { user: { id, username }, ...(await notesOf(event, accessToken)) };
}

/** Asks an API of ours in the user's name. When it fails, the page is there, and says why. */
async function notesOf(event, token) {
  const answer = await fetch(`${NOTES_URL}/notes`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  if (answer?.ok) return { notes: await answer.json() };
  const { code, detail } = (await answer?.json().catch(() => undefined)) ?? {};
  // The session has ended between the two questions. A login mends nothing else: it would send who
  // is signed in straight back, and so on without an end.
  if (['session_revoked', 'user_inactive'].includes(code)) logIn(event);
  return { refused: detail };
}
