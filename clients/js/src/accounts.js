// What there is besides the session: the server's other endpoints, a line each.

/**
 * What the client lends them.
 *
 * @typedef {object} Hands
 * @property {(path: string, call: import('./http.js').Call) => Promise<any>} call as anybody
 * @property {(path: string, call: import('./http.js').Call) => Promise<any>} asUser as the user
 * @property {(path: string, json: any, options?: any, must?: boolean) => Promise<any>} open asks
 * for a session; the user, or `null` where the answer is that there is none yet
 * @property {(call: import('./http.js').Call) => Promise<any>} profile the profile, kept for all
 * tabs
 * @property {(reread: boolean) => Promise<any>} look whether the session is as it was; the user
 * @property {() => Promise<object | undefined>} device what a native client says of itself
 *
 * @param {Hands} hands
 */
export function accounts({ call, asUser, open, profile, look, device }) {
  /** Something that anybody may ask for; then a look at what it meant for the session here. */
  const ask =
    (
      /** @type {string} */ path,
      /** @type {boolean | undefined} */ reread = undefined,
      takesPassword = false,
    ) =>
    async (/** @type {any} */ json, /** @type {any} */ { signal } = {}) => {
      const own = takesPassword ? await device() : {};
      await call(path, { json: { ...own, ...json }, signal });
      if (reread !== undefined) await look(reread);
    };

  /** Something of the user's that the password is given for. */
  const act =
    (/** @type {string} */ path, method = 'POST') =>
    async (/** @type {any} */ json, /** @type {any} */ { signal } = {}) => {
      await asUser(path, { method, json: { ...(await device()), ...json }, signal });
    };
  const erase = act('/profile', 'DELETE');
  const prove = act('/step-up');

  return {
    login: (/** @type {any} */ json, /** @type {any} */ options) =>
      open('/login', json, options, true),
    loginWithFactor: (/** @type {any} */ json, /** @type {any} */ options) =>
      open('/login/factor', json, options, true),
    async stepUp(/** @type {any} */ json, /** @type {any} */ options) {
      await prove(json, options);
      // The token says so from now on.
      await look(false);
    },
    register: (/** @type {any} */ json, /** @type {any} */ options) =>
      open('/register', json, options),
    verifyEmail: async (/** @type {any} */ json, /** @type {any} */ options) =>
      (await open('/email/verify', json, options)) ?? look(true),
    resendVerification: ask('/email/verify/resend'),
    requestPasswordReset: ask('/password/reset'),
    resetPassword: ask('/password/reset/confirm', false),
    changePassword: act('/password'),
    changeEmail: act('/email/change'),
    confirmEmailChange: ask('/email/change/confirm', true, true),
    undo: ask('/undo', false),
    requestLoginCode: ask('/login/code'),
    loginWithCode: (/** @type {any} */ json, /** @type {any} */ options) =>
      open('/login/code/confirm', json, options, true),
    updateProfile: (/** @type {any} */ json, /** @type {any} */ { signal } = {}) =>
      profile({ method: 'PATCH', json, signal }),
    async deleteAccount(/** @type {any} */ json, /** @type {any} */ options) {
      await erase(json, options);
      await look(false);
    },
    exportProfile: (/** @type {any} */ { signal } = {}) =>
      asUser('/profile/export', { method: 'GET', signal }),
    async sessions(/** @type {any} */ { signal } = {}) {
      const found = [];
      let cursor = '';
      do {
        const page = await asUser('/sessions' + cursor, { method: 'GET', signal });
        found.push(...page.sessions);
        cursor = page.next && '?cursor=' + encodeURIComponent(page.next);
      } while (cursor);
      return found;
    },
    nameSession: (
      /** @type {string} */ id,
      /** @type {string} */ device_name,
      /** @type {any} */ { signal } = {},
    ) => asUser(session(id), { method: 'PATCH', json: { device_name }, signal }),
    async ticket(/** @type {any} */ { for: what, signal } = {}) {
      return (await asUser('/tickets', { json: { for: what }, signal })).ticket;
    },
    endSession: (/** @type {string} */ id, /** @type {any} */ { signal } = {}) =>
      asUser(session(id), { method: 'DELETE', signal }),
  };
}

const session = (/** @type {string} */ id) => '/sessions/' + encodeURIComponent(id);
