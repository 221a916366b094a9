import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity, Options, Permission, Verifier } from './index.js';

declare global {
  namespace Express {
    interface Request {
      /** Who is asking, behind `protect`; `null` where nobody need be logged in. */
      identity: Identity | null;
    }
  }
}

/** Middleware of Express, Connect, or a server of Node's own. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Lets only users through, or those who have `permission`. Who it is, is in `request.identity`.
 * With `preflights` a browser's preflights pass to a CORS middleware that stands further in.
 */
export function protect(
  verifier: Verifier | Options,
  permission?: Permission,
  options?: { preflights?: boolean },
): Middleware;

/** Lets those through who have `permission`: for a route behind `protect`. */
export function requires(permission: Permission): Middleware;
