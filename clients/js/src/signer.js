// Requests that carry the tokens: which addresses get them, and the one more try after a 401.
import { throwIfAborted } from './clock.js';
import { CSRF_HEADER } from './http.js';

/**
 * What a request is signed with.
 *
 * @typedef {{ access: string, csrf?: string }} Held
 *
 * @param {object} what
 * @param {import('./index.js').Environment} what.env
 * @param {(path: string, call: import('./http.js').Call) => Promise<any>} what.call
 * @param {(options: { signal?: AbortSignal | null, refused?: string }) => Promise<Held | undefined>
 *   } what.grant
 * @param {string} what.base
 * @param {string} [what.here] the page
 * @param {readonly (string | URL)[]} [what.apiOrigins]
 */
export function signer({ env, call, grant, base, here, apiOrigins = [] }) {
  const absolute = (/** @type {any} */ url) => env.absolute(String(url), here ?? base);
  const trusted = new Set([base, ...apiOrigins.map(absolute)].map(trustedOrigin));
  /** @type {Set<string>} */
  const warned = new Set();

  const trusts = (/** @type {any} */ url) => {
    try {
      return trusted.has(originOf(absolute(url)));
    } catch {
      return false;
    }
  };

  const sign = (/** @type {Request} */ request, /** @type {Held} */ held) => {
    request.headers.set('Authorization', 'Bearer ' + held.access);
    if (held.csrf && !SAFE.test(request.method)) request.headers.set(CSRF_HEADER, held.csrf);
    return request;
  };

  /**
   * Another token of the same session, if there is one that the server has not refused.
   *
   * @param {Held} held
   * @param {AbortSignal | null} [signal]
   */
  async function another(held, signal) {
    const better = await grant({ signal, refused: held.access }).catch(() => {});
    throwIfAborted(signal);
    return better && better.access !== held.access ? better : undefined;
  }

  /** A developer's page whose API is at an address that was not named gets 401s, and wonders. */
  function warn(/** @type {any} */ url) {
    const origin = env.development && originOf(absolute(url));
    if (!origin || warned.has(origin)) return;
    warned.add(origin);
    console.warn(`Countersign sends no token to ${origin}: it is not one of \`apiOrigins\`.`);
  }

  return {
    trusts,

    /** @type {(input: any, init?: RequestInit) => Promise<Response>} */
    async fetch(input, init) {
      const url = input.url ?? input;
      if (!trusts(url)) {
        warn(url);
        return env.fetch(input, init);
      }
      const request = new Request(input.url ? input : absolute(url), init);
      // Whoever brings a header of their own means it.
      const held = request.headers.has('Authorization') ? undefined : await grant(request);
      if (!held) return env.fetch(request);
      // A body can be sent once: the copy is for the second try.
      const copy = request.clone();
      const response = await env.fetch(sign(request, held));
      // RFC 9470: the password has to be given again, which no refresh does.
      if (
        response.status !== 401 ||
        /insufficient_user/.test(response.headers.get('WWW-Authenticate') ?? '')
      )
        return response;
      const better = await another(held, request.signal);
      return better ? env.fetch(sign(copy, better)) : response;
    },

    /**
     * A request of the user's to one of the server's own endpoints.
     *
     * @param {string} path
     * @param {import('./http.js').Call} what
     */
    async asUser(path, what) {
      const held = await grant(what);
      try {
        return await call(path, { ...what, ...held });
      } catch (/** @type {any} */ error) {
        // A wrong password is a 401 too, and no token makes it right.
        const better =
          held &&
          error.status === 401 &&
          STALE.test(error.code) &&
          (await another(held, what.signal));
        if (!better) throw error;
        return call(path, { ...what, ...better });
      }
    },
  };
}

/**
 * The origin of a whole address; nothing where it is none of http, or where two readers may read it
 * differently. Not by `URL.origin`, which React Native does not have.
 *
 * @param {string} url
 */
const originOf = (url) =>
  /^https?:\/\/[^/?#\\\s@]+(?=[/?#]|$)/i
    .exec(url)?.[0]
    .toLowerCase()
    .replace(/^(http:.+):80$|^(https:.+):443$/, '$1$2') ?? '';

function trustedOrigin(/** @type {string} */ url) {
  const origin = originOf(url);
  // Elsewhere all origins are equal, and would trust each other.
  if (!origin)
    throw new TypeError(`${url}: only http and https have an origin that can be trusted`);
  return origin;
}

/** The codes of an access token that another one might do better than. */
const STALE = /^(token_|session_|user_inactive$|not_authenticated$)/;

/** Methods that change nothing, and need no CSRF token. */
const SAFE = /^(GET|HEAD|OPTIONS|TRACE)$/;
