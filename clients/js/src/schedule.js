// When the client refreshes by itself: some time before the access token ends, and only while
// somebody looks at the page.
import { deadline } from './clock.js';

/**
 * @param {import('./index.js').Environment} env
 * @param {() => void} refresh
 */
export function schedule(env, refresh) {
  let due = never;
  /** @type {any} */
  let timer;

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
      refresh();
    }
  }

  return {
    tick,
    isDue: () => due() <= 0,
    plan(/** @type {number} */ ms) {
      due = deadline(env, ms);
      tick();
    },
    /** With the next tick. */
    hurry: () => void (due = now),
    stop() {
      due = never;
      env.clearTimeout(timer);
    },
  };
}

const now = () => 0;
const never = () => Infinity;

/** Browsers take a longer timer for none at all. */
const LONGEST_TIMER = 2 ** 31 - 1;
