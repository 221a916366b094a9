import type { Identity, Options, Permission, Verifier } from './index.js';

/** The options of a verifier, or a verifier. */
export type ProtectOptions = (Options | { verifier: Verifier }) & {
  /** Who is let through: any user unless chosen. */
  permission?: Permission;
  /** Lets a browser's preflights pass to a CORS plugin that stands further in. */
  preflights?: boolean;
};

/**
 * The plugin: `await fastify.register(protect, { issuer })`. Every route of the instance, and of
 * those inside it, lets only users through; who it is, is in `request.identity`.
 */
export const protect: (instance: any, options: ProtectOptions) => Promise<void>;

/** A hook for one route: `{ preHandler: requires(isStaff) }`. */
export function requires(permission: Permission): (request: any, reply: any) => Promise<unknown>;

/**
 * What `request.identity` is. To have it on every request:
 * `declare module 'fastify' { interface FastifyRequest { identity: RequestIdentity } }`.
 */
export type RequestIdentity = Identity | null;
