// The verifier: who sends a request, and whether they may.
import { Identity, userOf } from './identity.js';
import { Issuer } from './issuer.js';
import { isAuthenticated } from './permission.js';
import { Problem } from './problem.js';
import { bearerToken, checkCsrf, hasBearer, headerValues, isPreflight, isSafe } from './request.js';
import { Fault, readToken } from './token.js';

/**
 * What is chosen about following an issuer. Times are in seconds.
 *
 * @typedef {object} Settings
 * @property {string} issuer
 * @property {string | undefined} url
 * @property {string | undefined} audience
 * @property {Map<string, readonly string[]>} groups
 * @property {number} maxStaleness
 * @property {number} pollInterval
 * @property {number} tokenCacheLetters
 * @property {typeof fetch} fetch
 * @property {() => number} clock whole seconds since 1970
 * @property {() => number} monotonic seconds, by a clock that nobody sets
 * @property {(seconds: number) => Promise<void>} sleep
 * @property {(message: string) => void} warn
 */

/** @param {import('./index.js').Options} options */
export const createVerifier = (options) => new Verifier(settingsOf(options));

/**
 * A verifier as it is, or one made of options: what adapters take.
 *
 * @param {import('./index.js').Verifier | import('./index.js').Options} given
 * @returns {import('./index.js').Verifier}
 */
export const verifierOf = (given) =>
  given instanceof Verifier
    ? given
    : createVerifier(/** @type {import('./index.js').Options} */ (given));

class Verifier {
  #issuer;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#issuer = new Issuer(settings);
  }

  /**
   * @param {import('./index.js').RequestLike} request
   * @param {import('./index.js').Permission} [permission]
   * @param {{preflights?: boolean}} [options]
   * @returns {Promise<import('./index.js').Identity | null>}
   */
  async check(request, permission = isAuthenticated, { preflights = false } = {}) {
    if (preflights && isPreflight(request)) return null;
    const who = await this.authenticate(request);
    permission.demand(who, request);
    return who;
  }

  /**
   * @param {import('./index.js').RequestLike} request
   * @returns {Promise<import('./index.js').Identity | null>}
   */
  async authenticate({ method, headers }) {
    const values = headerValues(headers, 'authorization');
    if (values.length === 0) return null;
    // Nobody can tell a good token from a bad one then.
    if (hasBearer(values)) await this.#haveNews();
    const who = await this.#identify(bearerToken(values));
    const { csrf } = who.claims;
    if (!isSafe(method) && csrf !== undefined && csrf !== null) await checkCsrf(headers, csrf);
    return mayMoreThanEnrol(who);
  }

  /** @param {string} token */
  async verify(token) {
    await this.#haveNews();
    return mayMoreThanEnrol(await this.#identify(token));
  }

  async ready() {
    await this.#issuer.awake();
    await this.#issuer.turn();
    return this.isReady;
  }

  get isReady() {
    // A probe may be all that asks: while it does, the next one finds what is known now.
    this.#issuer.want();
    return this.#issuer.isFresh;
  }

  /** @param {string} sid */
  isLive(sid) {
    // So may a stream, and nobody can tell who has ended once what is known is too old.
    this.#issuer.want();
    return this.#issuer.isFresh && !this.#issuer.revocations.has(sid);
  }

  close() {
    this.#issuer.rest();
  }

  async #haveNews() {
    await this.#issuer.awake();
    if (!this.#issuer.isFresh) throw new Problem('unavailable', { detail: AWAY, retryAfter: 1 });
  }

  /**
   * @param {string} token
   * @returns {Promise<Identity>}
   */
  async #identify(token) {
    const issuer = this.#issuer;
    const now = issuer.settings.clock();
    let seen = issuer.verified.get(token);
    if (!seen || now >= seen.until) {
      const { claims, until, keys } = await this.#read(token, now);
      const user = userOf(claims, issuer.settings.groups);
      const identity = (/** @type {number} */ at) => new Identity(claims, user, at);
      seen = { identity, until };
      // Not where there are other keys by now.
      if (keys === issuer.keys) issuer.verified.set(token, seen);
    }
    const who = seen.identity(now);
    if (issuer.revocations.has(who.claims.sid)) throw new Problem('session_revoked');
    if (who.claims.iat <= issuer.issuedAfter) throw new Problem('token_expired');
    return who;
  }

  /**
   * @param {string} token
   * @param {number} now
   */
  async #read(token, now) {
    const { issuer, audience } = this.#issuer.settings;
    const read = async () => {
      const { keys, kept } = this.#issuer;
      return { keys, ...(await readToken(token, keys, { issuer, audience, kept }, now)) };
    };
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.why !== 'unknown key') throw error.problem;
    }
    await this.#issuer.fetchKeys();
    try {
      return await read();
    } catch (error) {
      throw error instanceof Fault ? error.problem : error;
    }
  }
}

/**
 * A session that may only enrol a second factor gets nowhere else.
 *
 * @param {Identity} who
 */
function mayMoreThanEnrol(who) {
  if ((who.claims.scope ?? null) !== null) throw new Problem('enrolment_required');
  return who;
}

/**
 * @param {import('./index.js').Options} options
 * @returns {Settings}
 */
function settingsOf(options) {
  const { issuer, url, audience, groups = {}, maxStaleness = 300, pollInterval = 1 } = options;
  if (typeof issuer !== 'string' || issuer === '')
    throw new TypeError('issuer: give what the tokens say in `iss`, like https://auth.example.com');
  if (!isBase(url ?? issuer))
    throw new TypeError(
      `${url ?? issuer} is not where an issuer can be: give a URL with scheme and host, like ` +
        'https://auth.example.com; where the issuer has another name than its address, give both, ' +
        'issuer and url',
    );
  if (audience !== undefined && (typeof audience !== 'string' || audience === ''))
    throw new TypeError('audience: give one name, or leave it out');
  if (!(pollInterval >= 0.05)) throw new TypeError('pollInterval: at least 0.05 seconds');
  if (!(maxStaleness >= Math.max(pollInterval, 1)))
    throw new TypeError('maxStaleness: at least a second, and at least pollInterval');
  const table = groups instanceof Map ? groups : new Map(Object.entries(groups));
  return {
    issuer,
    url: url?.replace(/\/+$/, ''),
    audience,
    groups: table,
    maxStaleness,
    pollInterval,
    tokenCacheLetters: options.tokenCacheLetters ?? 8 * 1024 * 1024,
    fetch: options.fetch ?? ((...request) => fetch(...request)),
    clock: options.clock ?? (() => Math.floor(Date.now() / 1000)),
    monotonic: options.env?.monotonic ?? (() => performance.now() / 1000),
    sleep: options.env?.sleep ?? sleep,
    warn: options.warn ?? ((message) => console.warn(message)),
  };
}

/** @param {string} url */
export function isBase(url) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return (
    (parsed?.protocol === 'https:' || parsed?.protocol === 'http:') &&
    parsed.username === '' &&
    parsed.password === '' &&
    !/[?#]/.test(url)
  );
}

/**
 * Keeps no process alive.
 *
 * @param {number} seconds
 * @returns {Promise<void>}
 */
const sleep = (seconds) =>
  new Promise((resolve) => {
    const timer = /** @type {any} */ (setTimeout(resolve, seconds * 1000));
    timer.unref?.();
  });

const AWAY = 'The login service cannot be reached, so nobody can be let in. Try again soon.';
