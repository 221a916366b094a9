import Link from 'next/link';
import { logIn, requireToken } from '../../lib/session';
import { KeepSession } from '../keep';
import { LogoutButton } from '../logout';
import { NoteForm } from './form';

export default async function Notes() {
  const { user, accessToken } = await requireToken('/notes');
  const { notes, refused } = await notesOf(accessToken);
  return (
    <main>
      <KeepSession sub={user.id} />
      <h1>The notes of {user.username}</h1>
      {notes ? (
        <ul>
          {notes.map((text, at) => (
            <li key={at}>{text}</li>
          ))}
        </ul>
      ) : (
        <p role="status">Your notes cannot be had at the moment. {refused}</p>
      )}
      <NoteForm />
      <Link href="/">Home</Link>
      <LogoutButton />
    </main>
  );
}

/** Asks an API of ours in the user's name. When it fails, the page is there, and says why. */
async function notesOf(token) {
  const { NOTES_URL = 'http://localhost:9000' } = process.env;
  const answer = await fetch(`${NOTES_URL}/notes`, {
    headers: { authorization: `Bearer ${token}` },
    cache: 'no-store',
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  if (answer?.ok) return { notes: await answer.json() };
  const { code, detail } = (await answer?.json().catch(() => undefined)) ?? {};
  // The session has ended between the two questions. A login mends nothing else: it would send who
  // is signed in straight back, and so on without an end.
  if (['session_revoked', 'user_inactive'].includes(code)) logIn('/notes');
  return { refused: detail };
}
