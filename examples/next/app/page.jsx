import Link from 'next/link';
import { currentUser } from '../lib/session';
import { KeepSession } from './keep';
import { LogoutButton } from './logout';

export default async function Home() {
  const user = await currentUser();
  return (
    <main>
      <KeepSession sub={user?.id} />
      <h1>Hello {user ? user.username : 'stranger'}</h1>
      <p>
        <Link href="/notes">Your notes</Link>
      </p>
      {user ? <LogoutButton /> : <Link href="/login">Log in</Link>}
    </main>
  );
}
