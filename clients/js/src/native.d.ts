import type { Client, Options, User } from './index.js';

export { CountersignError } from './index.js';
export type {
  Abortable,
  Change,
  Client,
  Code,
  EndingCode,
  Environment,
  Options,
  OwnCode,
  Proof,
  Reason,
  Registration,
  Session,
  State,
  User,
} from './index.js';

/**
 * Where secrets are kept: the key store of the platform. Each function may answer at once or later;
 * an error counts as a fault, and the session stays.
 */
export interface SecureStorage {
  get(name: string): Promise<string | null | undefined> | string | null | undefined;
  set(name: string, value: string): Promise<unknown> | unknown;
  remove(name: string): Promise<unknown> | unknown;
}

/** How to make a native client. */
export interface NativeOptions extends Options {
  /** The whole address: there is no page it could be relative to. */
  baseUrl: string | URL;
  storage: SecureStorage;
  /**
   * What the names of the two entries begin with: letters, digits, `.`, `-` and `_` do everywhere.
   * `countersign` unless chosen.
   */
  storageName?: string;
  /** What a login calls this device unless it says otherwise: `Ada's phone`. */
  deviceName?: string;
}

/**
 * Makes a client for React Native, Electron or Node. It does the same as the browser's, without
 * cookies, CSRF tokens and tabs. A page may use it only if the server lists its origin in
 * `native_origins`.
 */
export function createNativeClient<U extends User = User>(options: NativeOptions): Client<U>;
