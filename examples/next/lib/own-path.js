/**
 * Where to go after a login: a path of this site. Whatever leads elsewhere is `/`; browsers read
 * `//evil.example`, `/\evil.example` and `/.//evil.example` as another host.
 */
export function ownPath(next) {
  const base = 'http://own.invalid';
  if (typeof next !== 'string' || !next.startsWith('/') || !URL.canParse(next, base)) return '/';
  const { origin, pathname, search } = new URL(next, base);
  return origin === base && !pathname.startsWith('//') ? pathname + search : '/';
}
