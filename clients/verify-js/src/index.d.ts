/** What a verifier is told. Times are in seconds. */
export interface Options {
  /**
   * The issuer: exactly what tokens say in `iss`, as `https://auth.example.com`. Keys and ended
   * sessions are found by its document `/.well-known/openid-configuration`, unless `url` says
   * where.
   */
  issuer: string;
  /** Where Countersign is reached from here, if not under the issuer's name. */
  url?: string;
  /** The name that must be in the claim `aud`; none unless chosen. */
  audience?: string;
  /** What the members of a group may, beyond what a token says. */
  groups?: Readonly<Record<string, readonly string[]>> | ReadonlyMap<string, readonly string[]>;
  /**
   * How long what is known goes on to count while the issuer cannot be reached: 300 unless chosen.
   * After that every request with a token is answered with 503.
   */
  maxStaleness?: number;
  /** How often the list of ended sessions is asked for: 1 unless chosen, 0.05 at least. */
  pollInterval?: number;
  /** How many letters the tokens that are remembered may have together: 8 Mi unless chosen. */
  tokenCacheLetters?: number;
  /** Another `fetch`: for a proxy, or for tests. */
  fetch?: typeof fetch;
  /** Another clock, in whole seconds since 1970: for tests. */
  clock?: () => number;
  /** Where a warning goes when the issuer cannot be reached: `console.warn` unless chosen. */
  warn?: (message: string) => void;
  /** For tests: time that goes on by itself, in seconds, and how to wait. */
  env?: { monotonic?: () => number; sleep?: (seconds: number) => Promise<void> };
}

/**
 * Headers: a `Headers`, an object whose names may be in any case, or a list of pairs. Where several
 * headers have one name, give them all, as `headersDistinct` of Node does.
 */
export type HeadersLike =
  | Headers
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>;

/** A request: a `Request`, one of Node's, or these two members. */
export interface RequestLike {
  readonly method: string;
  readonly headers: HeadersLike;
}

/** Checks access tokens. It asks the issuer every second while it is used, and else nobody. */
export interface Verifier {
  /**
   * Who sends a request that `permission` lets through; `null` where nobody need be logged in. Any
   * logged-in user unless a permission is given. With `preflights` a browser's preflights pass too.
   *
   * @throws {Problem} for every other request
   */
  check(
    request: RequestLike,
    permission?: Permission,
    options?: { preflights?: boolean },
  ): Promise<Identity | null>;
  /**
   * Who sends a request; `null` where it brings no token. The CSRF token of a write is checked.
   *
   * @throws {Problem} for a token that does not count
   */
  authenticate(request: RequestLike): Promise<Identity | null>;
  /**
   * Who holds a token that did not come in a header: the first message of a WebSocket, say.
   *
   * @throws {Problem} where it does not count
   */
  verify(token: string): Promise<Identity>;
  /** Asks the issuer now; whether keys and ended sessions are known. Need not be waited for. */
  ready(): Promise<boolean>;
  /**
   * Whether keys and ended sessions are known, and not staler than they may be. To ask this keeps
   * the verifier asking the issuer for a minute, as a request does.
   */
  readonly isReady: boolean;
  /**
   * Whether no end of this session has been heard of, by news that is not staler than it may be:
   * for what goes on longer than a request. Ask at least every minute, and an end is heard of
   * within two seconds.
   */
  isLive(sid: string): boolean;
  /** Stops asking the issuer. Whatever is asked next begins anew. */
  close(): void;
}

export function createVerifier(options: Options): Verifier;

/** How the management API is reached. */
export interface ManagementOptions {
  /** Where Countersign is reached from here, as `https://auth.example.com`. */
  url: string;
  /** A service token with the permission `countersign.introspect`. */
  token: string;
  /** Another `fetch`: for a proxy, or for tests. */
  fetch?: typeof fetch;
}

/** What a token, or a ticket, says at this moment. */
export interface Introspection {
  readonly user: User;
  /** The session: 16 hexadecimal digits. */
  readonly sid: string;
  readonly tokenUse: 'access' | 'refresh' | 'ticket';
  /** When the token ends, in seconds since 1970. A ticket has no such time. */
  readonly expiresAt: number | undefined;
  /** With `access`: an access token for one minute. */
  readonly accessToken: string | undefined;
}

/**
 * The management API, by a service token. It throws a `Problem` while Countersign cannot be
 * reached, and another `Error` where it refuses the service token itself.
 */
export interface Management {
  /**
   * Whose token this is, or whose browser, by the header `Cookie` that it sent; `null` where it is
   * not good. A refresh token is looked at and never rotated. With `access` the answer for a
   * browser has an access token for one minute.
   */
  introspect(
    what: { token: string } | { cookie: string | null | undefined; access?: boolean },
  ): Promise<Introspection | null>;
  /**
   * Who shows this ticket, made for `purpose`; `null` where it is not good. It is used up by it,
   * also where an error is thrown.
   */
  redeemTicket(ticket: string, purpose?: string): Promise<Introspection | null>;
}

export function createManagement(options: ManagementOptions): Management;

/** Who is asking. */
export class Identity {
  constructor(claims: Claims, user: User, at: number);
  /** What the access token says. A frozen object, without a prototype. */
  readonly claims: Claims;
  readonly user: User;
  /** When the request came, in whole seconds since 1970. */
  readonly at: number;
  /** Whether the user has a permission; superusers have every one. */
  hasPerm(permission: string): boolean;
  inGroup(group: string): boolean;
}

/** A user as an access token tells of one: no more than `extra_claims` puts into it. */
export interface User {
  /** The claim `sub`. */
  readonly id: string;
  /** The id, where the token names none. */
  readonly username: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly firstName: string;
  readonly lastName: string;
  readonly isStaff: boolean;
  readonly isSuperuser: boolean;
  readonly groups: readonly string[];
  /** With what the option `groups` says of the user's groups. */
  readonly permissions: readonly string[];
}

/** What an access token says. Times are in whole seconds since 1970. */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  /** The session: 16 hexadecimal digits. */
  readonly sid: string;
  /** When the user last proved who they are. */
  readonly auth_time: number;
  /** How they proved it; `mfa` is among them where it was with a second factor. */
  readonly amr?: readonly string[];
  readonly aud?: string | readonly string[] | null;
  readonly nbf?: number | null;
  readonly csrf?: string | null;
  readonly scope?: string | null;
  readonly [name: string]: unknown;
}

/** A condition that a request must meet. */
export interface Permission {
  /** What is lacking; nothing where it is met. */
  check(ask: Ask): Denied | undefined;
  /** @throws {Problem} where it is not met */
  demand(who: Identity | null, request: RequestLike): void;
  and(other: Permission): Permission;
  or(other: Permission): Permission;
  not(): Permission;
  toString(): string;
}

/** What a permission is asked about. */
export interface Ask {
  readonly who: Identity | null;
  readonly method: string;
  readonly headers: HeadersLike;
}

/** What is lacking. */
export interface Denied {
  readonly permission: string;
  /** A fresh login, or a second factor, would do. */
  readonly lacks?: 'login' | 'factor';
  /** How old a login may be, in seconds. */
  readonly maxAge?: number;
  /** What the answer says in place of the usual sentence. */
  readonly detail?: string;
}

/** A permission of your own. An answer that is a text is a no, and what the refusal says. */
export function permission(name: string, check: (ask: Ask) => boolean | string): Permission;
/** Everybody, logged in or not. */
export const allowAny: Permission;
/** Whoever is logged in. */
export const isAuthenticated: Permission;
/** Whoever is logged in; everybody for methods that only read. */
export const isAuthenticatedOrReadOnly: Permission;
export const isStaff: Permission;
export const isSuperuser: Permission;
/** Who has the permission `app.codename`; superusers have every one. */
export function hasPerm(name: string): Permission;
/** The members of a group. */
export function inGroup(group: string): Permission;
/** `app.add_model` for `POST`, `change` for `PUT` and `PATCH`, `delete` for `DELETE`. */
export function modelPerm(model: string): Permission;
/** Who has logged in, or stepped up, within so many minutes. */
export function recentLogin(minutes: number): Permission;
/** Who has proved a second factor in this session. */
export const hasFactor: Permission;

/** The server's words for why a request is refused. */
export type Code =
  | 'not_authenticated'
  | 'token_invalid'
  | 'token_expired'
  | 'session_revoked'
  | 'recent_login_required'
  | 'factor_required'
  | 'enrolment_required'
  | 'permission_denied'
  | 'csrf_failed'
  | 'unavailable';

/** Why a request is refused: problem details (RFC 9457). */
export class Problem extends Error {
  constructor(code: Code, more?: { detail?: string; challenge?: string; retryAfter?: number });
  readonly code: Code;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The header `WWW-Authenticate`. */
  readonly challenge: string | undefined;
  /** The header `Retry-After`, in seconds. */
  readonly retryAfter: number | undefined;
  /** Every header of the answer, by its name in small letters. */
  readonly headers: Record<string, string>;
  /** The body of the answer. */
  toJSON(): { type: string; title: string; status: number; detail: string; code: Code };
  /** The whole answer. */
  toResponse(): Response;
}
