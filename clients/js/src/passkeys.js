// Passkeys: what the server asks for is handed to the browser, and what that gives to the server.
import { reasonOf, throwIfAborted } from './clock.js';
import { CountersignError } from './http.js';

/**
 * @param {Pick<import('./accounts.js').Hands, 'call' | 'asUser' | 'open' | 'look'> &
 *   { env: import('./index.js').Environment }} hands
 */
export const passkeys = ({ call, asUser, open, look, env }) => ({
  async register(/** @type {any} */ { name, signal } = {}) {
    const { options } = await asUser('/passkeys/register/begin', { signal });
    const passkey = await prompt(env, 'create', options, signal);
    const made = await asUser('/passkeys/register/finish', { json: { passkey, name }, signal });
    // The token says from now on that it was proved.
    await look(false);
    return made;
  },

  async login(/** @type {any} */ { conditional, pending_token, signal, ...more } = {}) {
    if (conditional && !(await env.PublicKeyCredential?.isConditionalMediationAvailable?.()))
      return null;
    for (;;) {
      const json = { pending_token };
      const { options } = await call('/login/passkey/begin', { json, signal });
      const passkey = await prompt(env, 'get', options, signal, conditional);
      // A page may lie open for longer than a challenge is good.
      if (!passkey) continue;
      return open(
        pending_token ? '/login/factor' : '/login/passkey/finish',
        { ...more, ...json, passkey },
        { signal },
        true,
      );
    }
  },

  async stepUp(/** @type {any} */ { signal } = {}) {
    const { options } = await call('/login/passkey/begin', { json: {}, signal });
    const passkey = await prompt(env, 'get', options, signal);
    await asUser('/step-up', { json: { passkey }, signal });
    await look(false);
  },
});

/**
 * What the browser gives. Nothing when a `conditional` offer has become too old.
 *
 * @param {import('./index.js').Environment} env
 * @param {'create' | 'get'} what
 * @param {any} options
 * @param {AbortSignal | null} [signal]
 * @param {boolean} [conditional]
 */
async function prompt(env, what, options, signal, conditional) {
  throwIfAborted(signal);
  const stop = new AbortController();
  const abort = () => stop.abort();
  let isOld = false;
  const grow = () => {
    isOld = true;
    abort();
  };
  const timer = conditional && env.setTimeout(grow, OFFERED);
  signal?.addEventListener('abort', abort);
  try {
    const { PublicKeyCredential: api, credentials } = env;
    const read = what === 'get' ? 'parseRequestOptionsFromJSON' : 'parseCreationOptionsFromJSON';
    const publicKey = api?.[read]?.(options) ?? fromJson(options);
    const mediation = conditional ? 'conditional' : undefined;
    const made = await credentials[what]({ publicKey, mediation, signal: stop.signal });
    return made.toJSON?.() ?? toJson(made);
  } catch (error) {
    if (signal?.aborted) throw reasonOf(signal);
    if (isOld) return;
    throw new CountersignError('The browser gave no passkey.', {
      code: 'no_passkey',
      cause: error,
    });
  } finally {
    env.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** What a browser without JSON methods of its own wants: bytes where JSON has text. */
function fromJson(/** @type {any} */ options) {
  const listed = (/** @type {any[]} */ list = []) =>
    list.map((/** @type {any} */ one) => ({ ...one, id: bytes(one.id) }));
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: options.user && { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: listed(options.excludeCredentials),
    allowCredentials: listed(options.allowCredentials),
  };
}

/** The other way. */
function toJson(/** @type {any} */ { id, rawId, type, response }) {
  /** @type {any} */
  const said = { transports: response.getTransports?.() };
  for (const name of SAID) if (response[name]) said[name] = text(response[name]);
  return { id, rawId: text(rawId), type, response: said, clientExtensionResults: {} };
}

const bytes = (/** @type {string} */ text) =>
  Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));

const text = (/** @type {ArrayBuffer} */ buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');

const SAID = [
  'clientDataJSON',
  'attestationObject',
  'authenticatorData',
  'signature',
  'userHandle',
];

/** A challenge is good for five minutes; the answer to it must arrive within them. */
const OFFERED = 4 * 60_000;
