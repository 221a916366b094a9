// Second factors: which ones the user has, an authenticator app, recovery codes. Passkeys, which
// the browser has a part in, are in passkeys.js.

/**
 * @param {Pick<import('./accounts.js').Hands, 'asUser' | 'look'>} hands
 * @returns {import('./factor-types.js').Factors}
 */
export const factors = ({ asUser, look }) => ({
  list: ({ signal } = {}) => asUser('/factors', { method: 'GET', signal }),
  rename: (id, name, { signal } = {}) =>
    asUser(factor(id), { method: 'PATCH', json: { name }, signal }),
  remove: (id, { signal } = {}) => asUser(factor(id), { method: 'DELETE', signal }),
  newRecoveryCodes: async ({ signal } = {}) =>
    (await asUser('/factors/recovery-codes', { signal })).recovery_codes,
  beginTotp: ({ name } = {}, { signal } = {}) =>
    asUser('/factors/totp', { json: { name }, signal }),
  async confirmTotp({ code }, { signal } = {}) {
    const { factor, recovery_codes } = await asUser('/factors/totp/confirm', {
      json: { code },
      signal,
    });
    // The token says from now on that it was proved.
    await look(false);
    return { factor, recovery_codes };
  },
});

const factor = (/** @type {string} */ id) => '/factors/' + encodeURIComponent(id);
