// What a client needs of the place where it runs.

/** @returns {import('./index.js').Environment} */
export function surroundings() {
  const { document, location, navigator, performance, crypto } = globalThis;
  return {
    fetch: (input, init) => globalThis.fetch(input, init),
    absolute: (url, base) => new URL(url, base).href,
    monotonic: () => performance.now(),
    wall: () => Date.now(),
    random: () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32,
    setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    // A server that renders pages has channels and locks too, and must not share one visitor's
    // tokens with the next.
    BroadcastChannel: location && globalThis.BroadcastChannel,
    locks: location && navigator?.locks,
    // Of a server on the page's own host: those of others are not for us. A sandbox has none.
    csrfCookie(base) {
      try {
        if (new URL(base).hostname !== location.hostname) return undefined;
        return /(?:^|; )csrftoken=([\w-]{43})(?:;|$)/.exec(document.cookie)?.[1];
      } catch {
        return undefined;
      }
    },
    credentials: navigator?.credentials,
    PublicKeyCredential: globalThis.PublicKeyCredential,
    visible: () => document?.visibilityState !== 'hidden',
    events: document ? [document, globalThis.window] : [],
    development: /^(localhost|127\.0\.0\.1|\[::1\])$/.test(location?.hostname),
  };
}
