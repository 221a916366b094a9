// For Fastify: a plugin that makes every route private, and a hook for one route.
import { lacking, requestOf } from './node.js';
import { isAuthenticated } from './permission.js';
import { Problem } from './problem.js';
import { verifierOf } from './verifier.js';

/**
 * @param {any} fastify
 * @param {any} given
 */
async function plugin(fastify, { verifier, permission = isAuthenticated, preflights, ...options }) {
  const guard = verifierOf(verifier ?? options);
  fastify.decorateRequest('identity', undefined);
  fastify.addHook('onRequest', async (/** @type {any} */ request, /** @type {any} */ reply) => {
    try {
      request.identity = await guard.check(requestOf(request.raw), permission, { preflights });
    } catch (error) {
      return refuse(reply, error);
    }
  });
}

// It is for the routes beside it, not for those within it alone.
export const protect = Object.assign(plugin, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@countersign/verify',
});

/** @param {import('./index.js').Permission} permission */
export const requires =
  (permission) => async (/** @type {any} */ request, /** @type {any} */ reply) => {
    const problem = lacking(permission, request.identity, requestOf(request.raw));
    if (problem) return refuse(reply, problem);
  };

/**
 * @param {any} reply
 * @param {unknown} error
 */
function refuse(reply, error) {
  if (!(error instanceof Problem)) throw error;
  return reply.code(error.status).headers(error.headers).send(JSON.stringify(error));
}
