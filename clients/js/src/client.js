// The client itself: what it remembers, how it refreshes, and how tabs share. For browsers and,
// with a vault, for native apps.
import { accounts } from './accounts.js';
import { abortable, deadline, throwIfAborted } from './clock.js';
import { CountersignError, noAnswer, send } from './http.js';
import { passkeys } from './passkeys.js';
import { signer } from './signer.js';
import { surroundings } from './surroundings.js';
import { turns } from './turns.js';

/**
 * Where a native client keeps its refresh token, in place of the browser's cookie.
 *
 * @typedef {object} Vault
 * @property {() => Promise<{refresh_token?: string}>} refreshToken what refresh and logout send
 * @property {() => Promise<object>} loginFields what login sends besides what it is given
 * @property {(answer: any) => Promise<void>} keep takes the tokens out of an answer
 * @property {() => boolean} isForeign whether the refresh token that was read last was stored by
 * somebody else, and may be another session's
 * @property {() => Promise<void>} drop forgets the refresh token
 */

/**
 * @param {import('./index.js').Options} [options]
 * @param {Vault} [vault]
 * @returns {import('./index.js').Client<any>}
 */
export function build(options = {}, vault) {
  const env = { ...surroundings(), ...options.env };
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const base = env.absolute(String(options.baseUrl ?? '/accounts'), here).replace(/\/+$/, '');
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
   * The session's CSRF token. It is as old as the session, and so is also its name among tabs.
   * @type {string | undefined}
   */
  let csrf;
  /**
   * The session's latest access tokens. Another session has another set: what was asked for in one
   * is never done in the next.
   * @type {Set<string>}
   */
  let ours = new Set();
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
  const signing = signer({ env, call, grant, base, here, apiOrigins: options.apiOrigins });
  const { asUser } = signing;
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

  /** A session begins, or `same` goes on. */
  function enter(/** @type {any} */ session, /** @type {boolean} */ same) {
    const before = state;
    const type = same && before.status === 'signed_in' ? 'refreshed' : 'signed_in';
    const { user } = session;
    ({ access, csrf, left } = session);
    if (!same) ours = new Set();
    ours.add(session.access);
    if (ours.size > REMEMBERED) ours.delete([...ours][0]);
    rise();
    failures = 0;
    pause = replaced = over;
    const life = left();
    // So that nobody can foresee it and keep step; more than half of a short life is not given
    // away.
    plan(Math.max(SECOND, life - (1 - env.random()) * Math.min(LAST_MINUTE, life / 2)));
    // Whatever a page holds of one user is not for the next.
    if (!same && before.status === 'signed_in' && before.user?.id !== user?.id)
      out('session_changed');
    change({ status: 'signed_in', user }, { type, user });
    return type;
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
    if (state.status !== 'signed_out') out(code, reason);
    await vault?.drop();
  }

  function out(/** @type {any} */ code, /** @type {any} */ reason = undefined) {
    change(
      { status: 'signed_out', user: null, code, reason },
      { type: 'signed_out', code, reason },
    );
  }

  function forget() {
    access = csrf = undefined;
    ours = new Set();
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
        enter({ ...data, left: theirs }, same);
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
        if (error.status && error.status < 500 && ![408, 429].includes(error.status)) throw error;
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
    let answer, sent, user, same;
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
      same = vault ? !vault.isForeign() : csrf === answer.csrf_token;
      await vault?.keep(answer);
      // The same session's user is known.
      user =
        (same && state.user) ||
        (await call('/profile', { method: 'GET', access: answer.access_token }).catch(() => ({})))
          .user ||
        null;
      // Another process of the same app has refreshed.
      same ||= vault && user && user.id === state.user?.id;
    } catch (/** @type {any} */ error) {
      if (version === asked && error.status === 401 && ENDING.test(error.code))
        return leave(error.code, error.reason, true);
      throw error;
    }
    if (version === asked) begin(answer, sent, user, same);
  }

  function begin(
    /** @type {any} */ answer,
    /** @type {() => number} */ sent,
    /** @type {any} */ user,
    /** @type {boolean} */ same,
  ) {
    // A little early: the server counts in whole seconds, of which the first may be nearly over,
    // and a request takes its time.
    const life = (answer.expires_in - 1) * 980;
    share(
      enter(
        { access: answer.access_token, csrf: answer.csrf_token, left: () => life + sent(), user },
        same,
      ),
    );
  }

  /**
   * A token that is good, with its countersign; nothing when nobody is signed in.
   *
   * @param {{ signal?: AbortSignal | null, refused?: string }} [options]
   */
  async function grant({ signal, refused } = {}) {
    throwIfAborted(signal);
    const { status } = state;
    const whose = ours;
    if (status === 'signed_out') return;
    const again = refused && refused === access;
    if (left() > 0 && !again) {
      if (due() <= 0) renew().catch(nothing);
      // The last one was no better. A server that refuses everything must not cost a refresh with
      // every request.
    } else if (!again || replaced() <= 0) {
      await abortable(renew(), signal);
      if (again && access) replaced = deadline(env, IN_VAIN);
    }
    if (!access) return;
    if (refused) return ours.has(refused) ? { access, csrf } : undefined;
    if (status === 'signed_in' && whose !== ours)
      throw new CountersignError('Somebody else is signed in by now.', { code: 'session_changed' });
    return { access, csrf };
  }

  /** The profile, read or written, for all tabs. */
  async function profile(/** @type {import('./http.js').Call} */ what) {
    await grant(what);
    const whose = ours;
    const { user } = await asUser('/profile', what);
    if (whose === ours && state.status === 'signed_in') {
      change({ ...state, user }, { type: 'user', user });
      share('user');
    }
    return user;
  }

  /** @type {import('./index.js').Client['loadUser']} */
  async function loadUser({ signal } = {}) {
    try {
      return (await grant({ signal })) ? await profile({ method: 'GET', signal }) : null;
    } catch (error) {
      if (state.status === 'signed_out') return null;
      throw error;
    }
  }

  /**
   * Asks for a session. Never tried twice by itself. `must` an answer be one with tokens?
   *
   * @param {string} path
   * @param {any} json
   * @param {import('./index.js').Abortable} [options]
   * @param {boolean} [must]
   */
  const open = (path, json, { signal } = {}, must) =>
    abortable(
      inTurn(async () => {
        throwIfAborted(signal);
        const sent = deadline(env, 0);
        const device = await vault?.loginFields();
        const answer = await call(path, { json: { ...device, ...json }, signal });
        if (!must && !answer?.access_token) return null;
        checked(answer);
        await vault?.keep(answer);
        begin(answer, sent, answer.user, false);
        return answer.user;
      }),
      signal,
    );

  /** Whether the session is as it was; the user. */
  async function look(/** @type {boolean} */ reread) {
    if (state.status === 'signed_in') await (reread ? loadUser() : renew()).catch(nothing);
    return state.user;
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
    ...accounts({
      call,
      asUser,
      open,
      profile,
      device: async () => vault?.loginFields(),
      look,
    }),
    passkeys: passkeys({ call, asUser, open, look, env }),
    logout: ({ signal } = {}) =>
      abortable(
        inTurn(async () => {
          throwIfAborted(signal);
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
      await asUser('/logout-all', { json: { keep_current: keepCurrent }, signal });
      if (!keepCurrent) await leave('session_revoked', 'logout_all', true);
    },
    async restore({ signal } = {}) {
      throwIfAborted(signal);
      if (left() <= 0) {
        tell({ type: 'ask' });
        await abortable(renew(), signal);
      }
      return state.user ?? loadUser({ signal });
    },
    loadUser,
    fetch: signing.fetch,
    async refresh({ signal } = {}) {
      throwIfAborted(signal);
      await abortable(renew(), signal);
      return access;
    },
    accessToken: async (options) => (await grant(options))?.access,
    trusts: signing.trusts,
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

/** An answer with tokens. Whatever else has come with a 200, a proxy has made up. */
function checked(/** @type {any} */ answer) {
  if (!answer?.access_token || !(answer.expires_in > 0))
    throw noAnswer('The answer is not from Countersign.');
  return answer;
}

const over = () => 0;
const never = () => Infinity;
const nothing = () => {};

/** The codes that mean the end of a session; the unit tests compare them with the server's list. */
const ENDING = /^(session_|refresh_token_|user_inactive$)/;

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

/** How many access tokens of a session are known: those that a late 401 may be about. */
const REMEMBERED = 8;

/** Browsers take a longer timer for none at all. */
const LONGEST_TIMER = 2 ** 31 - 1;
