import type { Identity, Options, Permission, Verifier } from './index.js';

/** Makes a route handler private. Who is asking is in its second argument. */
export type Guard = {
  <R extends Request, C extends object>(
    handler: (request: R, context: C & { identity: Identity }) => Response | Promise<Response>,
  ): (request: R, context: C) => Promise<Response>;
  /** With a permission that lets strangers through, the identity may be `null`. */
  <R extends Request, C extends object>(
    handler: (
      request: R,
      context: C & { identity: Identity | null },
    ) => Response | Promise<Response>,
    permission: Permission,
  ): (request: R, context: C) => Promise<Response>;
};

/** For route handlers of the App Router: `const signedIn = protect({ issuer })`. */
export function protect(verifier: Verifier | Options, options?: { preflights?: boolean }): Guard;

/** For API routes of the Pages Router. Who is asking is in `request.identity`. */
export function protectApi(
  verifier: Verifier | Options,
  options?: { preflights?: boolean },
): <Q extends object, A>(
  handler: (request: Q & { identity: Identity | null }, response: A) => unknown,
  permission?: Permission,
) => (request: Q, response: A) => Promise<unknown>;
