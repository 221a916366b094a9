// For apps without a browser's cookies: the refresh token comes in the body, and lives in the
// platform's secure storage.
import { build } from './client.js';

export { CountersignError } from './http.js';

/** @type {typeof import('./native.js').createNativeClient} */
export function createNativeClient({ storage, storageName = 'countersign', ...options }) {
  const refreshToken = storageName + '.refresh_token';
  const deviceToken = storageName + '.device_token';
  return build(options, {
    // Read each time: another window or process may have stored a newer one.
    async refreshToken() {
      return { refresh_token: (await storage.get(refreshToken)) || undefined };
    },
    async loginFields() {
      return { transport: 'body', device_token: (await storage.get(deviceToken)) || undefined };
    },
    async keep(answer) {
      if (!answer.refresh_token) throw new TypeError('The answer has no refresh token.');
      // A crash before this line costs nothing: the server takes the older token again, as the
      // newer one was never shown to it.
      await storage.set(refreshToken, answer.refresh_token);
      if (answer.device_token) await storage.set(deviceToken, answer.device_token);
    },
    async drop() {
      // The device stays known: its token opens nothing, and spares its owner the strangers'
      // failures.
      await storage.remove(refreshToken);
    },
  });
}
