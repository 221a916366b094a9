import type { Identity, Options, Permission, Verifier } from './index.js';

/** For `new Hono<Env>()`: then `context.get('identity')` has its type. */
export interface Env {
  Variables: {
    /** Who is asking, behind `protect`; `null` where nobody need be logged in. */
    identity: Identity | null;
  };
}

/** Middleware of Hono. */
export type Middleware = (context: any, next: () => Promise<void>) => Promise<Response | void>;

/**
 * Lets only users through, or those who have `permission`. Who it is, is in
 * `context.get('identity')`. With `preflights` a browser's preflights pass to a CORS middleware
 * that stands further in.
 */
export function protect(
  verifier: Verifier | Options,
  permission?: Permission,
  options?: { preflights?: boolean },
): Middleware;

/** Lets those through who have `permission`: for a route behind `protect`. */
export function requires(permission: Permission): Middleware;
