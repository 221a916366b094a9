// The issuer's signed list of sessions that ended, and the memory of them.
import { bytes, own, text, whole } from './encoding.js';
import { CLOCKS_APART, Fault, verified } from './token.js';

/**
 * Reads a list, if `keys` signed it for `issuer` and its time is not over.
 *
 * @param {string} body
 * @param {Map<string, import('./keys.js').Key>} keys
 * @param {string} issuer
 * @param {number} now
 */
export async function readList(body, keys, issuer, now) {
  const list = await verified(
    body,
    (header) => {
      if (own(header, 'typ') !== 'rl+jwt') throw new Fault('wrong type');
    },
    keys,
  );
  const [iss, iat, exp, cursor, kept, sids] = ['iss', 'iat', 'exp', 'cursor', 'kept', 'sids'].map(
    (name) => own(list, name),
  );
  const issuedAfter = own(list, 'issued_after') ?? null;
  const ids = text(sids) ? bytes(sids) : undefined;
  const isGood =
    text(iss) &&
    [iat, exp, kept].every(whole) &&
    text(cursor) &&
    /^[0-9A-Za-z]{1,64}$/.test(cursor) &&
    ids !== undefined &&
    ids.length % 8 === 0 &&
    (issuedAfter === null || whole(issuedAfter));
  if (!isGood) throw new Fault('malformed');
  if (iss !== issuer) throw new Error(`it was issued by ${iss}; is that the issuer you mean?`);
  if (now >= Number(exp)) throw new Error('its time is over: a cache, or a clock that is wrong');
  if (Number(iat) > now + CLOCKS_APART)
    throw new Error('its time has not come: are the clocks more than a minute apart?');
  return {
    exp: Number(exp),
    cursor,
    sessions: sessions(ids),
    issuedAfter: Number(issuedAfter ?? 0),
    // From a minute to two days.
    kept: Math.min(Math.max(Number(kept), 60), 2 * 24 * 60 * 60),
  };
}

/**
 * The ids of sessions, 8 bytes each, in the spelling of the claim `sid`.
 *
 * @param {Uint8Array} ids
 */
function* sessions(ids) {
  for (let at = 0; at < ids.length; at += 8) {
    let id = '';
    for (const byte of ids.subarray(at, at + 8)) id += byte.toString(16).padStart(2, '0');
    yield id;
  }
}

/** The sessions that ended lately, each with the time when it was heard of. */
export class Revocations {
  /** @type {Map<string, number>} */
  #ended = new Map();
  /** No entry is older. */
  #oldest = Infinity;

  /** @param {string} sid */
  has(sid) {
    return this.#ended.has(sid);
  }

  /**
   * @param {Iterable<string>} ids
   * @param {number} now
   */
  add(ids, now) {
    for (const id of ids) {
      this.#ended.set(id, now);
      this.#oldest = Math.min(this.#oldest, now);
    }
  }

  /**
   * Forgets what was heard of before `at`: every access token of these sessions has expired.
   *
   * @param {number} at
   */
  forgetBefore(at) {
    if (this.#oldest >= at) return;
    this.#oldest = Infinity;
    for (const [id, heard] of this.#ended) {
      if (heard < at) this.#ended.delete(id);
      else this.#oldest = Math.min(this.#oldest, heard);
    }
  }

  /**
   * What was heard of after `now` was heard of now: the clock was ahead.
   *
   * @param {number} now
   */
  nothingAfter(now) {
    for (const [id, heard] of this.#ended) if (heard > now) this.#ended.set(id, now);
    this.#oldest = Math.min(this.#oldest, now);
  }

  get size() {
    return this.#ended.size;
  }
}
