// An Express service that takes Countersign's access tokens: no call for a request, and a logout is
// felt within two seconds.
//
//     npm install --install-links && AUTH_URL=http://localhost:8000 PORT=9000 node app.mjs

import express from 'express'
import { createVerifier, hasPerm } from '@countersign/verify'
import { protect, requires } from '@countersign/verify/express'

const verifier = createVerifier({
  // What tokens say in `iss`, and where Countersign is reached from here, if that differs.
  issuer: process.env.AUTH_ISSUER ?? process.env.AUTH_URL ?? 'http://localhost:8000',
  url: process.env.AUTH_URL,
  // The name that they say in `aud`, if Countersign is configured to say one.
  audience: process.env.AUTH_AUDIENCE,
  // What a group may. With Countersign's `extra_claims = ["groups"]` a token names the groups of
  // its user, and stays short however many permissions these have.
  groups: {
    editors: ['articles.add', 'articles.publish'],
    authors: ['articles.add'],
  },
})

const app = express()
// What stands below is for users alone.
app.use(protect(verifier))

app.get('/me', (request, response) => {
  response.json({ user: request.identity.user.id })
})

app.post('/notes', (request, response) => {
  response.status(201).json({ by: request.identity.user.id })
})

app.post('/articles', requires(hasPerm('articles.publish')), (request, response) => {
  response.status(201).json({ by: request.identity.user.id })
})

app.listen(Number(process.env.PORT ?? 9000), '127.0.0.1')
