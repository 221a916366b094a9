// What is read of a request: its method, its bearer token, its CSRF token.
import { base64url } from 'jose';
import { invalid, MALFORMED, Problem } from './problem.js';

/**
 * Every value that a header has, whatever the shape of the headers and the case of its name.
 *
 * @param {import('./index.js').HeadersLike} headers
 * @param {string} name in small letters
 * @returns {string[]}
 */
export function headerValues(headers, name) {
  if (typeof (/** @type {any} */ (headers).get) === 'function') {
    // The values of several are one there, with commas between.
    const value = /** @type {Headers} */ (headers).get(name);
    return value === null || value === undefined ? [] : [value];
  }
  const pairs =
    Symbol.iterator in headers
      ? /** @type {Iterable<[string, string]>} */ (headers)
      : Object.entries(headers);
  /** @type {string[]} */
  const values = [];
  for (const [key, value] of pairs) {
    if (value === undefined || key.toLowerCase() !== name) continue;
    values.push(...(Array.isArray(value) ? value : [value]));
  }
  return values;
}

/**
 * Whether a request has a token at all, good or not: one header with the scheme `Bearer`.
 *
 * @param {string[]} values of the header `Authorization`
 */
export const hasBearer = (values) => values.length === 1 && /^bearer /i.test(values[0]);

/**
 * The token in the header `Authorization`: one word behind `Bearer` (RFC 6750, 2.1).
 *
 * @param {string[]} values of the header
 */
export function bearerToken(values) {
  if (values.length > 1) throw invalid('Send one Authorization header, not several.');
  const token = /^bearer +([^ ,]+)$/i.exec(values[0])?.[1];
  if (!token) throw invalid(MALFORMED);
  return token;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * Whether a method only reads.
 *
 * @param {string} method
 */
export const isSafe = (method) => SAFE.has(method);

/**
 * A browser asks whether it may ask (Fetch, 3.2.2).
 *
 * @param {import('./index.js').RequestLike} request
 */
export const isPreflight = ({ method, headers }) =>
  method === 'OPTIONS' &&
  headerValues(headers, 'origin').length > 0 &&
  headerValues(headers, 'access-control-request-method').length > 0;

/**
 * Refuses a write without the CSRF token whose hash the access token claims.
 *
 * @param {import('./index.js').HeadersLike} headers
 * @param {string} claimed
 */
export async function checkCsrf(headers, claimed) {
  const values = headerValues(headers, 'x-csrftoken');
  if (values.length > 1)
    throw new Problem('csrf_failed', { detail: 'Send one X-CSRFTOKEN header, not several.' });
  if (!values[0]) throw new Problem('csrf_failed', { detail: NO_CSRF });
  // Headers are bytes, which JavaScript shows as the letters of Latin-1.
  const sent = Uint8Array.from(values[0], (letter) => letter.charCodeAt(0));
  const hash = base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', sent)));
  if (!isSame(hash, claimed)) throw new Problem('csrf_failed', { detail: WRONG_CSRF });
}

/**
 * In a time that does not tell where two texts differ.
 *
 * @param {string} one
 * @param {string} other
 */
function isSame(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return difference === 0;
}

const NO_CSRF =
  'The X-CSRFTOKEN header is missing. Send the `csrf_token` that login, refresh and csrf return; ' +
  'the cookie alone does not count. With axios, set `withCredentials`, `withXSRFToken`, ' +
  "`xsrfCookieName: 'csrftoken'` and `xsrfHeaderName: 'X-CSRFTOKEN'`.";
const WRONG_CSRF =
  "The X-CSRFTOKEN header is not this session's token. Send the `csrf_token` of the last login, " +
  'or ask `GET` on the csrf endpoint for it.';
