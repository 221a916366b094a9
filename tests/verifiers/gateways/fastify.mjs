// A Fastify service with verifiers of somebody else's, which are told the issuer and no more.

import jwt from '@fastify/jwt'
import fastify from 'fastify'
import buildGetJwks from 'get-jwks'

const issuer = process.env.AUTH_ISSUER
const keys = buildGetJwks({ issuersWhitelist: [issuer], providerDiscovery: true })

const app = fastify()
await app.register(jwt, {
  decode: { complete: true },
  secret: (_, { header, payload }) =>
    keys.getPublicKey({ kid: header.kid, alg: header.alg, domain: payload.iss }),
  verify: { allowedIss: issuer, allowedAud: process.env.AUTH_AUDIENCE },
  trusted: (_, { scope }) => scope === undefined,
})
app.addHook('onRequest', (request) => request.jwtVerify())

app.get('/me', (request) => ({ user: request.user.sub }))

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
