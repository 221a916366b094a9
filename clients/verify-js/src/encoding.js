// Base64url and JSON, read strictly.
import { base64url } from 'jose';

/**
 * The bytes of a text in base64url, in its one spelling: no padding, no other letters, no bits left
 * over.
 *
 * @param {string} encoded
 */
export function bytes(encoded) {
  if (!/^[\w-]*$/.test(encoded)) return undefined;
  try {
    const decoded = base64url.decode(encoded);
    return base64url.encode(decoded) === encoded ? decoded : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} body
 * @returns {unknown} nothing where it is no JSON
 */
export function json(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * The object in a part of a JWT; nothing where there is none.
 *
 * @param {string} part
 * @returns {object | undefined}
 */
export function object(part) {
  const decoded = bytes(part);
  if (!decoded) return undefined;
  try {
    const value = JSON.parse(utf8.decode(decoded));
    const is = typeof value === 'object' && value !== null && !Array.isArray(value);
    // What others put on every object is none of its members.
    return is ? Object.setPrototypeOf(value, null) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A member of an object that is its own: what others put on every object does not count.
 *
 * @param {object} of
 * @param {string} name
 * @returns {unknown}
 */
export const own = (of, name) => (Object.hasOwn(of, name) ? Reflect.get(of, name) : undefined);

/**
 * @param {unknown} value
 * @returns {value is string}
 */
export const text = (value) => typeof value === 'string';

/**
 * The same, and nothing in it can be changed: many requests share it.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function frozen(value) {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

/**
 * A whole number of 64 bits.
 *
 * @param {unknown} value
 * @returns {value is number}
 */
export const whole = (value) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
