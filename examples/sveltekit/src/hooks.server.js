import { AUTH_URL, NOTES_URL } from '$app/env/private';
import { handOn } from '#lib/server/hand-on.js';

/** @type {import('@sveltejs/kit').Handle} */
export async function handle({ event, resolve }) {
  const { pathname } = event.url;
  // Countersign and the API of the notes stand behind this app's own origin: the browser sends this
  // server the refresh cookie, and needs no CORS. In production a proxy may do the same.
  if (/^\/accounts?\//.test(pathname)) return handOn(event, AUTH_URL, pathname);
  if (pathname.startsWith('/api/')) return handOn(event, NOTES_URL, pathname.slice('/api'.length));

  const answer = await resolve(event);
  // Every page greets somebody. Nobody keeps it for the next visitor, and so it is with the data
  // that the router asks for.
  answer.headers.set('cache-control', 'private, no-store');
  return answer;
}
