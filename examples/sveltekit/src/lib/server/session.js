// Who asks for a page. This runs on the server only: the service token is here.
import { createManagement } from '@countersign/verify';
import { error, redirect } from '@sveltejs/kit';
import { AUTH_TOKEN, AUTH_URL } from '$app/env/private';

/** The user, or `null`. When Countersign gives no answer it is a 503: that is not "nobody". */
export const currentUser = async (event) => (await look(event, false))?.user ?? null;

/** The user of a page that is for users alone; anybody else is sent to log in, and back. */
export const requireUser = async (event) => (await currentUser(event)) ?? logIn(event);

/**
 * The same, with an access token for one minute: for asking an API in the user's name. It stays on
 * the server. Return what the page shows from `load`, and never what is returned here.
 */
export const requireToken = async (event) => (await look(event, true)) ?? logIn(event);

/** Sends the browser to log in, and back. */
export function logIn({ url }) {
  redirect(303, `/login?next=${encodeURIComponent(url.pathname + url.search)}`);
}

/** Countersign looks at the refresh cookie and rotates nothing: the browser's copy stays good. */
async function look({ request }, access) {
  const cookie = request.headers.get('cookie') ?? '';
  // `__Host-refreshtoken` over https. Without it there is nobody to ask about.
  if (!cookie.includes('refreshtoken=')) return null;
  try {
    return await countersign().introspect({ cookie, access });
  } catch (cause) {
    console.error(cause);
    error(503, 'We cannot see who you are. Please try again.');
  }
}

let made;

/** Made with the first page: a build has no token. */
const countersign = () => (made ??= createManagement({ url: AUTH_URL, token: AUTH_TOKEN }));
