// Time that a sleeping machine cannot stop and a wrong clock cannot move.

/**
 * Where time comes from. Both in milliseconds.
 *
 * @typedef {object} Clock @property {() => number} monotonic never goes back, but stands still on
 * some machines while they sleep @property {() => number} wall goes on while the machine sleeps,
 * but jumps when somebody sets it
 */

/**
 * A deadline: a function that says how many milliseconds are left, less than zero when it is over.
 *
 * Of the two clocks the one that saw more time go by is believed. So a laptop that slept past the
 * deadline knows it, and a device whose clock is years off, or is set back, measures all the same.
 * A clock set forward ends a deadline early, which costs a refresh and no more.
 *
 * @param {Clock} clock
 * @param {number} ms
 * @returns {() => number}
 */
export function deadline(clock, ms) {
  const monotonic = clock.monotonic();
  const wall = clock.wall();
  return () => ms - Math.max(clock.monotonic() - monotonic, clock.wall() - wall);
}

/**
 * Waits for a promise no longer than a signal allows. What the promise stands for goes on: others
 * may wait for it too.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<T>}
 */
export function abortable(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(reasonOf(signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    promise
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop));
  });
}

/**
 * As `signal.throwIfAborted`, which the signals of React Native do not have.
 *
 * @param {AbortSignal | null} [signal]
 */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal);
}

/**
 * Why it was aborted. Older signals do not say, and not everybody has a `DOMException`.
 *
 * @param {AbortSignal} signal
 */
export const reasonOf = (signal) =>
  signal.reason ?? Object.assign(new Error('This was aborted.'), { name: 'AbortError' });
