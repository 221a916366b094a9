// The management API, as far as a server asks it whose token or ticket it was shown.
import { json, own, text, whole } from './encoding.js';
import { userOf } from './identity.js';
import { bounded } from './issuer.js';
import { Problem } from './problem.js';
import { isBase } from './verifier.js';

/** @param {import('./index.js').ManagementOptions} options */
export const createManagement = (options) => new Management(options);

class Management {
  #url;
  #token;
  #fetch;

  /** @param {import('./index.js').ManagementOptions} options */
  constructor({ url, token, fetch: given }) {
    if (!text(url) || !isBase(url))
      throw new TypeError('url: give where Countersign is, like https://auth.example.com');
    if (!text(token) || !/^cs_[a-z2-7]{38}$/.test(token))
      throw new TypeError('token: give what `countersign token create` printed');
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#fetch = given ?? ((/** @type {Parameters<typeof fetch>} */ ...request) =>
      fetch(...request));
  }

  /**
   * @param {{token: string} | {cookie: string | null | undefined, access?: boolean}} what
   * @returns {Promise<import('./index.js').Introspection | null>}
   */
  async introspect(what) {
    if ('token' in what) return this.#ask('introspect', { token: what.token });
    // A browser without cookies is nobody's.
    if (!what.cookie) return null;
    return this.#ask('introspect', { cookie: what.cookie, access: what.access === true });
  }

  /**
   * @param {string} ticket
   * @param {string} [purpose]
   * @returns {Promise<import('./index.js').Introspection | null>}
   */
  async redeemTicket(ticket, purpose = '') {
    // Once: a second try would find that the first has used it up.
    return this.#ask('tickets/redeem', { ticket, for: purpose });
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async #ask(path, body) {
    const url = `${this.#url}/manage/v1/${path}`;
    let status;
    let answer;
    try {
      const response = await this.#fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        // Next keeps answers otherwise.
        cache: 'no-store',
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT),
      });
      status = response.status;
      answer = json(await bounded(response, MAX_BYTES, url));
    } catch (cause) {
      throw Object.assign(away(), { cause });
    }
    if (status === 429 || status >= 500) throw away();
    const told = typeof answer === 'object' && answer !== null ? answer : {};
    if (status !== 200) throw new Error(refusal(url, status, told));
    return introspection(told, url);
  }
}

/**
 * @param {object} told
 * @param {string} url
 * @returns {import('./index.js').Introspection | null}
 */
function introspection(told, url) {
  const active = own(told, 'active');
  if (active === false) return null;
  const [sub, sid, tokenUse] = ['sub', 'sid', 'token_use'].map((name) => own(told, name));
  if (active !== true || !text(sub) || !text(sid) || !isUse(tokenUse))
    throw new Error(`${url} does not answer as Countersign does`);
  const [exp, access] = [own(told, 'exp'), own(told, 'access_token')];
  // No member of the answer is a method of every object.
  const claims = /** @type {any} */ (Object.assign(Object.create(null), told));
  return Object.freeze({
    user: userOf(claims, new Map()),
    sid,
    tokenUse,
    expiresAt: whole(exp) ? exp : undefined,
    accessToken: text(access) ? access : undefined,
  });
}

/**
 * Whoever runs this server has to see to it, and no user can: so it is no `Problem`.
 *
 * @param {string} url
 * @param {number} status
 * @param {object} told
 */
function refusal(url, status, told) {
  const [code, detail] = [own(told, 'code'), own(told, 'detail')];
  const why = text(code) && text(detail) ? `: ${code}: ${detail}` : '';
  return `${url} answers ${status}${why}`;
}

/**
 * @param {unknown} word
 * @returns {word is 'access' | 'refresh' | 'ticket'}
 */
const isUse = (word) => word === 'access' || word === 'refresh' || word === 'ticket';

const away = () => new Problem('unavailable', { detail: AWAY, retryAfter: 1 });

const AWAY = 'The login service cannot be reached, so nobody can be let in. Try again soon.';

/** In milliseconds, for one answer. */
const TIMEOUT = 5000;
const MAX_BYTES = 1024 * 1024;
