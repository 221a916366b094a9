// The issuer's public keys (RFC 7517): those that can verify an access token, and no other.
import { importJWK } from 'jose';
import { bytes, json, text } from './encoding.js';

/** A key: the one algorithm that it serves, and how it is had. */
export class Key {
  /** @type {Promise<CryptoKey | Uint8Array | undefined> | undefined} */
  #imported;
  #jwk;

  /**
   * @param {'EdDSA' | 'ES256' | 'RS256'} alg
   * @param {import('jose').JWK} jwk
   */
  constructor(alg, jwk) {
    this.alg = alg;
    this.#jwk = jwk;
  }

  /** The key as it verifies; nothing where it is a key in form alone. Read when it is needed. */
  imported() {
    this.#imported ??= Promise.resolve(importJWK(this.#jwk, this.alg)).catch(() => undefined);
    return this.#imported;
  }
}

/**
 * The keys of a set by their ids; of two with one id the first.
 *
 * @param {string} body
 * @returns {Map<string, Key>}
 */
export function keySet(body) {
  const set = json(body);
  const listed = typeof set === 'object' && set !== null ? Reflect.get(set, 'keys') : undefined;
  if (!Array.isArray(listed)) throw new Error('it is no JWK Set: an object with the list `keys`');
  /** @type {Map<string, Key>} */
  const keys = new Map();
  for (const jwk of listed) {
    const key = verifying(jwk);
    if (key && !keys.has(jwk.kid)) keys.set(jwk.kid, key);
  }
  return keys;
}

/**
 * The key as it verifies, if that is what it is for. Each by itself: one that is bent takes no
 * other along.
 *
 * @param {any} jwk
 */
function verifying(jwk) {
  if (typeof jwk !== 'object' || jwk === null || typeof jwk.kid !== 'string') return undefined;
  if ((jwk.use ?? 'sig') !== 'sig') return undefined;
  const operations = jwk.key_ops ?? ['verify'];
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined;
  const { alg, kty, crv, x, y, n, e } = jwk;
  const size = (/** @type {unknown} */ part) => (text(part) ? (bytes(part)?.length ?? 0) : 0);
  if (alg === 'EdDSA' && kty === 'OKP' && crv === 'Ed25519' && size(x) === 32)
    return new Key(alg, { kty, crv, x });
  if (alg === 'ES256' && kty === 'EC' && crv === 'P-256' && size(x) === 32 && size(y) === 32)
    return new Key(alg, { kty, crv, x, y });
  if (alg === 'RS256' && kty === 'RSA' && text(e) && text(n) && bits(bytes(n)) >= 2048)
    return new Key(alg, { kty, n, e });
  return undefined;
}

/**
 * How long a big-endian number is.
 *
 * @param {Uint8Array | undefined} number
 */
function bits(number) {
  const first = number?.findIndex((byte) => byte !== 0) ?? -1;
  if (!number || first < 0) return 0;
  return (number.length - first) * 8 - Math.clz32(number[first]) + 24;
}
