// Whoever wants to hear of changes.

/** @typedef {(change: import('./index.js').Change) => void} Listener */

export function listeners() {
  /** @type {Set<Listener>} */
  const all = new Set();
  return {
    /** @param {Listener} listener */
    add(listener) {
      // Wrapped, so that the same function may listen twice.
      const one = (/** @type {any} */ change) => listener(change);
      all.add(one);
      return () => void all.delete(one);
    },
    /** @param {any} change */
    tell(change) {
      for (const listener of [...all]) {
        try {
          listener(change);
        } catch (error) {
          // Its mistake must not keep the others from hearing, and must be seen all the same.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
    clear: () => all.clear(),
  };
}
