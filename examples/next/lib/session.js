// Who asks for a page. This runs on the server only: the service token is here.
import 'server-only';
import { createManagement } from '@countersign/verify';
import { headers } from 'next/headers';
import { redirect } from 'next/navigation';
import { cache } from 'react';

/**
 * The user, or `null`. Throws when Countersign gives no answer: that is not "nobody". However many
 * components of a page ask, Countersign is asked once.
 */
export const currentUser = cache(async () => (await look(false))?.user ?? null);

/** The user of a page that is for users alone; anybody else is sent to log in, and back. */
export const requireUser = async (here) => (await currentUser()) ?? logIn(here);

/**
 * The same, with an access token for one minute: for asking an API in the user's name. It stays on
 * the server. Give a component the data that it shows, and never what is returned here.
 */
export const requireToken = async (here) => (await look(true)) ?? logIn(here);

/** Sends the browser to log in, and back. */
export function logIn(here) {
  redirect(`/login?next=${encodeURIComponent(here)}`);
}

/** Countersign looks at the refresh cookie and rotates nothing: the browser's copy stays good. */
async function look(access) {
  const cookie = (await headers()).get('cookie') ?? '';
  // `__Host-refreshtoken` over https. Without it there is nobody to ask about.
  if (!cookie.includes('refreshtoken=')) return null;
  return countersign().introspect({ cookie, access });
}

let made;

/** Made with the first page: a build has no token. */
const countersign = () =>
  (made ??= createManagement({
    url: process.env.AUTH_URL ?? 'http://localhost:8000',
    token: process.env.AUTH_TOKEN,
  }));
