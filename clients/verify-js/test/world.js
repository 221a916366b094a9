// An issuer of the test's own, and a clock that the test moves.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { exportJWK, importPKCS8, importSPKI, SignJWT } from 'jose';
import { createVerifier } from '@countersign/verify';

export const ISSUER = 'https://id.example.com';
export const CSRF = 'the token of the session';

/**
 * A key of the issuer: its id, how it signs, and what is published of it. Read from a text: Node 20
 * may stand still for ever where a key that it has just made is exported.
 */
export async function newKey(kid) {
  const alg = 'EdDSA';
  const pair = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const privateKey = await importPKCS8(pair.privateKey, alg);
  const publicKey = await importSPKI(pair.publicKey, alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  const sign = (typ, claims) =>
    new SignJWT(claims).setProtectedHeader({ alg, kid, typ }).sign(privateKey);
  return { kid, jwk, sign };
}

export async function newWorld(options = {}) {
  const world = {
    now: 1_800_000_000,
    /** Seconds on the clock that nobody sets. */
    mono: 1000,
    issuer: ISSUER,
    keys: [await newKey('first')],
    ended: [],
    listMore: {},
    /** What a path answers in place of the usual: a function of the request. */
    instead: new Map(),
    asked: [],
    warnings: [],
    /** When a token was last asked about. */
    used: 1000,
    /** Those who sleep; `tick` wakes them. */
    sleepers: [],
    count: (path) => world.asked.filter((asked) => asked.split('?')[0] === path).length,
    sign: (typ, claims) => world.keys.at(-1).sign(typ, claims),
    token: (more = {}) => world.sign('at+jwt', world.claims(more)),
    claims: (more = {}) => ({
      iss: ISSUER,
      sub: '7',
      iat: world.now,
      exp: world.now + 300,
      sid: '00000000000000ff',
      auth_time: world.now,
      ...more,
    }),
    cookie: (more = {}) =>
      world.token({ csrf: createHash('sha256').update(CSRF).digest('base64url'), ...more }),
    /** So many seconds later, and once more asked. */
    async tick(seconds = 1) {
      world.now += seconds;
      world.mono += seconds;
      await world.turn();
    },
    /** Wakes who sleeps, and waits until they sleep again, or have gone. */
    async turn() {
      const woken = world.sleepers.splice(0);
      for (const wake of woken) wake();
      const isIdle = () => woken.length === 0 || world.mono - world.used >= 60;
      for (let round = 0; !isIdle() && world.sleepers.length === 0; round++) {
        if (round > 3000) throw new Error('nobody sleeps again');
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async fetch(url, { headers = {} } = {}) {
      const { pathname, searchParams, search } = new URL(url);
      world.asked.push(pathname + search);
      const own = world.instead.get(pathname);
      if (own) return own(url);
      if (pathname === '/.well-known/jwks.json')
        return Response.json({ keys: world.keys.map(({ jwk }) => jwk) });
      if (pathname === '/.well-known/openid-configuration')
        return Response.json({
          issuer: world.issuer,
          jwks_uri: `${ISSUER}/.well-known/jwks.json`,
          revocations_uri: `${ISSUER}/.well-known/revocations`,
        });
      const since = Number(searchParams.get('since') ?? 0);
      // Signed anew every half minute.
      const half = Math.floor(world.now / 30);
      const tag = `"${world.ended.length}.${half}.${world.keys.at(-1).kid}"`;
      if (headers['if-none-match'] === tag) return new Response(null, { status: 304 });
      const list = {
        iss: ISSUER,
        iat: world.now,
        exp: world.now + 120,
        cursor: String(world.ended.length),
        full: !searchParams.has('since'),
        kept: 360,
        sids: Buffer.from(world.ended.slice(since).join(''), 'hex').toString('base64url'),
        ...world.listMore,
      };
      return new Response(await world.sign('rl+jwt', list), { headers: { etag: tag } });
    },
  };
  world.options = {
    issuer: ISSUER,
    fetch: world.fetch,
    clock: () => world.now,
    warn: (message) => world.warnings.push(message),
    env: {
      monotonic: () => world.mono,
      sleep: () => new Promise((wake) => world.sleepers.push(wake)),
    },
    ...options,
  };
  world.verifier = createVerifier(world.options);
  /** The code with which a token is refused; nothing where it is good. */
  world.code = (token) => {
    world.used = world.mono;
    return world.verifier.verify(token).then(
      () => undefined,
      (problem) => problem.code,
    );
  };
  return world;
}
