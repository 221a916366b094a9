// Who may do what: the permissions of the crate countersign-verify, with its words.
import { Problem } from './problem.js';
import { isSafe } from './request.js';

/**
 * @typedef {import('./index.js').Ask} Ask
 * @typedef {import('./index.js').Denied} Denied
 * @typedef {import('./index.js').Permission} PermissionLike
 */

/**
 * A condition that a request must meet.
 *
 * @implements {PermissionLike}
 */
class Permission {
  #name;
  #check;

  /**
   * @param {string} name as it prints itself
   * @param {(ask: Ask) => Denied | undefined} check nothing where it is met
   */
  constructor(name, check) {
    this.#name = name;
    this.#check = check;
  }

  /** @param {Ask} ask */
  check(ask) {
    return this.#check(ask);
  }

  /**
   * @param {import('./index.js').Identity | null} who
   * @param {import('./index.js').RequestLike} request
   */
  demand(who, request) {
    const denied = this.#check({ who, method: request.method, headers: request.headers });
    if (denied) throw problemOf(denied, who);
  }

  /** @param {import('./index.js').Permission} other */
  and(other) {
    return new Permission(`And(${this}, ${other})`, (ask) => this.check(ask) ?? other.check(ask));
  }

  /** @param {import('./index.js').Permission} other */
  or(other) {
    return new Permission(`Or(${this}, ${other})`, (ask) => {
      const first = this.check(ask);
      const second = first && other.check(ask);
      if (!first || !second) return undefined;
      // A fresh login may be all that is lacking.
      return {
        permission: `${first.permission} or ${second.permission}`,
        lacks: second.lacks ?? first.lacks,
        maxAge: second.lacks ? second.maxAge : first.maxAge,
        detail: second.detail ?? first.detail,
      };
    });
  }

  not() {
    return new Permission(`Not(${this})`, (ask) =>
      this.check(ask) ? undefined : { permission: `not ${this}` },
    );
  }

  toString() {
    return this.#name;
  }
}

/**
 * @param {string} name
 * @param {(ask: Ask) => boolean | string} check
 */
export const permission = (name, check) =>
  new Permission(name, (ask) => {
    const answer = check(ask);
    if (answer === true) return undefined;
    return { permission: name, detail: typeof answer === 'string' ? answer : undefined };
  });

export const allowAny = permission('AllowAny', () => true);
export const isAuthenticated = permission('IsAuthenticated', ({ who }) => who !== null);
export const isAuthenticatedOrReadOnly = permission(
  'IsAuthenticatedOrReadOnly',
  ({ who, method }) => who !== null || isSafe(method),
);
export const isStaff = permission('IsStaff', ({ who }) => who?.user.isStaff === true);
export const isSuperuser = permission('IsSuperuser', ({ who }) => who?.user.isSuperuser === true);

/** @param {string} name */
export const hasPerm = (name) =>
  new Permission(`HasPerm(${JSON.stringify(named(name))})`, ({ who }) =>
    who?.hasPerm(name) ? undefined : { permission: name },
  );

/** @param {string} group */
export const inGroup = (group) =>
  new Permission(`InGroup(${JSON.stringify(named(group))})`, ({ who }) =>
    who?.inGroup(group) ? undefined : { permission: `InGroup(${group})` },
  );

/** @param {string} model */
export const modelPerm = (model) =>
  new Permission(`ModelPerm(${JSON.stringify(named(model))})`, (ask) => {
    const act = ACTS.get(ask.method);
    if (!act) return isAuthenticated.check(ask);
    const dot = model.lastIndexOf('.');
    const name = `${model.slice(0, Math.max(dot, 0))}.${act}_${model.slice(dot + 1)}`;
    return ask.who?.hasPerm(name) ? undefined : { permission: name };
  });

/** @param {number} minutes */
export const recentLogin = (minutes) => {
  if (!(Number.isInteger(minutes) && minutes > 0))
    throw new TypeError('recentLogin: give a number of minutes');
  const maxAge = minutes * 60;
  return new Permission(`RecentLogin(${minutes})`, ({ who }) =>
    who && who.at - who.claims.auth_time <= maxAge
      ? undefined
      : { permission: 'RecentLogin', lacks: 'login', maxAge },
  );
};

export const hasFactor = new Permission('HasFactor', ({ who }) =>
  who?.claims.amr?.includes('mfa') ? undefined : { permission: 'HasFactor', lacks: 'factor' },
);

/**
 * @param {Denied} denied
 * @param {import('./index.js').Identity | null} who
 */
export function problemOf(denied, who) {
  if (!who) return new Problem('not_authenticated');
  if (denied.lacks === 'factor') return new Problem('factor_required');
  if (denied.lacks === 'login') {
    const challenge =
      'Bearer error="insufficient_user_authentication", ' +
      `error_description="a more recent login is required", max_age=${denied.maxAge}`;
    return new Problem('recent_login_required', { challenge });
  }
  const usual = `You may not do this. The permission that you lack: ${denied.permission}.`;
  return new Problem('permission_denied', { detail: denied.detail ?? usual });
}

/** @param {string} name */
function named(name) {
  if (typeof name !== 'string' || name === '') throw new TypeError('give a name that is a text');
  return name;
}

const ACTS = new Map([
  ['POST', 'add'],
  ['PUT', 'change'],
  ['PATCH', 'change'],
  ['DELETE', 'delete'],
]);
