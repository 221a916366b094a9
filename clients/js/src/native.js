// For apps without a browser's cookies: the refresh token comes in the body, and lives in the
// platform's secure storage.
import { build } from './client.js';
import { proving } from './device-key.js';
import { CountersignError, noAnswer } from './http.js';
import { surroundings } from './surroundings.js';

export { CountersignError } from './http.js';

/** @type {typeof import('./native.js').createNativeClient} */
export function createNativeClient({
  storage,
  storageName = 'countersign',
  deviceName,
  ...options
}) {
  const refreshToken = storageName + '.refresh_token';
  const deviceToken = storageName + '.device_token';
  /** @type {unknown} The refresh token that this client knows of. */
  let known;
  let isForeign = false;

  const stored = async () => (await kept(() => storage.get(refreshToken))) || undefined;

  /**
   * @template T
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async function kept(work) {
    try {
      return await work();
    } catch (cause) {
      throw new CountersignError(`The storage failed: ${cause}`, { code: 'storage_failed', cause });
    }
  }

  if (storage.key) {
    const env = { ...surroundings(), ...options.env };
    const base = env.absolute(String(options.baseUrl)).replace(/\/+$/, '');
    options.env = { ...env, fetch: proving(env, base, storage.key, kept) };
  }
  return build(options, {
    // Read each time: another window or process may have stored a newer one.
    async refreshToken() {
      const found = await stored();
      isForeign ||= Boolean(known) && found !== known;
      known = found;
      return { refresh_token: found };
    },
    isForeign: () => isForeign,
    isReplaced: async () => (await stored()) !== known,
    async loginFields() {
      return {
        transport: 'body',
        device_name: deviceName,
        device_token: (await kept(() => storage.get(deviceToken))) || undefined,
      };
    },
    async keep(answer) {
      if (!answer.refresh_token) throw noAnswer('The answer has no refresh token.');
      // A crash before this line costs nothing: the server takes the older token again, as the
      // newer one was never shown to it.
      await kept(() => storage.set(refreshToken, answer.refresh_token));
      known = answer.refresh_token;
      isForeign = false;
      if (answer.device_token) await kept(() => storage.set(deviceToken, answer.device_token));
    },
    async drop() {
      const found = known;
      known = undefined;
      isForeign = false;
      // The device stays known: its token opens nothing, and spares its owner the strangers'
      // failures.
      // Where there was nothing, there may be another process's login by now.
      if (found) await kept(() => storage.remove(refreshToken));
    },
  });
}
