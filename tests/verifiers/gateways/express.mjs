// An Express service with a verifier of somebody else's, which is told the issuer and no more.

import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const app = express()
app.use(
  auth({
    issuerBaseURL: process.env.AUTH_ISSUER,
    audience: process.env.AUTH_AUDIENCE,
    validators: { typ: 'at+jwt' },
  }),
)

app.get('/me', (request, response) => {
  response.json({ user: request.auth.payload.sub })
})

app.listen(Number(process.env.PORT), '127.0.0.1')
