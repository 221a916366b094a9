import type { Abortable, User } from './index.js';

/** A second factor, as the list of the user's factors shows one. */
export interface Factor {
  id: string;
  kind: 'totp' | 'passkey';
  /** What the user calls it. */
  name: string | null;
  /** RFC 3339, in UTC. */
  created_at: string;
  /** RFC 3339, in UTC. */
  last_used_at: string | null;
  /** Of a passkey: whether its provider has a copy of it. */
  is_backed_up?: boolean;
}

/** What keys of the user's devices do. In a browser, on a page of a domain that they belong to. */
export interface Passkeys<U extends User = User> {
  /**
   * Makes a passkey and registers it. With the first factor come recovery codes, which are shown
   * this once.
   *
   * @throws CountersignError `no_passkey` (the user has cancelled, or has it already),
   * `recent_login_required`, `conflict`, …
   */
  register(
    options?: Abortable & { name?: string },
  ): Promise<{ factor: Factor; recovery_codes?: string[] }>;

  /**
   * Logs in. The browser asks the user which passkey. `conditional`: it offers them in the field
   * for the user name (`autocomplete="username webauthn"`) for as long as the page is open, and
   * `null` comes back where it cannot. `pending_token`: as the second factor of a login that waits.
   *
   * @throws CountersignError `no_passkey`, `factor_invalid`, `pending_token_invalid`, …
   */
  login(
    options: Abortable & {
      conditional: true;
      device_name?: string;
      remember?: boolean;
      restore?: true;
    },
  ): Promise<U | null>;
  login(
    options?: Abortable & {
      pending_token?: string;
      remember_device?: boolean;
      device_name?: string;
      remember?: boolean;
      restore?: true;
    },
  ): Promise<U>;

  /** Proves again who it is, for what wants a fresh login or a second factor. */
  stepUp(options?: Abortable): Promise<void>;
}

/** What the user has. */
export interface FactorList {
  factors: Factor[];
  recovery_codes_left: number;
  /** Whether this user must have one. */
  required: boolean;
}

/** What an authenticator app is told. It is shown this once. */
export interface TotpOffer {
  id: string;
  /** For who types it in: base32. */
  secret: string;
  /** `otpauth://totp/…`: opens the app on a phone. */
  uri: string;
  /** The same as an SVG; empty where a name is too long for a picture. */
  qr: string;
}

/** The user's second factors. How one is proved: `loginWithFactor`, `stepUp`, `passkeys`. */
export interface Factors {
  /** The oldest first. */
  list(options?: Abortable): Promise<FactorList>;

  /** Says what the user calls one; an empty text takes the name away. */
  rename(id: string, name: string, options?: Abortable): Promise<Factor>;

  /**
   * Removes one. With the last one the recovery codes go.
   *
   * @throws CountersignError `recent_login_required`, `factor_required`, `conflict` (this user must
   * have one), …
   */
  remove(id: string, options?: Abortable): Promise<void>;

  /**
   * Makes new recovery codes, which are shown this once. The old ones are good no more.
   *
   * @throws CountersignError `recent_login_required`, `factor_required`, `conflict`, …
   */
  newRecoveryCodes(options?: Abortable): Promise<string[]>;

  /**
   * Begins to enrol an authenticator app. Nobody is asked for it before it is confirmed.
   *
   * @throws CountersignError `recent_login_required`, `factor_required`, `conflict`, …
   */
  beginTotp(factor?: { name?: string }, options?: Abortable): Promise<TotpOffer>;

  /**
   * Enrols it, by the code that it shows. With the first factor come recovery codes, which are
   * shown this once.
   *
   * @throws CountersignError `validation_error` (the code is not the one of now), `conflict`, …
   */
  confirmTotp(
    proof: { code: string },
    options?: Abortable,
  ): Promise<{ factor: Factor; recovery_codes?: string[] }>;
}
