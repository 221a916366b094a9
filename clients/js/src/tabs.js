// What the tabs of one session tell each other.
import { deadline } from './clock.js';

/**
 * @typedef {object} Page what a tab knows, and what it does with what it hears
 * @property {() => {access?: string, csrf?: string, left: number, user: any}} now
 * @property {(session: any, same: boolean) => void} enter a session began or was refreshed; is it
 * the `same` as this tab's?
 * @property {(code: any, reason: any) => void} leave this tab's session is over
 * @property {(user: any) => void} meet this tab's user was read or written
 */

/**
 * Sessions are named by their CSRF tokens, which are as old as they are.
 *
 * @param {import('./index.js').Environment} env
 * @param {string | undefined} name the same in all tabs that share a session; without one this page
 * is alone
 * @param {Page} page
 */
export function tabs(env, name, page) {
  let channel = name && env.BroadcastChannel && new env.BroadcastChannel(name);
  /**
   * Ended sessions. Late messages about them count for nothing.
   * @type {Set<string | undefined>}
   */
  const ended = new Set();
  const tell = (/** @type {object} */ message) => void (channel && channel.postMessage(message));

  function share(/** @type {string} */ type) {
    const now = page.now();
    // What the server itself has given has not ended.
    ended.delete(now.csrf);
    tell({ type, ...now, at: env.wall() });
  }

  function hear(/** @type {any} */ { data }) {
    const { access, csrf, left } = page.now();
    if (data.type === 'ask') {
      if (left > 0) share('answer');
    } else if (data.type === 'signed_out') {
      ended.add(data.csrf);
      if (csrf === data.csrf) page.leave(data.code, data.reason);
    } else if (!ended.has(data.csrf)) {
      // A message to a frozen tab is as old as the tab's sleep.
      const theirs = deadline(env, data.left - Math.max(0, env.wall() - data.at));
      const same = csrf === data.csrf;
      if (data.type === 'user') {
        if (same) page.meet(data.user);
      } else if (
        same
          ? (data.type !== 'answer' || data.access !== access) && theirs() >= left
          : data.type !== 'answer' || left <= 0
      ) {
        // Two tokens of one second may be the same text: a refresh counts all the same, an answer
        // that says nothing new does not.
        page.enter({ ...data, left: theirs }, same);
      }
    }
  }

  if (channel) channel.onmessage = hear;

  return {
    /** Whether there may be others. */
    are: Boolean(channel),
    /** Asks for a session that another tab has. */
    ask: () => tell({ type: 'ask' }),
    /** @type {(type: 'signed_in' | 'refreshed' | 'user') => void} */
    share,
    /**
     * The session is over: nothing that comes of it later counts. `aloud`: the others are told.
     *
     * @param {string} csrf
     * @param {any} [code]
     * @param {any} [reason]
     * @param {boolean} [aloud]
     */
    end(csrf, code, reason, aloud) {
      ended.add(csrf);
      if (aloud) tell({ type: 'signed_out', csrf, code, reason });
    },
    close() {
      if (channel) channel.close();
      channel = undefined;
    },
  };
}
