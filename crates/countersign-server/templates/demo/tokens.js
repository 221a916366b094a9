// What the tokens say, and how long they live.

/**
 * The claims of an access token. The page only shows them: whoever relies on them has to check the
 * signature first.
 */
export function claimsOf(token) {
  const part = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return JSON.parse(
    new TextDecoder().decode(Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0))),
  );
}

/** What each claim is for. */
export const MEANING = {
  iss: 'Who issued it: this server.',
  sub: "Whose it is: the user's id.",
  aud: 'Which backends may take it.',
  iat: 'When it was issued.',
  exp: 'When it expires.',
  sid: 'The session. When that is ended, the token counts no longer, whatever its time says.',
  auth_time: 'When the password was last given.',
  csrf:
    "The hash of the session's CSRF token, so that any backend can check the header without " +
    'a secret.',
};

/** A claim's value for people: times as times. */
export function shown(name, value) {
  return ['iat', 'exp', 'auth_time'].includes(name)
    ? `${value} (${moment(value * 1000)})`
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
}

/** A point in time. */
export const moment = (time) =>
  new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });

/** A span in words, its two largest parts. */
export function span(seconds) {
  const left = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(left / 86_400), 'd'],
    [Math.floor(left / 3600) % 24, 'h'],
    [Math.floor(left / 60) % 60, 'min'],
    [left % 60, 's'],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .map(([number, unit]) => `${number} ${unit}`)
    .join(' ');
}

/**
 * How long both tokens live, by the server's time and not the device's.
 *
 * The refresh token was made in the same second as the access token (`iat`), lives for the server's
 * `session_idle`, and never beyond the session's end. The client measures what is left of the
 * access token; how much of both is gone follows from it.
 */
export function lives(claims, expiresIn, idle, sessionEnd) {
  const access = claims.exp - claims.iat;
  const refresh = sessionEnd ? Math.min(idle, sessionEnd - claims.iat) : idle;
  const gone = access - expiresIn / 1000;
  const begin = performance.now();
  return () => {
    const passed = gone + (performance.now() - begin) / 1000;
    return {
      access: { left: Math.max(0, access - passed), of: access },
      refresh: { left: Math.max(0, refresh - passed), of: refresh },
    };
  };
}
