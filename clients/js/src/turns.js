// One at a time: within the page by a queue, among tabs by a lock.

/**
 * Makes a function that does one piece of work after the other.
 *
 * The lock is an economy: five tabs that wake up at once ask the server once instead of five times.
 * Nothing depends on it. Where there is none, where it is refused, or where a frozen tab sits on
 * it, the work is done all the same, and the server's rotation takes care of the rest.
 *
 * @param {import('./index.js').Environment} env
 * @param {string} name the same in all tabs that share a session
 * @returns {<T>(work: (waited?: boolean) => Promise<T>) => Promise<T>}
 */
export function turns(env, name) {
  let last = Promise.resolve();
  return (work) => {
    const turn = last.then(() => (env.locks ? locked(env, env.locks, name, work) : work()));
    last = turn.then(nothing, nothing);
    return turn;
  };
}

/**
 * @template T
 * @param {import('./index.js').Environment} env
 * @param {Pick<LockManager, 'request'>} locks
 * @param {string} name
 * @param {(waited?: boolean) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function locked(env, locks, name, work) {
  const stop = new AbortController();
  const timer = env.setTimeout(() => stop.abort(), LONGEST_WAIT);
  const asked = env.monotonic();
  let entered = false;
  try {
    return await locks.request(name, { signal: stop.signal }, () => {
      entered = true;
      env.clearTimeout(timer);
      return work(env.monotonic() - asked > AT_ONCE);
    });
  } catch (error) {
    if (entered) throw error;
    env.clearTimeout(timer);
    return work();
  }
}

const nothing = () => {};

/** After this many milliseconds the lock is done without. */
const LONGEST_WAIT = 10_000;

/** A lock that took more milliseconds than these was held by another tab. */
const AT_ONCE = 5;
