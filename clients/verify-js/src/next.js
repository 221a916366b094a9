// For Next: route handlers of the App Router, and API routes of the Pages Router.
import { refuse, requestOf } from './node.js';
import { isAuthenticated } from './permission.js';
import { Problem } from './problem.js';
import { verifierOf } from './verifier.js';

/**
 * @param {import('./index.js').Verifier | import('./index.js').Options} given
 * @param {{preflights?: boolean}} [options]
 */
export function protect(given, options) {
  const verifier = verifierOf(given);
  return (/** @type {any} */ handler, permission = isAuthenticated) =>
    async (/** @type {Request} */ request, /** @type {object} */ context) => {
      let identity;
      try {
        identity = await verifier.check(request, permission, options);
      } catch (error) {
        if (error instanceof Problem) return error.toResponse();
        throw error;
      }
      return handler(request, { ...context, identity });
    };
}

/**
 * @param {import('./index.js').Verifier | import('./index.js').Options} given
 * @param {{preflights?: boolean}} [options]
 */
export function protectApi(given, options) {
  const verifier = verifierOf(given);
  return (/** @type {any} */ handler, permission = isAuthenticated) =>
    async (/** @type {any} */ request, /** @type {any} */ response) => {
      try {
        request.identity = await verifier.check(requestOf(request), permission, options);
      } catch (error) {
        if (error instanceof Problem) return refuse(response, error);
        throw error;
      }
      return handler(request, response);
    };
}
