// An access token checked: signature, type, issuer, audience, times. By the rules of the crate
// countersign-verify, in its order.
import { compactVerify } from 'jose';
import { bytes, frozen, object, own, text, whole } from './encoding.js';
import { invalid, MALFORMED, Problem } from './problem.js';

/**
 * A compact JWS that one of `keys` signed: its header, and its claims if the signature is good.
 *
 * @param {string} token
 * @param {(header: object) => void} check looks at the header first
 * @param {Map<string, import('./keys.js').Key>} keys
 * @returns {Promise<object>} the claims
 */
export async function verified(token, check, keys) {
  const parts = token.split('.');
  const header = parts.length === 3 ? object(parts[0]) : undefined;
  if (!header || !ALGORITHMS.has(own(header, 'alg'))) throw new Fault('malformed');
  check(header);
  // A token that brings its own key, or says that something unknown must be understood, is none of
  // ours (RFC 7515, 4.1.11; RFC 8725, 3.10).
  for (const name of ['crit', 'jwk', 'jku', 'x5u', 'x5c'])
    if ((own(header, name) ?? null) !== null) throw new Fault('malformed');
  const kid = own(header, 'kid') ?? null;
  if (kid !== null && !text(kid)) throw new Fault('malformed');
  const key = kid === null ? undefined : keys.get(kid);
  const imported = await key?.imported();
  if (!key || !imported) throw new Fault('unknown key');
  const claims = object(parts[1]);
  // A signature in another spelling would make another token of the same one.
  if (!claims || !bytes(parts[2]) || own(header, 'alg') !== key.alg) throw new Fault('invalid');
  try {
    await compactVerify(token, imported, { algorithms: [key.alg] });
  } catch {
    throw new Fault('invalid');
  }
  return claims;
}

/**
 * Checks a token, and says until when it counts.
 *
 * @param {string} token
 * @param {Map<string, import('./keys.js').Key>} keys
 * @param {{issuer: string, audience?: string, kept: number}} rules
 * @param {number} now
 * @returns {Promise<{claims: import('./index.js').Claims, until: number}>}
 */
export async function readToken(token, keys, rules, now) {
  if (token.length > MAX_TOKEN_BYTES) throw invalid(TOO_LONG);
  let mayOnlyEnrol = false;
  const read = await verified(
    token,
    (header) => {
      const typ = own(header, 'typ') ?? '';
      if (!text(typ)) throw new Fault('malformed');
      if (typ !== ACCESS && typ !== ENROL) throw new Fault('wrong type');
      mayOnlyEnrol = typ === ENROL;
    },
    keys,
  );
  const claims = wellFormed(read);
  if ((claims.scope ?? null) !== (mayOnlyEnrol ? 'enrol' : null)) throw new Fault('wrong type');
  if (claims.iss !== rules.issuer) throw invalid('The access token was issued by another issuer.');
  const { aud } = claims;
  const isMeant =
    rules.audience === undefined ||
    (Array.isArray(aud) ? aud.includes(rules.audience) : aud === rules.audience);
  if (!isMeant) throw invalid('The access token is meant for another audience.');
  if (claims.exp > LATEST || claims.iat > claims.exp) throw new Fault('invalid');
  // A token out of the future would outlive the memory of its session's end.
  const soon = now + CLOCKS_APART;
  if (claims.iat > soon || (claims.nbf ?? 0) > soon) throw invalid(NOT_YET);
  // Endings are remembered for so long and no longer.
  const until = Math.min(claims.exp, claims.iat + rules.kept);
  if (now >= until) throw new Problem('token_expired');
  return { claims, until };
}

/**
 * The claims, each of its own type. What is optional may be null.
 *
 * @param {object} read
 * @returns {import('./index.js').Claims}
 */
function wellFormed(read) {
  const claim = (/** @type {string} */ name) => own(read, name) ?? null;
  const texts = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(text);
  const sid = claim('sid');
  const sub = claim('sub');
  const aud = claim('aud');
  const isGood =
    text(claim('iss')) &&
    text(sub) &&
    isUserId(sub) &&
    text(sid) &&
    /^(?!0{16})[0-9a-f]{16}$/.test(sid) &&
    ['iat', 'exp', 'auth_time'].every((name) => whole(claim(name))) &&
    (claim('nbf') === null || whole(claim('nbf'))) &&
    ['csrf', 'scope'].every((name) => claim(name) === null || text(claim(name))) &&
    (aud === null || text(aud) || texts(aud)) &&
    (!Object.hasOwn(read, 'amr') || texts(claim('amr')));
  if (!isGood) throw new Fault('invalid');
  return /** @type {import('./index.js').Claims} */ (frozen(read));
}

/** @param {string} sub */
const isUserId = (sub) =>
  sub !== '' && !/[\u0000-\u001f\u007f-\u009f\p{Cs}]/u.test(sub) && utf8.encode(sub).length <= 62;

/** Why a signed text does not count. */
export class Fault extends Error {
  /** @param {'malformed' | 'wrong type' | 'unknown key' | 'invalid'} why */
  constructor(why) {
    super(why);
    this.why = why;
  }

  /** As a request is told of it. */
  get problem() {
    const details = {
      malformed: MALFORMED,
      'wrong type': 'This is not an access token.',
      'unknown key': 'The access token was signed with a key that is not in use.',
      invalid: "The access token's signature or claims are not valid.",
    };
    return invalid(details[this.why]);
  }
}

const ACCESS = 'at+jwt';
const ENROL = 'et+jwt';

/** What a JWS may be signed with at all. Which of them counts is the key's to say. */
const ALGORITHMS = new Set(
  /** @type {unknown[]} */ (
    'EdDSA ES256 ES384 HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512'.split(' ')
  ),
);

/** What the clocks of two machines may differ by, in seconds. */
export const CLOCKS_APART = 60;

/** The last second of the year 9999. */
const LATEST = 253_402_300_799;

const MAX_TOKEN_BYTES = 8192;
const TOO_LONG = `The access token is longer than ${MAX_TOKEN_BYTES} bytes.`;
const NOT_YET = "The access token's time has not come. Are the clocks more than a minute apart?";

const utf8 = new TextEncoder();
