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
  /**
   * The key of this device. Where there is one, sessions are bound to it: a copy of the refresh
   * token is worth nothing without the key.
   */
  key?: DeviceKey;
}

/**
 * A key that does not leave the device: P-256, or Ed25519. Each function may answer at once or
 * later; an error counts as a fault of the storage, and the session stays.
 */
export interface DeviceKey {
  /** Its public half, made at the first call: the members `kty`, `crv`, `x` and `y` of a JWK. */
  publicKey(): Promise<PublicKey> | PublicKey;
  /**
   * Signs these bytes: with P-256 by ECDSA with SHA-256, the signature in DER or as its two numbers
   * of 32 bytes each.
   */
  sign(bytes: Uint8Array): Promise<Bytes> | Bytes;
}

/** A public key (RFC 7517). */
export interface PublicKey {
  kty: string;
  crv: string;
  x: string;
  y?: string;
}

/** Bytes, as the platform has them. */
export type Bytes = ArrayBuffer | ArrayLike<number>;

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
