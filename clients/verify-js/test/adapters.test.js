// The same promises behind each framework.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { allowAny, hasPerm, isAuthenticatedOrReadOnly, isStaff } from '@countersign/verify';
import * as forExpress from '@countersign/verify/express';
import * as forFastify from '@countersign/verify/fastify';
import * as forHono from '@countersign/verify/hono';
import * as forNext from '@countersign/verify/next';
import { CSRF, newWorld } from './world.js';

/** An app with the routes /me, /notes and /articles, and how to ask it. */
const FRAMEWORKS = {
  express: inExpress,
  fastify: inFastify,
  hono: inHono,
  next: inNext,
  'next api': inNextApi,
};

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: who is signed in is let in, and nobody else`, async (t) => {
    const world = await newWorld();
    const ask = await start(t, world);
    const token = await world.token();
    assert.deepEqual(await (await ask('GET', '/me', { token })).json(), { user: '7' });
    const refused = await ask('GET', '/me', {});
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
    assert.match(refused.headers.get('content-type'), /^application\/problem\+json/);
    assert.equal(refused.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await refused.json(), {
      type: 'urn:countersign:problem:not_authenticated',
      title: 'Not authenticated',
      status: 401,
      detail: 'Log in, and send the access token as `Authorization: Bearer`.',
      code: 'not_authenticated',
    });
    assert.equal((await ask('GET', '/me', { token: 'nonsense' })).status, 401);
    world.ended.push('00000000000000ff');
    await world.tick();
    const ended = await ask('GET', '/me', { token });
    assert.equal((await ended.json()).code, 'session_revoked');
  });

  test(`${name}: a cookie session writes with its CSRF token`, async (t) => {
    const world = await newWorld();
    const ask = await start(t, world);
    const token = await world.cookie();
    const refused = await ask('POST', '/notes', { token });
    assert.equal(refused.status, 403);
    assert.equal((await refused.json()).code, 'csrf_failed');
    const wrong = await ask('POST', '/notes', { token, headers: { 'x-csrftoken': 'zoë' } });
    assert.equal(wrong.status, 403);
    const right = { token, headers: { 'X-CSRFToken': CSRF } };
    assert.equal((await ask('POST', '/notes', right)).status, 201);
    assert.equal((await ask('POST', '/notes', { token: await world.token() })).status, 201);
  });

  test(`${name}: a route asks for a permission`, async (t) => {
    const world = await newWorld({ groups: { editors: ['articles.publish'] } });
    const ask = await start(t, world);
    const lacking = await ask('POST', '/articles', { token: await world.token() });
    assert.equal(lacking.status, 403);
    assert.match(
      (await lacking.json()).detail,
      /The permission that you lack: articles\.publish\.$/,
    );
    const token = await world.token({ groups: ['editors'] });
    assert.equal((await ask('POST', '/articles', { token })).status, 201);
    assert.equal((await ask('POST', '/articles', {})).status, 401);
  });

  test(`${name}: while the issuer is away, come back later`, async (t) => {
    const world = await newWorld();
    for (const path of ['/.well-known/jwks.json', '/.well-known/revocations'])
      world.instead.set(path, () => new Response(null, { status: 502 }));
    const ask = await start(t, world);
    const away = await ask('GET', '/me', { token: await world.token() });
    assert.equal(away.status, 503);
    assert.equal(away.headers.get('retry-after'), '1');
  });

  test(`${name}: a preflight passes where it is let through`, async (t) => {
    const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'POST' };
    for (const [preflights, expected] of [
      [false, 401],
      [true, 204],
    ]) {
      const world = await newWorld();
      const ask = await start(t, world, { preflights });
      assert.equal((await ask('OPTIONS', '/me', { headers })).status, expected);
      assert.equal((await ask('OPTIONS', '/me', {})).status, 401);
    }
  });
}

for (const name of ['express', 'fastify']) {
  test(`${name}: of two Authorization headers none counts`, async (t) => {
    const world = await newWorld();
    const ask = await FRAMEWORKS[name](t, world);
    const bearer = `Bearer ${await world.token()}`;
    // Node would keep the first alone.
    const answer = await raw(ask.port, ['Authorization', bearer, 'authorization', bearer]);
    assert.equal(answer.status, 401);
    assert.match(answer.body, /Send one Authorization header, not several/);
    assert.equal((await raw(ask.port, ['Authorization', bearer])).status, 200);
  });
}

test('where nobody need be logged in the identity is null', async (t) => {
  const world = await newWorld();
  const app = express();
  app.use(forExpress.protect(world.verifier, isAuthenticatedOrReadOnly));
  app.all('/', (request, response) => response.json({ who: request.identity?.user.id ?? null }));
  const ask = await listening(t, app);
  assert.deepEqual(await (await ask('GET', '/', {})).json(), { who: null });
  assert.equal((await ask('POST', '/', {})).status, 401);
  const token = await world.token();
  assert.deepEqual(await (await ask('GET', '/', { token })).json(), { who: '7' });
  const open = forNext.protect(world.verifier)(
    (_, { identity }) => Response.json({ who: identity?.user.id ?? null }),
    allowAny,
  );
  assert.deepEqual(await (await open(new Request('http://x/'), {})).json(), { who: null });
});

test('a route that asks for a permission outside of protect is closed, and says why', async (t) => {
  const app = express();
  app.get('/', forExpress.requires(isStaff), (_, response) => response.json({}));
  const refused = await (await listening(t, app))('GET', '/', {});
  assert.equal(refused.status, 401);
  assert.match((await refused.json()).detail, /not behind `protect`/);
  const hono = new Hono().get('/', forHono.requires(isStaff), (c) => c.json({}));
  assert.equal((await hono.request('/')).status, 401);
});

const told = (world, options) => ({ ...world.options, ...options });

async function inExpress(t, world, options) {
  const app = express();
  app.use(forExpress.protect(world.verifier, undefined, options));
  app.options('/me', (_, response) => response.status(204).end());
  app.get('/me', (request, response) => response.json({ user: request.identity.user.id }));
  app.post('/notes', (_, response) => response.status(201).end());
  const mayPublish = forExpress.requires(hasPerm('articles.publish'));
  app.post('/articles', mayPublish, (_, response) => response.status(201).end());
  return listening(t, app);
}

async function listening(t, app) {
  const server = http.createServer(app).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return asking(server.address().port);
}

async function inFastify(t, world, options) {
  const app = fastify();
  t.after(() => app.close());
  await app.register(forFastify.protect, { verifier: world.verifier, ...options });
  app.options('/me', (_, reply) => reply.code(204).send());
  app.get('/me', (request) => ({ user: request.identity.user.id }));
  app.post('/notes', (_, reply) => reply.code(201).send());
  const preHandler = forFastify.requires(hasPerm('articles.publish'));
  app.post('/articles', { preHandler }, (_, reply) => reply.code(201).send());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return asking(app.server.address().port);
}

async function inHono(_, world, options) {
  const app = new Hono();
  app.use(forHono.protect(world.verifier, undefined, options));
  app.options('/me', (c) => c.body(null, 204));
  app.get('/me', (c) => c.json({ user: c.get('identity').user.id }));
  app.post('/notes', (c) => c.body(null, 201));
  app.post('/articles', forHono.requires(hasPerm('articles.publish')), (c) => c.body(null, 201));
  return async (method, path, more) => app.request(path, init(method, more));
}

async function inNext(_, world, options) {
  const signedIn = forNext.protect(world.verifier, options);
  const made = () => new Response(null, { status: 201 });
  const routes = {
    'GET /me': signedIn((_, { identity, params }) =>
      Response.json({ user: identity.user.id, ...params }),
    ),
    'OPTIONS /me': signedIn(() => new Response(null, { status: 204 })),
    'POST /notes': signedIn(made),
    'POST /articles': signedIn(made, hasPerm('articles.publish')),
  };
  return (method, path, more) =>
    routes[`${method} ${path}`](new Request(`http://app.example${path}`, init(method, more)), {});
}

async function inNextApi(t, world, options) {
  const signedIn = forNext.protectApi(told(world), options);
  const status = (code) => (_, response) => {
    response.statusCode = code;
    response.end();
  };
  const routes = {
    'GET /me': signedIn((request, response) =>
      response.end(JSON.stringify({ user: request.identity.user.id })),
    ),
    'OPTIONS /me': signedIn(status(204)),
    'POST /notes': signedIn(status(201)),
    'POST /articles': signedIn(status(201), hasPerm('articles.publish')),
  };
  return listening(t, (request, response) =>
    routes[`${request.method} ${request.url}`](request, response),
  );
}

const init = (method, { token, headers = {} }) => ({
  method,
  headers: {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    // Headers are Latin-1 there.
    ...headers,
  },
});

const asking = (port) =>
  Object.assign(
    (method, path, more) => fetch(`http://127.0.0.1:${port}${path}`, init(method, more)),
    {
      port,
    },
  );

/** A request whose headers are sent as they are given. */
const raw = (port, headers) =>
  new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', path: '/me' }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part) => (body += part));
      answer.on('end', () => resolve({ status: answer.statusCode, body }));
    });
    request.on('error', reject);
    // Node itself joins what is set by name.
    request._storeHeader(`GET /me HTTP/1.1\r\n`, ['Host', 'x', 'Connection', 'close', ...headers]);
    request.end();
  });
