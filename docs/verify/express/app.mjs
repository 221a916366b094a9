// An Express service that takes Countersign's access tokens: no call for a request, and a logout is
// felt within two seconds.
//
//     npm ci && AUTH_URL=http://localhost:8000 PORT=9000 node app.mjs

import { createHash, timingSafeEqual, webcrypto } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

// Node 18 keeps it elsewhere; from 20 on it is there.
globalThis.crypto ??= webcrypto

// Where Countersign is reached from here; what its tokens say in `iss`, where that differs; and
// `aud`, if it is configured to say one.
const url = process.env.AUTH_URL ?? 'http://localhost:8000'
const issuer = process.env.AUTH_ISSUER ?? new URL(url).origin
const audience = process.env.AUTH_AUDIENCE

// Never a list that mixes these with HS256: a public key would then do as a secret. The tolerance
// is for the clocks of two machines, in seconds.
const rules = { issuer, algorithms: ['EdDSA', 'ES256', 'RS256'], clockTolerance: 5 }

// What a group may. With Countersign's `extra_claims = ["groups"]` a token names the groups of its
// user, and stays short however many permissions these have. A `Map`, as a group may be called
// `constructor`.
const groups = new Map([
  ['editors', ['articles.add', 'articles.publish']],
  ['authors', ['articles.add']],
])

// Anybody can invent a key id, so an unknown one is looked up once a second at most.
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', url), {
  cooldownDuration: 1000,
  cacheMaxAge: 300_000,
})

// The sessions that ended within the last access-token lifetime.
const revocations = { ended: new Set(), goodUntil: 0, cursor: null, tag: null, polls: 0 }

async function poll() {
  try {
    // Once a minute, so that a key that was cut off goes.
    if (revocations.polls % 60 === 0) await keys.reload()
    // Everything now and then, so that what cannot matter any more goes.
    await read(revocations.polls % 300 === 0 ? null : revocations.cursor)
    revocations.polls += 1
  } catch (error) {
    console.error('no list of the ended sessions:', error.message)
  }
}

async function read(since) {
  const list = new URL('/.well-known/revocations', url)
  if (since) list.searchParams.set('since', since)
  const headers = revocations.tag ? { 'If-None-Match': revocations.tag } : {}
  const answer = await fetch(list, { headers, signal: AbortSignal.timeout(5000) })
  if (answer.status === 304) return
  if (!answer.ok) throw new Error(`status ${answer.status}`)
  const { payload: news } = await jwtVerify(await answer.text(), keys, {
    ...rules,
    typ: 'rl+jwt',
    requiredClaims: ['iat', 'exp', 'cursor', 'full', 'sids'],
  })
  const hex = Buffer.from(news.sids, 'base64url').toString('hex')
  const sids = hex.match(/.{16}/g) ?? []
  revocations.ended = new Set(news.full ? sids : [...revocations.ended, ...sids])
  revocations.cursor = news.cursor
  revocations.tag = answer.headers.get('etag')
  revocations.goodUntil = news.exp + rules.clockTolerance
}

/** Lets those through who have a good access token; its claims are in `request.claims`. */
async function signedIn(request, response, next) {
  const [, token] = /^bearer +(\S+)$/i.exec(request.get('authorization') ?? '') ?? []
  if (!token) return unauthorized(response, 'an access token is needed')
  try {
    const required = ['iat', 'exp', 'sub', 'sid']
    const { payload } = await jwtVerify(token, keys, {
      ...rules,
      audience,
      typ: 'at+jwt',
      requiredClaims: required,
    })
    request.claims = payload
  } catch (error) {
    if (isOurs(error)) return unavailable(response, 'the keys cannot be had')
    return unauthorized(response, 'the access token is not good', 'Bearer error="invalid_token"')
  }
  // A list is good for two minutes. Without a good one nobody is let in: better than to let in who
  // has logged out.
  if (Date.now() / 1000 > revocations.goodUntil)
    return unavailable(response, 'the list of the ended sessions cannot be had')
  if (revocations.ended.has(request.claims.sid))
    return unauthorized(response, 'the session has ended', 'Bearer error="invalid_token"')
  next()
}

/**
 * Lets those through who may write: a cookie session has to send its CSRF token too. A native
 * session has no cookie, and nothing to forge.
 */
function countersigned(request, response, next) {
  const claim = createHash('sha256')
    .update(request.get('x-csrftoken') ?? '')
    .digest()
  const expected = request.claims.csrf
  if (expected !== undefined && !isSame(claim, Buffer.from(expected, 'base64url'))) {
    return response.status(403).json({ detail: 'send the CSRF token as X-CSRFTOKEN' })
  }
  next()
}

/** Lets those through who are in a group that has this permission. */
const permitted = (permission) => (request, response, next) => {
  const own = request.claims.groups ?? []
  if (own.some((group) => groups.get(group)?.includes(permission))) return next()
  response.status(403).json({ detail: `this takes ${permission}` })
}

const isSame = (one, other) => one.length === other.length && timingSafeEqual(one, other)

/** Whether the fault is not the token's: the keys could not be fetched. */
const isOurs = (error) =>
  !(error instanceof errors.JOSEError) ||
  ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT'].includes(error.code)

const unauthorized = (response, detail, challenge = 'Bearer') =>
  response.status(401).set('WWW-Authenticate', challenge).json({ detail })

const unavailable = (response, detail) =>
  response.status(503).set('Retry-After', '5').json({ detail })

const app = express()

app.get('/me', signedIn, (request, response) => {
  response.json({ user: request.claims.sub })
})

app.post('/notes', signedIn, countersigned, (request, response) => {
  response.status(201).json({ by: request.claims.sub })
})

const publish = [signedIn, countersigned, permitted('articles.publish')]
app.post('/articles', publish, (request, response) => {
  response.status(201).json({ by: request.claims.sub })
})

await poll()
app.listen(Number(process.env.PORT ?? 9000), '127.0.0.1')
for (;;) {
  await sleep(1000)
  await poll()
}
