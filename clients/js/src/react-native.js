// React Native: the native client, with the app's state and the network in the place of a page's
// events, and without what React Native's URLs cannot do.
import { createNativeClient } from './native.js';

export { CountersignError } from './http.js';

/** @type {typeof import('./react-native.js').createReactNativeClient} */
export function createReactNativeClient({ AppState, NetInfo, env, ...options }) {
  return createNativeClient({ ...options, env: { ...device(AppState, NetInfo), ...env } });
}

/**
 * @param {import('./react-native.js').AppStateLike} AppState
 * @param {import('./react-native.js').NetInfoLike} [NetInfo]
 * @returns {Partial<import('./index.js').Environment>}
 */
function device(AppState, NetInfo) {
  const { crypto } = globalThis;
  return {
    absolute,
    // It spreads refreshes over a minute, and keeps no secret: where there is nothing better, this
    // does.
    ...(crypto ? {} : { random: Math.random }),
    visible: () => AppState.currentState !== 'background',
    events: [listening(AppState, NetInfo)],
    // There is no page whose console somebody looks at.
    development: false,
  };
}

/**
 * The app's state and the network as one target of a page's events.
 *
 * @param {import('./react-native.js').AppStateLike} AppState
 * @param {import('./react-native.js').NetInfoLike} [NetInfo]
 */
function listening(AppState, NetInfo) {
  /** @type {Map<string, () => void>} */
  const stops = new Map();
  return {
    addEventListener(/** @type {string} */ type, /** @type {any} */ listener) {
      if (type === 'visibilitychange') {
        const one = AppState.addEventListener('change', () => listener({ type }));
        stops.set(type, () => one.remove());
      } else if (type === 'online' && NetInfo) {
        let wasThere = true;
        const stop = NetInfo.addEventListener(({ isConnected }) => {
          // It tells of every change, and of what is at the beginning.
          if (isConnected && !wasThere) listener({ type });
          wasThere = isConnected !== false;
        });
        stops.set(type, stop);
      }
    },
    removeEventListener(/** @type {string} */ type) {
      stops.get(type)?.();
      stops.delete(type);
    },
  };
}

/**
 * The whole of an address (RFC 3986, 5.2, as far as addresses of a server's need it). React
 * Native's `URL` puts relative ones behind the whole of the base.
 *
 * @param {string} url
 * @param {string} [base]
 */
function absolute(url, base) {
  if (/^[a-z][a-z\d+.-]*:/i.test(url)) return url;
  const [, scheme, host, path] = /^([a-z]+:)(\/\/[^/?#]*)([^?#]*)/i.exec(base ?? '') ?? [];
  if (!scheme) throw new TypeError(`${url}: there is no page that it could be relative to`);
  if (url.startsWith('//')) return scheme + url;
  if (url.startsWith('/')) return scheme + host + url;
  return scheme + host + (path.replace(/[^/]*$/, '') || '/') + url;
}
