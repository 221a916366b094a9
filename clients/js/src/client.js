// The client itself: what it remembers, how it refreshes, and how tabs share. For browsers and,
// with a vault, for native apps.
import { accounts } from './accounts.js';
import { abortable, deadline, throwIfAborted } from './clock.js';
import { factors } from './factors.js';
import { CountersignError, checked, noAnswer, send } from './http.js';
import { listeners } from './listeners.js';
import { passkeys } from './passkeys.js';
import { retries } from './retries.js';
import { schedule } from './schedule.js';
import { signer } from './signer.js';
import { surroundings } from './surroundings.js';
import { tabs } from './tabs.js';
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
 * @property {() => Promise<boolean>} isReplaced whether what is stored by now is not the refresh
 * token that was read last
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
  const heard = listeners();
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
  const tries = retries(env);
  let isClosed = false;
  /** @type {Promise<void> | undefined} */
  let flight;
  const refreshes = schedule(env, () => renew().catch(nothing));

  /** After `close` nothing begins, and nothing that comes counts. */
  function live() {
    if (isClosed) throw new CountersignError('The client is closed.', { code: 'client_closed' });
  }

  async function call(
    /** @type {string} */ path,
    /** @type {import('./http.js').Call} */ what = {},
  ) {
    live();
    const answer = await send(env, base + path, vault ? 'omit' : 'include', what);
    live();
    return answer;
  }

  const signing = signer({ env, call, grant, base, here, apiOrigins: options.apiOrigins });
  const { asUser } = signing;
  const pleaseSign = async (/** @type {AbortSignal | null} */ signal = null) =>
    (await call('/csrf', { method: 'GET', signal })).csrf_token;
  const others = tabs(env, vault ? undefined : 'countersign:' + base, {
    now: () => ({ access, csrf, left: left(), user: state.user }),
    enter,
    leave: (code, reason) => void leave(code, reason, false),
    meet: (user) => change({ ...state, user }, { type: 'user', user }),
  });

  /**
   * After a reload nothing is known; the cookie may be the API host's, and not ours to read. Then
   * the server says what we need, or who is not there.
   */
  async function learn(/** @type {AbortSignal | null} */ signal = null) {
    live();
    if (csrf || vault || (csrf = env.csrfCookie?.(base))) return;
    const asked = version;
    const found = await call('/session', { method: 'GET', signal });
    if (!found?.csrf_token && found?.user !== null)
      throw noAnswer('The answer is not from Countersign.');
    if (version === asked) csrf = found.csrf_token;
    return found;
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
    if (!same) {
      // Late messages about the session before count for nothing.
      if (csrf && csrf !== session.csrf) others.end(csrf);
      ours = new Set();
    }
    ({ access, csrf, left } = session);
    ours.add(session.access);
    if (ours.size > REMEMBERED) ours.delete([...ours][0]);
    rise();
    tries.succeeded();
    replaced = over;
    const life = left();
    // So that nobody can foresee it and keep step; more than half of a short life is not given
    // away.
    refreshes.plan(Math.max(SECOND, life - (1 - env.random()) * Math.min(LAST_MINUTE, life / 2)));
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
    live();
    if (csrf) others.end(csrf, code, reason, aloud);
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
    left = over;
    tries.forget();
    refreshes.stop();
    rise();
  }

  function rise() {
    version++;
    risen();
  }

  function change(/** @type {import('./index.js').State} */ next, /** @type {any} */ event) {
    // A listener may have closed it, at the end that was told before this beginning.
    if (isClosed) return;
    state = Object.freeze(next);
    heard.tell(event);
  }

  function wake(/** @type {any} */ event) {
    if (event.type === 'online' && tries.isWorthATry()) refreshes.hurry();
    // Back from the browser's history: while it was away the page heard nothing of the other tabs.
    if (event.persisted && access) refreshes.hurry();
    refreshes.tick();
  }

  /** One refresh at a time; whoever comes in between waits for the same. */
  async function renew() {
    live();
    await (flight ??= tryUntilAnswered().finally(() => (flight = undefined)));
    live();
  }

  async function tryUntilAnswered() {
    const asked = version;
    while (version === asked) {
      // Without an await where there is nothing to wait for: a login that comes next comes later.
      const pause = tries.wait();
      if (pause) await pause;
      try {
        return await inTurn((waited) => refreshOnce(asked, waited));
      } catch (/** @type {any} */ error) {
        // No answer is no ending: the session stays.
        if (version !== asked) return;
        refreshes.plan(tries.after(error));
        if (error.status && error.status < 500 && ![408, 429].includes(error.status)) throw error;
      }
    }
  }

  async function refreshOnce(
    /** @type {number} */ asked,
    /** @type {boolean | undefined} */ waited,
  ) {
    // The tab that had the lock has told us what it got; its message may be a moment behind.
    if (waited && others.are && version === asked) {
      await new Promise((/** @type {any} */ resolve) => {
        risen = resolve;
        env.setTimeout(resolve, MESSAGE);
      });
    }
    if (version !== asked) return;
    let answer, ending;
    let sent = over;
    try {
      const json = await vault?.refreshToken();
      const found = await learn();
      // Another tab may have answered in the meantime.
      if (version !== asked) return;
      if (vault && !json?.refresh_token) return leave('refresh_token_missing', undefined, false);
      if (found?.user === null) return leave(found.code, found.reason, false);
      // The lifetime counts from before the request: that is never too long, whatever the device's
      // clock says.
      sent = deadline(env, 0);
      answer = checked(await signed('/refresh', { json }));
    } catch (/** @type {any} */ error) {
      if (error.status !== 401 || !ENDING.test(error.code)) throw error;
      ending = error;
    }
    // Another process of the same app has logged in or out meanwhile, or has refreshed: the answer
    // is about a token that is not the app's any more, and what is stored counts.
    const isLate = await vault?.isReplaced();
    if (version !== asked) return;
    if (isLate) return refreshOnce(asked, false);
    if (ending) return leave(ending.code, ending.reason, true);
    let same = vault ? !vault.isForeign() : csrf === answer.csrf_token;
    await vault?.keep(answer);
    let user = answer.user ?? null;
    // Whoever compares them sees that nothing has changed.
    if (JSON.stringify(user) === JSON.stringify(state.user)) user = state.user;
    // Another process of the same app has refreshed.
    same ||= vault && user && user.id === state.user?.id;
    if (version === asked) begin(answer, sent, user, same);
  }

  function begin(
    /** @type {any} */ answer,
    /** @type {() => number} */ sent,
    /** @type {any} */ user,
    /** @type {boolean} */ same,
  ) {
    live();
    // A little early: the server counts in whole seconds, of which the first may be nearly over,
    // and a request takes its time.
    const life = (answer.expires_in - 1) * 980;
    others.share(
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
      if (refreshes.isDue()) renew().catch(nothing);
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
      others.share('user');
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
    factors: factors({ asUser, look }),
    logout: ({ signal } = {}) =>
      abortable(
        inTurn(async () => {
          throwIfAborted(signal);
          try {
            const found = await learn(signal);
            const json = await vault?.refreshToken();
            if (found?.user !== null)
              await signed('/logout', {
                json,
                // Where the storage has lost it, the access token says which session it is.
                access: json?.refresh_token ? undefined : access,
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
        others.ask();
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
    onChange: heard.add,
    close() {
      isClosed = true;
      forget();
      for (const target of env.events)
        for (const type of WAKING) target.removeEventListener(type, wake);
      others.close();
      heard.clear();
      state = Object.freeze({ status: 'unknown', user: null });
    },
  };
}

const over = () => 0;
const nothing = () => {};

/** The codes that mean the end of a session; the unit tests compare them with the server's list. */
const ENDING = /^(session_|refresh_token_|user_inactive$)/;

const WAKING = ['online', 'pageshow', 'visibilitychange'];

/** A refresh ahead of time happens within these milliseconds before the end. */
const LAST_MINUTE = 60_000;

/** However short a life is, there is this much between one refresh ahead of time and the next. */
const SECOND = 1000;

/** How many milliseconds the message of another tab may be behind its lock. */
const MESSAGE = 200;

/**
 * After a new token has been refused as well, how many milliseconds go by before a refusal is taken
 * seriously again.
 */
const IN_VAIN = 30_000;

/** How many access tokens of a session are known: those that a late 401 may be about. */
const REMEMBERED = 8;
