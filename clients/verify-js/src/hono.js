// For Hono.
import { lacking } from './node.js';
import { isAuthenticated } from './permission.js';
import { Problem } from './problem.js';
import { verifierOf } from './verifier.js';

/**
 * @param {import('./index.js').Verifier | import('./index.js').Options} given
 * @param {import('./index.js').Permission} [permission]
 * @param {{preflights?: boolean}} [options]
 */
export function protect(given, permission = isAuthenticated, options) {
  const verifier = verifierOf(given);
  return async (/** @type {any} */ context, /** @type {() => Promise<void>} */ next) => {
    try {
      context.set('identity', await verifier.check(context.req.raw, permission, options));
    } catch (error) {
      if (error instanceof Problem) return error.toResponse();
      throw error;
    }
    await next();
  };
}

/** @param {import('./index.js').Permission} permission */
export const requires =
  (permission) => async (/** @type {any} */ context, /** @type {() => Promise<void>} */ next) => {
    const problem = lacking(permission, context.get('identity'), context.req.raw);
    if (problem) return problem.toResponse();
    await next();
  };
