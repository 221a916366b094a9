// Who is asking: what the access token says.
import { own, text } from './encoding.js';

export class Identity {
  /**
   * @param {import('./index.js').Claims} claims
   * @param {import('./index.js').User} user
   * @param {number} at
   */
  constructor(claims, user, at) {
    this.claims = claims;
    this.user = user;
    this.at = at;
  }

  /** @param {string} permission */
  hasPerm(permission) {
    return this.user.isSuperuser || this.user.permissions.includes(permission);
  }

  /** @param {string} group */
  inGroup(group) {
    return this.user.groups.includes(group);
  }
}

/**
 * The user as the token tells of them. It says no more than its issuer was configured to say.
 *
 * @param {import('./index.js').Claims} claims
 * @param {Map<string, readonly string[]>} groups what their members may, beyond what a token says
 * @returns {import('./index.js').User}
 */
export function userOf(claims, groups) {
  const word = (/** @type {string} */ name) => {
    const value = own(claims, name);
    return text(value) ? value : '';
  };
  const list = (/** @type {string} */ name) => {
    const value = own(claims, name);
    return Array.isArray(value) ? value.filter(text) : [];
  };
  const username = own(claims, 'username');
  const named = list('groups');
  const permissions = list('permissions');
  for (const group of named)
    for (const permission of groups.get(group) ?? [])
      if (!permissions.includes(permission)) permissions.push(permission);
  return Object.freeze({
    id: claims.sub,
    username: text(username) ? username : claims.sub,
    email: word('email'),
    emailVerified: own(claims, 'email_verified') === true,
    firstName: word('first_name'),
    lastName: word('last_name'),
    isStaff: own(claims, 'is_staff') === true,
    isSuperuser: own(claims, 'is_superuser') === true,
    groups: Object.freeze(named),
    permissions: Object.freeze(permissions),
  });
}
