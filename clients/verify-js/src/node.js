// What adapters for servers on Node's own requests and responses share.
import { isAuthenticated, problemOf } from './permission.js';
import { Problem } from './problem.js';
import { verifierOf } from './verifier.js';

/**
 * A request as the verifier reads one: with every header that was sent, also where Node keeps the
 * first of several.
 *
 * @param {any} request
 * @returns {import('./index.js').RequestLike}
 */
export const requestOf = (request) => ({
  method: request.method,
  headers: request.headersDistinct ?? request.headers,
});

/**
 * @param {any} response
 * @param {Problem} problem
 */
export function refuse(response, problem) {
  response.statusCode = problem.status;
  for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
  response.end(JSON.stringify(problem));
}

/**
 * @param {import('./index.js').Verifier | import('./index.js').Options} given
 * @param {import('./index.js').Permission} [permission]
 * @param {{preflights?: boolean}} [options]
 */
export function protect(given, permission = isAuthenticated, options) {
  const verifier = verifierOf(given);
  return (/** @type {any} */ request, /** @type {any} */ response, /** @type {any} */ next) => {
    verifier
      .check(requestOf(request), permission, options)
      .then((who) => {
        request.identity = who;
        next();
      })
      // What others throw in `next` is told there too.
      .catch((error) => (error instanceof Problem ? refuse(response, error) : next(error)));
  };
}

/** @param {import('./index.js').Permission} permission */
export const requires =
  (permission) =>
  (/** @type {any} */ request, /** @type {any} */ response, /** @type {any} */ next) => {
    const problem = lacking(permission, request.identity, requestOf(request));
    if (problem) refuse(response, problem);
    else next();
  };

/**
 * What a request lacks whose sender is known already.
 *
 * @param {import('./index.js').Permission} permission
 * @param {import('./index.js').Identity | null | undefined} who nothing where nobody looked
 * @param {import('./index.js').RequestLike} request
 */
export function lacking(permission, who, request) {
  if (who === undefined) return new Problem('not_authenticated', { detail: NOT_PROTECTED });
  const denied = permission.check({ who, method: request.method, headers: request.headers });
  return denied && problemOf(denied, who);
}

const NOT_PROTECTED = 'Nobody is logged in here: this route is not behind `protect`.';
