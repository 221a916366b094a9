// A Hono service with `@countersign/verify`, which is told the issuer and no more.

import http from 'node:http'
import { Hono } from 'hono'
import { protect } from '@countersign/verify/hono'

const app = new Hono()
app.use(protect({ issuer: process.env.AUTH_ISSUER }))
app.get('/me', (context) => context.json({ user: context.get('identity').user.id }))
app.post('/notes', (context) => context.json({ by: context.get('identity').user.id }, 201))

http
  .createServer(async (request, response) => {
    const { method, url, headers } = request
    const answer = await app.request(url, { method, headers })
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(await answer.text())
  })
  .listen(Number(process.env.PORT), '127.0.0.1')
