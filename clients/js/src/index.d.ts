import type { Code, EndingCode, Reason } from './codes.js';
import type { Factors, Passkeys } from './factor-types.js';

export type { Code, EndingCode, Reason } from './codes.js';
export type { Factor, FactorList, Factors, Passkeys, TotpOffer } from './factor-types.js';

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
export interface State<U extends User = User> {
  /** `unknown` until `restore` or `login` has had an answer. */
  readonly status: 'unknown' | 'signed_in' | 'signed_out';
  /** The user; `null` while nobody is signed in, or the profile could not be had yet. */
  readonly user: U | null;
  /**
   * After `signed_out`: why, in the server's code. `session_changed` is the client's own: another
   * user is signed in in this browser, which `onChange` tells next.
   */
  readonly code?: EndingCode | 'session_changed';
  /** With the code `session_revoked`: why, in the server's word. */
  readonly reason?: Reason;
}

/** What `onChange` tells. */
export type Change<U extends User = User> =
  | { readonly type: 'signed_in'; readonly user: U | null }
  | { readonly type: 'refreshed'; readonly user: U | null }
  | { readonly type: 'user'; readonly user: U | null }
  | {
      readonly type: 'signed_out';
      readonly code: EndingCode | 'session_changed';
      readonly reason?: Reason;
    };

/** A session, as the list of the user's sessions shows one. */
export interface Session {
  id: string;
  /** Whether it is the one that asks. */
  current: boolean;
  /** RFC 3339, in UTC. */
  created_at: string;
  /** RFC 3339, in UTC. */
  last_used_at: string;
  /** RFC 3339, in UTC. */
  expires_at: string;
  transport: 'cookie' | 'body';
  user_agent: string;
  /** The client in words, for people: `Firefox on Windows`. */
  device: string;
  /** What the user calls the device. */
  device_name: string | null;
  /** Whether the session is bound to the device: a copy of its cookies does not refresh it. */
  device_bound: boolean;
  ip: string;
}

/** What a mail has brought: the token of its link, or its code with the address it went to. */
export type Proof = { token: string } | { email: string; code: string };

/** Who registers. Which fields there must be is a setting of the server's. */
export interface Registration {
  username?: string;
  email?: string;
  password?: string;
  first_name?: string;
  last_name?: string;
  /** The token of an invitation's link, for the page that your server's `invitation_url` names. */
  invitation?: string;
  /** What the user calls the device, 1 to 100 characters, for the list of sessions. */
  device_name?: string;
  /** `false` on a device of others: the session goes with the browser, and is short. */
  remember?: boolean;
}

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
  /** The whole of an address, as a browser understands it: relative ones begin at `base`. */
  absolute: (url: string, base?: string) => string;
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
  /** What the CSRF cookie of a server says, where the page can read it. */
  csrfCookie?: (base: string) => string | undefined;
  /** `navigator.credentials`, for passkeys. */
  credentials?: any;
  /** The browser's `PublicKeyCredential`, for passkeys. */
  PublicKeyCredential?: any;
  /** `navigator.locks`; without it two tabs may refresh at once, which the server forgives. */
  locks?: Pick<LockManager, 'request'>;
  /** Whether the page can be seen. */
  visible: () => boolean;
  /**
   * Where events of the window and the document come from: `online`, `pageshow`,
   * `visibilitychange`.
   */
  events: readonly Pick<EventTarget, 'addEventListener' | 'removeEventListener'>[];
  /** Whether a developer looks at the page: what seems to be a mistake goes to the console. */
  development: boolean;
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

/**
 * A session with one server, from the browser's side. `U` is the user, where yours has more to it.
 *
 * Every promise is rejected with a {@link CountersignError}; those of `fetch`, if the request
 * itself fails, as `window.fetch`'s is, and whatever is aborted with its signal's reason.
 */
export interface Client<U extends User = User> {
  /** The user, or `null`. The same as `state.user`. */
  readonly user: U | null;
  /** What is known, as one frozen object. */
  readonly state: State<U>;
  /** The session's CSRF token, if there is a session. `fetch` sends it by itself. */
  readonly csrfToken: string | undefined;
  /** How many milliseconds the access token has left by the server's time; 0 without one. */
  readonly expiresIn: number;

  /**
   * Logs in. Never tried twice by itself. `device_name`, 1 to 100 characters, is what the user
   * calls the device: the list of sessions shows it. `remember: false` on a device of others: the
   * session goes with the browser, and is short.
   *
   * @throws CountersignError `invalid_credentials`, `throttled` (see `retryAfter`),
   * `validation_error`, …
   */
  login(
    credentials: {
      username: string;
      password: string;
      device_name?: string;
      remember?: boolean;
      restore?: true;
    },
    options?: Abortable,
  ): Promise<U>;

  /**
   * Makes an account. The user, who is signed in then; `null` where the server wants the address
   * proved first: a mail with a link and a code is on its way.
   *
   * @throws CountersignError `validation_error` (see `errors`), `not_found` where nobody may
   * register, `throttled`, …
   */
  register(fields: Registration, options?: Abortable): Promise<U | null>;

  /**
   * Proves an address, by what the mail said. The user who is signed in after it: the one who
   * registered in this browser, or who was signed in before; else `null`. In another browser than
   * the one that registered, give the `password` of the registration: without it, it must be chosen
   * anew.
   *
   * @throws CountersignError `link_invalid`, `validation_error`, …
   */
  verifyEmail(proof: Proof & { password?: string }, options?: Abortable): Promise<U | null>;

  /** Asks for the mail that proves an address once more. It never says whether there is one. */
  resendVerification(who: { email: string }, options?: Abortable): Promise<void>;

  /** Asks for a mail to who forgot their password. It never says whether there is an account. */
  requestPasswordReset(
    who: { email: string } | { username: string },
    options?: Abortable,
  ): Promise<void>;

  /**
   * Chooses a forgotten password anew, by what the mail said. It ends all sessions of the user, and
   * signs nobody in.
   *
   * @throws CountersignError `link_invalid`, `validation_error` (the link works on), …
   */
  resetPassword(proof: Proof & { new_password: string }, options?: Abortable): Promise<void>;

  /**
   * Changes the password. The user's other sessions end; this one goes on.
   *
   * @throws CountersignError `validation_error` (see `errors`), `throttled`, …
   */
  changePassword(
    passwords: { old_password: string; new_password: string },
    options?: Abortable,
  ): Promise<void>;

  /**
   * Asks for another address. Nothing changes before it is confirmed, by a mail to the new one; the
   * old one is told, with a link that undoes it.
   *
   * @throws CountersignError `validation_error` (see `errors`), `throttled`, …
   */
  changeEmail(change: { email: string; password: string }, options?: Abortable): Promise<void>;

  /**
   * Confirms the new address, by what the mail said. In another browser than the one that asked,
   * and in native apps, give the user's `password`.
   *
   * @throws CountersignError `link_invalid`, `validation_error`, …
   */
  confirmEmailChange(proof: Proof & { password?: string }, options?: Abortable): Promise<void>;

  /**
   * Asks that the user be deleted: all sessions end. For the time that the server gives, a login
   * says `deletion_planned`, and one with `restore: true` brings the user back.
   *
   * @throws CountersignError `validation_error` (see `errors`), `recent_login_required`, …
   */
  deleteAccount(owner: { password: string }, options?: Abortable): Promise<void>;

  /**
   * Everything that the server keeps about the user.
   *
   * @throws CountersignError `recent_login_required`, …
   */
  exportProfile(options?: Abortable): Promise<{ user: U; [kept: string]: unknown }>;

  /**
   * "It was not me", by the link in the mail to the old address: it is the user's again, all
   * sessions end, and the password has to be chosen anew.
   *
   * @throws CountersignError `link_invalid`, …
   */
  undo(link: { token: string }, options?: Abortable): Promise<void>;

  /** Asks for a mail with a code that logs in. It never says whether there is an account. */
  requestLoginCode(who: { email: string }, options?: Abortable): Promise<void>;

  /**
   * Logs in by what that mail said: with its code anywhere, with its link in the browser that
   * asked.
   *
   * @throws CountersignError `link_invalid`, …
   */
  loginWithCode(
    proof: Proof & { device_name?: string; remember?: boolean },
    options?: Abortable,
  ): Promise<U>;

  /**
   * Goes on with a login that was refused with `second_factor_required`: its `pending_token` is in
   * the error's `problem`. With a passkey it is `passkeys.login`.
   *
   * @throws CountersignError `factor_invalid`, `pending_token_invalid`, `throttled`, …
   */
  loginWithFactor(
    factor: ({ code: string } | { recovery_code: string }) & {
      pending_token: string;
      remember_device?: boolean;
    },
    options?: Abortable,
  ): Promise<U>;

  /**
   * Proves again who it is, for what wants a fresh login (`recent_login_required`) or a second
   * factor (`factor_required`). Who has a factor proves that; with a passkey it is
   * `passkeys.stepUp`.
   *
   * @throws CountersignError `factor_required`, `validation_error`, `throttled`, …
   */
  stepUp(
    proof: { password: string } | { code: string } | { recovery_code: string },
    options?: Abortable,
  ): Promise<void>;

  /** Logging in with a key of the user's device. */
  readonly passkeys: Passkeys<U>;

  /** What the user proves besides the first step of a login. */
  readonly factors: Factors;

  /** Changes what users may change of themselves, for all tabs. The user as they are then. */
  updateProfile(
    fields: Partial<Pick<U, 'username' | 'email' | 'first_name' | 'last_name'>>,
    options?: Abortable,
  ): Promise<U>;

  /** Where the user is logged in, the last login first. */
  sessions(options?: Abortable): Promise<Session[]>;

  /** Says what the user calls the device of a session; an empty text takes the name away. */
  nameSession(id: string, device_name: string, options?: Abortable): Promise<Session>;

  /** Ends one of the user's sessions. For this one, `logout` is the better way. */
  endSession(id: string, options?: Abortable): Promise<void>;

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
  restore(options?: Abortable): Promise<U | null>;

  /** Reads the profile anew, for all tabs. Call it after a change. */
  loadUser(options?: Abortable): Promise<U | null>;

  /**
   * As `window.fetch`. Requests to the origin of `baseUrl` and to `apiOrigins` carry the access
   * token and, when writing, the CSRF token; others are left as they are. A 401 leads to one
   * refresh and one more try, if the session is still the one that it was asked for in.
   */
  fetch: typeof fetch;

  /**
   * Refreshes now, whatever the access token has left. Answers with the new one, or with nothing
   * when the session has ended.
   */
  refresh(options?: Abortable): Promise<string | undefined>;

  /**
   * A ticket, good for 30 seconds and once: for what can send no header, a WebSocket, an
   * `EventSource`, a download link. Put it into the address as `?ticket=`. `for`: what the server
   * must name when it redeems it.
   *
   * @throws CountersignError `not_authenticated`, `throttled`, …
   */
  ticket(options?: Abortable & { for?: string }): Promise<string>;

  /**
   * An access token that is still good, refreshed if need be; nothing when nobody is signed in. For
   * what is no `fetch`: a WebSocket, another HTTP library.
   *
   * `refused` is a token that a server has just refused: it is replaced, unless that has been done
   * already. If the answer is the same token again, another one would not help; if it is nothing,
   * that session is over.
   *
   * @throws CountersignError `session_changed` when somebody else has signed in meanwhile
   */
  accessToken(options?: Abortable & { refused?: string }): Promise<string | undefined>;

  /** Whether `fetch` would send tokens to this address. */
  trusts(url: string | URL): boolean;

  /** Calls back with every change, in this tab or another. Answers with a function that ends it. */
  onChange(listener: (change: Change<U>) => void): () => void;

  /**
   * Forgets the tokens, and stops timers and listening. The session goes on. The client does
   * nothing more: what is asked of it from then on is rejected with `client_closed`, and so is what
   * was under way, whether or not the server has done it. A new client finds out, by `restore`.
   */
  close(): void;
}

/** Makes a client. It does nothing until it is asked to. */
export function createClient<U extends User = User>(options?: Options): Client<U>;

/** The client's own codes, for what no server has answered. */
export type OwnCode =
  /** There was no answer, or none that could be the server's. */
  | 'no_answer'
  /** Somebody else has signed in before it could be sent. */
  | 'session_changed'
  /** `close` was called before the answer came, or before the call. */
  | 'client_closed'
  /** The browser gave no passkey: the user has cancelled, or there is none. */
  | 'no_passkey'
  /** The place where a native client keeps its tokens has failed. */
  | 'storage_failed';

/** Whatever went wrong. */
export class CountersignError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  status: number;
  /** What is wrong, for programs; nothing if the answer was a proxy's and not the server's own. */
  code?: Code | OwnCode;
  /** With `session_revoked`: why. */
  reason?: Reason;
  /** With `validation_error`: messages for each field. */
  errors: Record<string, string[]>;
  /** All that the answer said, as it came. */
  problem: Record<string, unknown>;
  /** How many seconds to wait, if the server said so. */
  retryAfter?: number;
}
