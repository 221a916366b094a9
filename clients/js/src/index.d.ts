import type { Code, EndingCode, Reason } from './codes.js';

export type { Code, EndingCode, Reason } from './codes.js';

/** A user, as the server's profile endpoint shows one. */
export interface User {
  id: number;
  username: string;
  email: string;
  first_name: string;
  last_name: string;
  /** Whether the user has shown that the address is theirs. */
  email_verified: boolean;
  /** The language of the user's mails, as `de`; empty for English. */
  locale: string;
  is_active: boolean;
  is_staff: boolean;
  is_superuser: boolean;
  /** RFC 3339, in UTC. */
  date_joined: string;
  /** RFC 3339, in UTC. */
  last_login: string | null;
  groups: string[];
  permissions: string[];
  metadata: Record<string, unknown>;
}

/**
 * What the client knows. A new, frozen object with every change, so that it can be compared by
 * identity.
 */
export interface State {
  /** `unknown` until `restore` or `login` has had an answer. */
  readonly status: 'unknown' | 'signed_in' | 'signed_out';
  /** The user; `null` while nobody is signed in, or the profile could not be had yet. */
  readonly user: User | null;
  /** After `signed_out`: why, in the server's code. */
  readonly code?: EndingCode;
  /** With the code `session_revoked`: why, in the server's word. */
  readonly reason?: Reason;
}

/** What `onChange` tells. */
export type Change =
  | { readonly type: 'signed_in'; readonly user: User | null }
  | { readonly type: 'refreshed'; readonly user: User | null }
  | { readonly type: 'user'; readonly user: User | null }
  | { readonly type: 'signed_out'; readonly code: EndingCode; readonly reason?: Reason };

/** How to make a client. */
export interface Options {
  /**
   * Where the server's endpoints stand: `https://api.example.com/accounts`, or a path on the page's
   * own host. `/accounts` unless chosen. Tabs of one origin share a session when their `baseUrl` is
   * the same.
   */
  baseUrl?: string | URL;
  /**
   * Further origins that `fetch` sends the access token to. The origin of `baseUrl` always is one;
   * no other ever gets it.
   */
  apiOrigins?: readonly (string | URL)[];
  /** Parts of the surroundings to replace: for tests, and for places that lack one. */
  env?: Partial<Environment>;
}

/** The surroundings of a client. */
export interface Environment {
  fetch: typeof fetch;
  /** Milliseconds that never go back. */
  monotonic: () => number;
  /** The device's time, in milliseconds since 1970. */
  wall: () => number;
  /** From 0 to below 1, not to be guessed. */
  random: () => number;
  setTimeout: (callback: () => void, ms: number) => any;
  clearTimeout: (timer: any) => void;
  /** How tabs hear of each other; without it they do not. */
  BroadcastChannel?: new (name: string) => BroadcastChannelLike;
  /** `navigator.locks`; without it two tabs may refresh at once, which the server forgives. */
  locks?: Pick<LockManager, 'request'>;
  /** Whether the page can be seen. */
  visible: () => boolean;
  /**
   * Where events of the window and the document come from: `online`, `pageshow`,
   * `visibilitychange`.
   */
  events: readonly EventTarget[];
}

/** As much of a `BroadcastChannel` as the client uses. */
export interface BroadcastChannelLike {
  postMessage(message: unknown): void;
  close(): void;
  onmessage: ((event: any) => void) | null;
}

/** A signal that ends the waiting. */
export interface Abortable {
  signal?: AbortSignal | null;
}

/** A session with one server, from the browser's side. */
export interface Client {
  /** The user, or `null`. The same as `state.user`. */
  readonly user: User | null;
  /** What is known, as one frozen object. */
  readonly state: State;
  /** The session's CSRF token, if there is a session. `fetch` sends it by itself. */
  readonly csrfToken: string | undefined;
  /** How many milliseconds the access token has left by the server's time; 0 without one. */
  readonly expiresIn: number;

  /**
   * Logs in. Never tried twice by itself. `device_name`, 1 to 100 characters, is what the user
   * calls the device: the list of sessions shows it.
   *
   * @throws CountersignError `invalid_credentials`, `throttled` (see `retryAfter`),
   * `validation_error`, …
   */
  login(
    credentials: { username: string; password: string; device_name?: string },
    options?: Abortable,
  ): Promise<User>;

  /**
   * Ends this session, in all tabs. When the server cannot be reached the promise is rejected and
   * the session stays: it would be a lie to say otherwise, as the cookie is still there.
   */
  logout(options?: Abortable): Promise<void>;

  /** Ends all of the user's sessions, or all but this one. */
  logoutAll(options?: Abortable & { keepCurrent?: boolean }): Promise<void>;

  /**
   * At page load: finds the session again, from another tab or with the refresh cookie. `null` when
   * there is none. Rejected when the server cannot be reached: nothing is known then, and the
   * client goes on trying by itself; see `onChange`.
   */
  restore(options?: Abortable): Promise<User | null>;

  /** Reads the profile anew, for all tabs. Call it after a change. */
  loadUser(options?: Abortable): Promise<User | null>;

  /**
   * As `window.fetch`. Requests to the origin of `baseUrl` and to `apiOrigins` carry the access
   * token and, when writing, the CSRF token; others are left as they are. A 401 leads to one
   * refresh and one more try.
   */
  fetch: typeof fetch;

  /**
   * Refreshes now, whatever the access token has left. Answers with the new one, or with nothing
   * when the session has ended.
   */
  refresh(options?: Abortable): Promise<string | undefined>;

  /**
   * An access token that is still good, refreshed if need be; nothing when nobody is signed in. For
   * what is no `fetch`: a WebSocket, another HTTP library.
   *
   * `refused` is a token that a server has just refused: it is replaced, unless that has been done
   * already. If the answer is the same token again, another one would not help.
   */
  accessToken(options?: Abortable & { refused?: string }): Promise<string | undefined>;

  /** Whether `fetch` would send tokens to this address. */
  trusts(url: string | URL): boolean;

  /** Calls back with every change, in this tab or another. Answers with a function that ends it. */
  onChange(listener: (change: Change) => void): () => void;

  /** Forgets the tokens, and stops timers and listening. The session goes on. */
  close(): void;
}

/** Makes a client. It does nothing until it is asked to. */
export function createClient(options?: Options): Client;

/**
 * An error that the server, or a proxy before it, has answered. Where there was no answer, the
 * error is the one of `fetch`.
 */
export class CountersignError extends Error {
  /** The HTTP status. */
  status: number;
  /** What is wrong, for programs; nothing if the answer was not the server's own. */
  code?: Code;
  /** With `session_revoked`: why. */
  reason?: Reason;
  /** With `validation_error`: messages for each field. */
  errors: Record<string, string[]>;
  /** How many seconds to wait, if the server said so. */
  retryAfter?: number;
}
