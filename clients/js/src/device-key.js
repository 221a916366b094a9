// The key of a native client's device: it signs what begins a session, and what refreshes it (DPoP,
// RFC 9449). The server binds the session to it.

/**
 * A `fetch` that sends a proof along where a session begins or is refreshed, and the same again
 * where the server has something new to sign.
 *
 * @param {import('./index.js').Environment} env
 * @param {string} base the address of the server's endpoints
 * @param {import('./native.js').DeviceKey} key
 * @param {<T>(work: () => T | Promise<T>) => Promise<T>} kept does what can fail as the storage can
 * @returns {import('./index.js').Environment['fetch']}
 */
export function proving(env, base, key, kept) {
  /** @type {string | undefined} */
  let nonce;
  // How far the server's clock is ahead of ours: a proof that is a minute old is none.
  let ahead = 0;

  async function proof(/** @type {string} */ url) {
    // Nothing else of it: a key that can be exported may bring its private half along.
    const { kty, crv, x, y } = await kept(() => key.publicKey());
    const isEc = kty === 'EC';
    const jwk = isEc ? { kty, crv, x, y } : { kty, crv, x };
    const head = { typ: 'dpop+jwt', alg: isEc ? 'ES256' : 'EdDSA', jwk };
    const jti = env.random().toString(36).slice(2) + env.random().toString(36).slice(2);
    const iat = Math.floor((env.wall() + ahead) / 1000);
    const said = { jti, htm: 'POST', htu: url, iat, nonce };
    const text = [head, said].map((part) => base64url(bytesOf(JSON.stringify(part)))).join('.');
    const signature = new Uint8Array(await kept(() => key.sign(bytesOf(text))));
    return `${text}.${base64url(isEc ? bare(signature) : signature)}`;
  }

  return async (input, init) => {
    if (typeof input !== 'string' || !isSigned(base, input)) return env.fetch(input, init);
    for (let more = TRIES; ; more--) {
      const headers = { ...init?.headers, DPoP: await proof(input) };
      const response = await env.fetch(input, { ...init, headers });
      const asked = response.headers.get('DPoP-Nonce');
      const theirs = Date.parse(response.headers.get('Date') ?? '');
      if (asked) nonce = asked;
      if (theirs) ahead = theirs - env.wall();
      // Another process with the same key may have used the challenge up meanwhile.
      if (response.status !== 400 || !asked || !more) return response;
    }
  };
}

const isSigned = (/** @type {string} */ base, /** @type {string} */ url) =>
  url.startsWith(base) && SIGNED.test(url.slice(base.length));

/**
 * Both numbers of a signature by ECDSA, of 32 bytes each. Apple's and Android's key stores put them
 * into DER.
 *
 * @param {Uint8Array} signature
 */
function bare(signature) {
  if (signature.length === 64) return signature;
  const both = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const next = at + 2 + signature[at + 1];
    const number = signature.slice(at + 2, next).slice(-32);
    both.set(number, end - number.length);
    at = next;
  }
  return both;
}

/** Of text in ASCII, such as an address in its normal form. */
const bytesOf = (/** @type {string} */ text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** Not by `btoa`, which older React Natives do not have. */
function base64url(/** @type {Uint8Array} */ bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const three = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    for (let digit = 0; digit < Math.min(4, bytes.length - at + 1); digit++)
      text += DIGITS[(three >> (18 - 6 * digit)) & 63];
  }
  return text;
}

/** What begins a session, and what refreshes it. */
const SIGNED = /^\/(refresh|register|login(\/.+)?)$/;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** How often one request is sent again with another challenge. */
const TRIES = 3;
