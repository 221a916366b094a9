// Following the issuer: its keys and its list of ended sessions.
import { json, own, text } from './encoding.js';
import { keySet } from './keys.js';
import { Recent } from './recent.js';
import { readList, Revocations } from './revocations.js';
import { Fault } from './token.js';

export class Issuer {
  /** @type {Map<string, import('./keys.js').Key>} */
  keys = new Map();
  revocations = new Revocations();
  /** Tokens issued at or before this are asked to be renewed: more ended than a list can name. */
  issuedAfter = 0;
  /** How long endings are remembered, by the newest list; 0 before the first. */
  kept = 0;
  /**
   * The tokens that were verified with these keys.
   *
   * @type {Recent<{identity: (now: number) => import('./identity.js').Identity, until: number}>}
   */
  verified;

  /** When keys and endings were last known to be right; 0: never. */
  #goodAt = 0;
  /** When the keys were last asked for, and had. */
  #keysAsked = -Infinity;
  #keysHad = { at: 0, mono: -Infinity };
  /** @type {Promise<void> | undefined} */
  #fetchingKeys;
  /** What is remembered from one list to the next. */
  #list = { at: 0, tag: '', cursor: '', exp: 0 };
  /** @type {{keys: string, list: string} | undefined} */
  #places;
  /** @type {Promise<void> | undefined} */
  #turning;
  /** Until when what was asked last is no older than it should be. */
  #due = -Infinity;
  /** Whether the turn that is under way is the first after nobody had asked for a while. */
  #isLate = false;
  /** When somebody last asked here. */
  #wanted = -Infinity;
  #isFollowing = false;
  #isDown = false;

  /** @param {import('./verifier.js').Settings} settings */
  constructor(settings) {
    this.settings = settings;
    this.verified = new Recent(settings.tokenCacheLetters);
  }

  get isFresh() {
    // A clock that went back by more is as good as one that went on.
    const since = Math.abs(this.settings.clock() - this.#goodAt);
    return this.#goodAt > 0 && since <= this.settings.maxStaleness;
  }

  /** Sees to it that the issuer is asked, for as long as somebody asks here. */
  want() {
    this.#wanted = this.settings.monotonic();
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    void this.#follow();
  }

  /**
   * The same, and waits where nothing is known yet, and where nobody has asked the issuer for a
   * while: the process slept, or had nothing to do.
   */
  async awake() {
    const isLate = this.settings.monotonic() > this.#due;
    this.want();
    const mustWait = this.#goodAt === 0 || this.#isLate;
    if (isLate || (mustWait && this.#turning)) await this.turn();
  }

  /** Stops asking; the next request begins anew. */
  rest() {
    this.#wanted = -Infinity;
  }

  async #follow() {
    const { monotonic, pollInterval, sleep } = this.settings;
    while (monotonic() - this.#wanted < IDLE) {
      const begun = monotonic();
      await this.turn();
      await sleep(Math.max(pollInterval - (monotonic() - begun), pollInterval / 2));
    }
    this.#isFollowing = false;
  }

  /** Asks the issuer once for what is due. Many may ask at a time; one does. */
  turn() {
    this.#turning ??= this.#turn().finally(() => {
      this.#turning = undefined;
    });
    return this.#turning;
  }

  async #turn() {
    const { monotonic, pollInterval } = this.settings;
    // No request waits for an issuer that is slow, only for one that was not asked.
    this.#isLate = monotonic() > this.#due;
    this.#due = monotonic() + LONGEST_TURN;
    try {
      await this.#renewKeys();
      await this.#poll();
      this.#goodAt = this.settings.clock();
      this.#isDown = false;
    } catch (error) {
      // Whatever was known may be the reason: the next list is read from its beginning.
      this.#forgetList();
      this.#places = undefined;
      if (!this.#isDown)
        this.#warn('the keys, or the list of ended sessions, cannot be had', error);
      this.#isDown = true;
    } finally {
      this.#due = monotonic() + 2 * pollInterval;
      this.#isLate = false;
    }
  }

  /**
   * Fetches the keys again, unless they were asked for within `floor` seconds: anybody can invent a
   * key id.
   */
  async fetchKeys(floor = KEYS_FLOOR) {
    if (!this.#fetchingKeys && this.settings.monotonic() - this.#keysAsked < floor) return;
    try {
      await this.#loadKeys();
    } catch (error) {
      this.#warn('the keys cannot be had; the old ones go on', error);
    }
  }

  /** Fetches the keys again when they are a minute old: a key that retired goes. */
  async #renewKeys() {
    const { clock, monotonic } = this.settings;
    const { at, mono } = this.#keysHad;
    if (monotonic() - mono < KEYS_EVERY && Math.abs(clock() - at) < KEYS_EVERY) return;
    await this.#loadKeys();
  }

  #loadKeys() {
    this.#fetchingKeys ??= this.#readKeys().finally(() => {
      this.#fetchingKeys = undefined;
    });
    return this.#fetchingKeys;
  }

  async #readKeys() {
    const { clock, monotonic } = this.settings;
    this.#keysAsked = monotonic();
    const at = clock();
    const { keys: place } = await this.#find();
    const { body } = await this.#get(place, MAX_KEY_SET_BYTES);
    if (body === undefined) throw new Error('the keys are said to be the same, and nobody asked');
    this.keys = keySet(body);
    this.#keysHad = { at, mono: monotonic() };
    this.verified.clear();
  }

  /** Takes in what ended since the last time. */
  async #poll() {
    const now = this.settings.clock();
    if (now < this.#list.at) {
      // What was forgotten while the clock was ahead is read again.
      this.#forgetList();
      this.revocations.nothingAfter(now);
    }
    const { cursor, exp } = this.#list;
    this.#list.at = now;
    const { list: place } = await this.#find();
    const url = cursor ? `${place}?since=${cursor}` : place;
    // A list whose time is over may be a cache's: then the whole is asked for.
    const tag = cursor && now < exp ? this.#list.tag : '';
    const answer = await this.#get(url, MAX_LIST_BYTES, tag);
    if (answer.body === undefined) {
      if (tag) return;
      throw new Error('the issuer says that nothing changed, and was not asked');
    }
    const list = await this.#readList(answer.body, now);
    this.revocations.add(list.sessions, now);
    this.issuedAfter = Math.max(this.issuedAfter, list.issuedAfter);
    this.revocations.forgetBefore(now - list.kept);
    if (this.kept !== list.kept) this.verified.clear();
    this.kept = list.kept;
    this.#list = { at: now, tag: answer.tag, cursor: list.cursor, exp: list.exp };
  }

  /**
   * @param {string} body
   * @param {number} now
   */
  async #readList(body, now) {
    const { issuer } = this.settings;
    try {
      return await readList(body, this.keys, issuer, now);
    } catch (error) {
      if (!(error instanceof Fault) || error.why !== 'unknown key') throw error;
      // The list comes from the issuer itself, so this is no stranger's invention: the keys were
      // rotated at once.
      await this.fetchKeys(LIST_FLOOR);
      return readList(body, this.keys, issuer, now);
    }
  }

  #forgetList() {
    this.#list = { at: 0, tag: '', cursor: '', exp: 0 };
  }

  /** Where keys and list are: as `url` says, or the issuer's own document (OIDC Discovery, 4). */
  async #find() {
    const { issuer, url } = this.settings;
    if (url !== undefined)
      return { keys: `${url}/.well-known/jwks.json`, list: `${url}/.well-known/revocations` };
    if (this.#places) return this.#places;
    const place = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
    const { body } = await this.#get(place, MAX_KEY_SET_BYTES);
    const told = json(body ?? '');
    if (typeof told !== 'object' || told === null) throw new Error(`${place} is no JSON object`);
    const named = own(told, 'issuer');
    if (named !== issuer)
      throw new Error(`${place} says that the issuer is ${named}; give exactly that as issuer`);
    const at = (/** @type {string} */ name) => {
      const value = own(told, name);
      // Another origin's keys would be another's to choose.
      if (!text(value) || new URL(value).origin !== new URL(issuer).origin)
        throw new Error(`${place} has no ${name} on the issuer's origin`);
      return value;
    };
    this.#places = { keys: at('jwks_uri'), list: at('revocations_uri') };
    return this.#places;
  }

  /**
   * @param {string} url
   * @param {number} most bytes
   * @param {string} [tag]
   * @returns {Promise<{body?: string, tag: string}>} no body: it is still the one with this tag
   */
  async #get(url, most, tag) {
    const answer = await this.settings.fetch(url, {
      headers: tag ? { 'if-none-match': tag } : {},
      // Next keeps answers otherwise.
      cache: 'no-store',
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const newTag = answer.headers.get('etag') ?? '';
    if (answer.status === 304) {
      await answer.body?.cancel();
      return { tag: newTag };
    }
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Error(`${url} answers ${answer.status}`);
    }
    return { body: await bounded(answer, most, url), tag: newTag };
  }

  /**
   * @param {string} what
   * @param {unknown} error
   */
  #warn(what, error) {
    // What `fetch` throws says little without its cause.
    const { message, cause } = /** @type {Error} */ (error);
    const because = cause instanceof Error ? `${message}: ${cause.message}` : message;
    this.settings.warn(
      `Countersign at ${this.settings.url ?? this.settings.issuer}: ${what}: ${because}`,
    );
  }
}

/**
 * The body of an answer, if it is no longer than `most` bytes.
 *
 * @param {Response} answer
 * @param {number} most
 * @param {string} url
 */
export async function bounded(answer, most, url) {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const reader = answer.body?.getReader();
  let [text, size] = ['', 0];
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || !value) return text + utf8.decode();
    size += value.length;
    if (size > most) {
      await reader?.cancel();
      throw new Error(`${url} answers with more than ${most} bytes`);
    }
    text += utf8.decode(value, { stream: true });
  }
}

// In seconds: how often the keys are asked for at most because of a token, or of the issuer's own
// list, names one that is not known; and how long caches may keep them.
const KEYS_FLOOR = 10;
const LIST_FLOOR = 1;
const KEYS_EVERY = 60;
/** A process that nobody asks for so long asks nobody either. */
const IDLE = 60;

/** In milliseconds, for one answer. */
const TIMEOUT = 5000;
/** In seconds: for the issuer's document, its keys, its list, and its keys once more. */
const LONGEST_TURN = 20;
const MAX_KEY_SET_BYTES = 1024 * 1024;
/** Room for a list of a million ended sessions. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;
