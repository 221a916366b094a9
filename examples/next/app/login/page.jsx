import { redirect } from 'next/navigation';
import { ownPath } from '../../lib/own-path';
import { currentUser } from '../../lib/session';
import { KeepSession } from '../keep';
import { LoginForm } from './form';

export default async function Login({ searchParams }) {
  const next = ownPath((await searchParams).next);
  if (await currentUser()) redirect(next);
  return (
    <main>
      <KeepSession />
      <LoginForm next={next} />
    </main>
  );
}
