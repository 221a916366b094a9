// The client itself: what it remembers, how it refreshes, and how tabs share. For browsers and,
// with a vault, for native apps.
import { abortable, deadline } from './clock.js';
import { CSRF_HEADER, failure, send } from './http.js';
import { turns } from './turns.js';

/**
 * Where a native client keeps its refresh token, in place of the browser's cookie.
 *
 * @typedef {object} Vault
 * @property {() => Promise<{refresh_token?: string}>} refreshToken what refresh and logout send
 * @property {() => Promise<object>} loginFields what login sends besides the name and the password
 * @property {(answer: any) => Promise<void>} keep takes the tokens out of an answer
 * @property {() => Promise<void>} drop forgets the refresh token
 */

/**
 * @param {import('./index.js').Options} [options]
 * @param {Vault} [vault]
 * @returns {import('./index.js').Client}
 */
export function build(options = {}, vault) {
  const env = { ...surroundings(), ...options.env };
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const base = new URL(options.baseUrl ?? '/accounts', here).href.replace(/\/+$/, '');
  const trusted = new Set([base, ...(options.apiOrigins ?? [])].map(originOf));
  const inTurn = turns(env, 'countersign:' + base);
  const channel = !vault && env.BroadcastChannel && new env.BroadcastChannel('countersign:' + base);
  /** @type {Set<(change: import('./index.js').Change) => void>} */
  const listeners = new Set();
  /**
   * Ended sessions, known by their CSRF tokens. Late messages about them count for nothing.
   * @type {Set<string>}
   */
  const ended = new Set();

  /** @type {import('./index.js').State} */
  let state = Object.freeze({ status: 'unknown', user: null });
  /** @type {string | undefined} */
  let access;
  /**
   * The session's CSRF token. It is as old as the session, and so is also its name here.
   * @type {string | undefined}
   */
  let csrf;
  let left = over;
  // Rises when a session begins, ends or is refreshed, here or in another tab. Whoever waited for
  // something looks whether it is still wanted.
  let version = 0;
  // Called when it does.
  let risen = nothing;
  // When a server last made us replace a token that should have been good.
  let replaced = over;
  let due = never;
  let pause = over;
  let failures = 0;
  /** @type {any} */
  let fault;
  /** @type {Promise<void> | undefined} */
  let flight;
  /** @type {any} */
  let timer;

  const call = (/** @type {string} */ path, /** @type {import('./http.js').Call} */ what = {}) =>
    send(env, base + path, vault ? 'omit' : 'include', what);
  const profile = async (/** @type {string} */ access) =>
    (await call('/profile', { method: 'GET', access })).user;
  const pleaseSign = async (/** @type {AbortSignal | null} */ signal = null) =>
    (await call('/csrf', { method: 'GET', signal })).csrf_token;
  const tell = (/** @type {object} */ message) => channel && channel.postMessage(message);
  const share = (/** @type {string} */ type) =>
    tell({ type, access, csrf, user: state.user, left: left(), at: env.wall() });

  /** After a reload nothing is known; the cookie may be the API host's, and not ours to read. */
  async function learn(/** @type {AbortSignal | null} */ signal = null) {
    if (csrf || vault) return;
    const asked = version;
    const token = await pleaseSign(signal);
    if (version === asked) csrf = token;
  }

  /**
   * A request that needs the countersign. When ours is another session's, the cookie was changed
   * behind our back: ask for its own, once.
   */
  async function signed(/** @type {string} */ path, /** @type {import('./http.js').Call} */ what) {
    if (vault) return call(path, what);
    const known = csrf;
    try {
      return await call(path, { ...what, csrf: known });
    } catch (/** @type {any} */ error) {
      if (error.code !== 'csrf_failed') throw error;
      const right = await pleaseSign(what.signal);
      if (right === known) throw error;
      return call(path, { ...what, csrf: right });
    }
  }

  /** A session begins or goes on. */
  function enter(/** @type {any} */ session, /** @type {any} */ type) {
    ({ access, csrf, left } = session);
    rise();
    failures = 0;
    pause = replaced = over;
    const life = left();
    // So that nobody can foresee it and keep step; more than half of a short life is not given
    // away.
    plan(Math.max(SECOND, life - (1 - env.random()) * Math.min(LAST_MINUTE, life / 2)));
    change({ status: 'signed_in', user: session.user }, { type, user: session.user });
  }

  /** The session is over. */
  async function leave(
    /** @type {any} */ code,
    /** @type {any} */ reason,
    /** @type {boolean} */ aloud,
  ) {
    if (csrf) {
      ended.add(csrf);
      if (aloud) tell({ type: 'signed_out', csrf, code, reason });
    }
    forget();
    if (state.status !== 'signed_out')
      change(
        { status: 'signed_out', user: null, code, reason },
        { type: 'signed_out', code, reason },
      );
    await vault?.drop();
  }

  function forget() {
    access = csrf = undefined;
    left = pause = over;
    due = never;
    rise();
    env.clearTimeout(timer);
  }

  function rise() {
    version++;
    risen();
  }

  function change(/** @type {import('./index.js').State} */ next, /** @type {any} */ event) {
    state = Object.freeze(next);
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (error) {
        // Its mistake must not keep the others from hearing, and must be seen all the same.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  function plan(/** @type {number} */ ms) {
    due = deadline(env, ms);
    tick();
  }

  /**
   * Refreshes when it is time. A page that nobody sees does not: it wakes up in time, with its next
   * request or when it is looked at.
   */
  function tick() {
    env.clearTimeout(timer);
    if (due() > 0) {
      if (due === never) return;
      timer = env.setTimeout(tick, Math.min(due(), LONGEST_TIMER));
      // Node would wait for it before it ends.
      timer?.unref?.();
    } else if (env.visible()) {
      renew().catch(nothing);
    }
  }

  function wake(/** @type {any} */ event) {
    if (event.type === 'online' && failures && !fault.retryAfter) due = pause = over;
    // Back from the browser's history: while it was away the page heard nothing of the other tabs.
    if (event.persisted && access) due = over;
    tick();
  }

  function hear(/** @type {any} */ { data }) {
    if (data.type === 'ask') {
      if (left() > 0) share('answer');
    } else if (data.type === 'signed_out') {
      ended.add(data.csrf);
      if (csrf === data.csrf) leave(data.code, data.reason, false);
    } else if (!ended.has(data.csrf)) {
      // A message to a frozen tab is as old as the tab's sleep.
      const theirs = deadline(env, data.left - Math.max(0, env.wall() - data.at));
      const same = csrf === data.csrf;
      if (data.type === 'user') {
        if (same) change({ ...state, user: data.user }, { type: 'user', user: data.user });
      } else if (
        same
          ? (data.type !== 'answer' || data.access !== access) && theirs() >= left()
          : data.type !== 'answer' || left() <= 0
      ) {
        // Two tokens of one second may be the same text: a refresh counts all the same, an answer
        // that says nothing new does not.
        enter(
          { ...data, left: theirs },
          same && state.status === 'signed_in' ? 'refreshed' : 'signed_in',
        );
      }
    }
  }

  /** One refresh at a time; whoever comes in between waits for the same. */
  const renew = () => (flight ??= tryUntilAnswered().finally(() => (flight = undefined)));

  async function tryUntilAnswered() {
    const asked = version;
    while (version === asked) {
      const wait = pause();
      if (wait > PATIENCE) throw fault;
      if (wait > 0)
        await new Promise((resolve) => env.setTimeout(/** @type {any} */ (resolve), wait));
      try {
        return await inTurn((waited) => refreshOnce(asked, waited));
      } catch (/** @type {any} */ error) {
        // No answer is no ending: the session stays.
        if (version !== asked) return;
        fault = error;
        const seconds =
          error.retryAfter ?? Math.min(30, 0.5 * 2 ** failures) * (0.5 + env.random() / 2);
        failures++;
        pause = deadline(env, Math.min(seconds, 3600) * 1000);
        plan(pause());
        if (error.status < 500 && error.status !== 429 && error.status !== 408) throw error;
      }
    }
  }

  async function refreshOnce(
    /** @type {number} */ asked,
    /** @type {boolean | undefined} */ waited,
  ) {
    // The tab that had the lock has told us what it got; its message may be a moment behind.
    if (waited && channel && version === asked) {
      await new Promise((/** @type {any} */ resolve) => {
        risen = resolve;
        env.setTimeout(resolve, MESSAGE);
      });
    }
    if (version !== asked) return;
    let answer, sent, user;
    try {
      const json = await vault?.refreshToken();
      if (vault && !json?.refresh_token) return leave('refresh_token_missing', undefined, false);
      await learn();
      // Another tab may have answered in the meantime.
      if (version !== asked) return;
      // The lifetime counts from before the request: that is never too long, whatever the device's
      // clock says.
      sent = deadline(env, 0);
      answer = checked(await signed('/refresh', { json }));
      await vault?.keep(answer);
      // The same session's user is known.
      user =
        (csrf === answer.csrf_token && state.user) ||
        (await profile(answer.access_token).catch(() => null));
    } catch (/** @type {any} */ error) {
      if (version === asked && error.status === 401 && ENDING.test(error.code))
        return leave(error.code, error.reason, true);
      throw error;
    }
    if (version !== asked) return;
    begin(
      answer,
      sent,
      user,
      csrf === answer.csrf_token && state.status === 'signed_in' ? 'refreshed' : 'signed_in',
    );
  }

  function begin(
    /** @type {any} */ answer,
    /** @type {() => number} */ sent,
    /** @type {any} */ user,
    /** @type {string} */ type,
  ) {
    // A little early: the server counts in whole seconds, of which the first may be nearly over,
    // and a request takes its time.
    const life = (answer.expires_in - 1) * 980;
    enter(
      { access: answer.access_token, csrf: answer.csrf_token, left: () => life + sent(), user },
      type,
    );
    share(type);
  }

  /** @type {import('./index.js').Client['accessToken']} */
  async function accessToken({ signal, refused } = {}) {
    signal?.throwIfAborted();
    if (state.status === 'signed_out') return;
    if (left() > 0 && refused !== access) {
      if (due() <= 0) renew().catch(nothing);
      return access;
    }
    const again = refused && refused === access;
    // The last one was no better. A server that refuses everything must not cost a refresh with
    // every request.
    if (again && replaced() > 0) return access;
    await abortable(renew(), signal);
    if (again && access) replaced = deadline(env, IN_VAIN);
    return access;
  }

  /** @type {import('./index.js').Client['loadUser']} */
  async function loadUser({ signal } = {}) {
    if (!(await accessToken({ signal }))) return null;
    const whose = csrf;
    const response = await authorisedFetch(base + '/profile', { cache: 'no-store', signal });
    if (state.status !== 'signed_in') return null;
    if (!response.ok) throw await failure(env, response);
    const { user } = await response.json();
    if (csrf === whose) {
      change({ ...state, user }, { type: 'user', user });
      share('user');
    }
    return user;
  }

  const trusts = (/** @type {any} */ url) => {
    try {
      return trusted.has(new URL(url, here ?? base).origin);
    } catch {
      return false;
    }
  };

  const sign = (/** @type {Request} */ request, /** @type {string} */ token) => {
    request.headers.set('Authorization', 'Bearer ' + token);
    if (csrf && !SAFE.test(request.method)) request.headers.set(CSRF_HEADER, csrf);
    return request;
  };

  /** @type {(input: any, init?: RequestInit) => Promise<Response>} */
  async function authorisedFetch(input, init) {
    const url = input.url ?? input;
    if (!trusts(url)) return env.fetch(input, init);
    const request = new Request(input.url ? input : new URL(url, here ?? base).href, init);
    // Whoever brings a header of their own means it.
    const token = request.headers.has('Authorization') ? undefined : await accessToken(request);
    if (!token) return env.fetch(request);
    // A body can be sent once: the copy is for the second try.
    const copy = request.clone();
    const response = await env.fetch(sign(request, token));
    // RFC 9470: the password has to be given again, which no refresh does.
    if (
      response.status !== 401 ||
      /insufficient_user/.test(response.headers.get('WWW-Authenticate') ?? '')
    )
      return response;
    const better = await accessToken({ signal: request.signal, refused: token }).catch(nothing);
    request.signal?.throwIfAborted();
    return better && better !== token ? env.fetch(sign(copy, better)) : response;
  }

  for (const target of env.events) for (const type of WAKING) target.addEventListener(type, wake);
  if (channel) channel.onmessage = hear;

  return {
    get user() {
      return state.user;
    },
    get state() {
      return state;
    },
    get csrfToken() {
      return csrf;
    },
    get expiresIn() {
      return Math.max(0, left());
    },
    login: ({ username, password, device_name }, { signal } = {}) =>
      abortable(
        inTurn(async () => {
          signal?.throwIfAborted();
          const sent = deadline(env, 0);
          const answer = checked(
            await call('/login', {
              json: { username, password, device_name, ...(await vault?.loginFields()) },
              signal,
            }),
          );
          await vault?.keep(answer);
          begin(answer, sent, answer.user, 'signed_in');
          return answer.user;
        }),
        signal,
      ),
    logout: ({ signal } = {}) =>
      abortable(
        inTurn(async () => {
          signal?.throwIfAborted();
          try {
            await learn(signal);
            await signed('/logout', {
              json: await vault?.refreshToken(),
              access: vault ? undefined : access,
              signal,
            });
          } catch (/** @type {any} */ error) {
            // There was no session to end.
            if (error.status !== 401) throw error;
          }
          await leave('session_revoked', 'logout', true);
        }),
        signal,
      ),
    async logoutAll({ signal, keepCurrent = false } = {}) {
      const response = await authorisedFetch(base + '/logout-all', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ keep_current: keepCurrent }),
        credentials: vault ? 'omit' : 'include',
        signal,
      });
      if (!response.ok) throw await failure(env, response);
      if (!keepCurrent) await leave('session_revoked', 'logout_all', true);
    },
    async restore({ signal } = {}) {
      signal?.throwIfAborted();
      if (left() <= 0) {
        tell({ type: 'ask' });
        await abortable(renew(), signal);
      }
      return state.user ?? loadUser({ signal });
    },
    loadUser,
    fetch: authorisedFetch,
    async refresh({ signal } = {}) {
      signal?.throwIfAborted();
      await abortable(renew(), signal);
      return access;
    },
    accessToken,
    trusts,
    onChange(listener) {
      // Wrapped, so that the same function may listen twice.
      const one = (/** @type {any} */ event) => listener(event);
      listeners.add(one);
      return () => void listeners.delete(one);
    },
    close() {
      forget();
      for (const target of env.events)
        for (const type of WAKING) target.removeEventListener(type, wake);
      if (channel) channel.close();
      listeners.clear();
      state = Object.freeze({ status: 'unknown', user: null });
    },
  };
}

/** @returns {import('./index.js').Environment} */
function surroundings() {
  const { document, location, navigator, performance, crypto } = globalThis;
  return {
    fetch: (input, init) => globalThis.fetch(input, init),
    monotonic: () => performance.now(),
    wall: () => Date.now(),
    random: () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32,
    setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    // A server that renders pages has channels and locks too, and must not share one visitor's
    // tokens with the next.
    BroadcastChannel: location && globalThis.BroadcastChannel,
    locks: location && navigator?.locks,
    visible: () => document?.visibilityState !== 'hidden',
    events: document ? [document, globalThis.window] : [],
  };
}

function originOf(/** @type {string | URL} */ url) {
  const { origin } = new URL(url);
  // All of these are equal, and would trust each other.
  if (origin === 'null')
    throw new TypeError(`${url}: only http and https have an origin that can be trusted`);
  return origin;
}

/** An answer with tokens. Whatever else has come with a 200, a proxy has made up. */
function checked(/** @type {any} */ answer) {
  if (!answer?.access_token || !(answer.expires_in > 0))
    throw new TypeError('The answer is not from Countersign.');
  return answer;
}

const over = () => 0;
const never = () => Infinity;
const nothing = () => {};

/** The codes that mean the end of a session; the unit tests compare them with the server's list. */
const ENDING = /^(session_|refresh_token_|user_inactive$)/;

/** Methods that change nothing, and need no CSRF token. */
const SAFE = /^(GET|HEAD|OPTIONS|TRACE)$/;

const WAKING = ['online', 'pageshow', 'visibilitychange'];

/** A refresh ahead of time happens within these milliseconds before the end. */
const LAST_MINUTE = 60_000;

/** However short a life is, there is this much between one refresh ahead of time and the next. */
const SECOND = 1000;

/**
 * Whoever asks for a token waits this many milliseconds for the next try, and is told of the fault
 * if it is further off.
 */
const PATIENCE = 2_000;

/** How many milliseconds the message of another tab may be behind its lock. */
const MESSAGE = 200;

/**
 * After a new token has been refused as well, how many milliseconds go by before a refusal is taken
 * seriously again.
 */
const IN_VAIN = 30_000;

/** Browsers take a longer timer for none at all. */
const LONGEST_TIMER = 2 ** 31 - 1;
