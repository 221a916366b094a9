// What React Native has in the place of Node's own: `whatwg-fetch`, `abort-controller`, whose
// signals know no reason, a `URL` that nobody should rely on, and no `DOMException`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbortController, AbortSignal } from 'abort-controller';
import { createReactNativeClient } from '../src/react-native.js';
import { HOST, world } from './world.js';

const own = ['AbortController', 'AbortSignal', 'Request', 'URL'];
const node = Object.fromEntries(own.map((name) => [name, globalThis[name]]));
for (const name of ['fetch', 'Headers', 'Request', 'Response', 'DOMException', 'crypto'])
  Object.defineProperty(globalThis, name, { value: undefined, writable: true });
const { Headers, Request, Response } = await import('whatwg-fetch');
class URL {
  constructor() {
    throw new Error('URL is not implemented');
  }
}
const polyfills = { AbortController, AbortSignal, Headers, Request, Response, URL };
Object.assign(globalThis, polyfills);

/** The network, as these polyfills see it. */
function network(w, seen) {
  return (input, init) => {
    const request = new Request(input, init);
    seen.push(request);
    const aborted = new Promise((_, reject) =>
      request.signal?.addEventListener('abort', () =>
        reject(Object.assign(new Error('Aborted'), { name: 'AbortError' })),
      ),
    );
    return Promise.race([answered(w, request, init?.credentials), aborted]);
  };
}

async function answered(w, request, credentials) {
  const { method, url } = request;
  const body = /GET|HEAD/.test(method) ? undefined : await request.text();
  const headers = {};
  request.headers.forEach((value, name) => (headers[name] = value));
  // Node's own Request is made of what else is global.
  Object.assign(globalThis, node);
  const sent = new node.Request(url, { method, headers, body });
  Object.assign(globalThis, polyfills);
  const answer = await w.server.fetch(sent, w.browser.jar, credentials);
  const { status } = answer;
  return new Response(status === 204 ? null : await answer.text(), {
    status,
    headers: Object.fromEntries(answer.headers),
  });
}

function app(w) {
  const kept = new Map();
  const seen = [];
  const tab = w.tab({
    make: createReactNativeClient,
    env: { fetch: network(w, seen) },
    real: ['absolute', 'BroadcastChannel', 'locks', 'visible', 'events', 'random'],
    options: {
      storage: {
        get: async (name) => kept.get(name) ?? null,
        set: async (name, value) => void kept.set(name, value),
        remove: async (name) => void kept.delete(name),
      },
      AppState: { currentState: 'active', addEventListener: () => ({ remove() {} }) },
    },
  });
  return { ...tab, seen };
}

const credentials = { username: 'alice', password: 'right' };

test('an_app_logs_in_asks_writes_refreshes_and_logs_out', async () => {
  const w = world();
  const { client, seen, changes } = app(w);
  assert.equal((await w.settle(client.login(credentials))).username, 'alice');
  assert.equal((await w.settle(client.fetch('/api/x'))).status, 200);
  const body = JSON.stringify({ a: 'ä' });
  const answer = await w.settle(client.fetch(`${HOST}/api/x`, { method: 'POST', body }));
  assert.equal((await answer.json()).body, body);
  w.server.tokens.clear();
  const again = await w.settle(client.fetch(`${HOST}/api/x`, { method: 'PUT', body }));
  assert.equal((await again.json()).body, body, 'sent once more with the same body');
  assert.equal(seen.at(-1).method, 'PUT');
  await w.settle(client.updateProfile({ first_name: 'Alice' }));
  assert.equal(client.user.first_name, 'Alice');
  assert.equal((await w.settle(client.sessions())).length, 1);
  await w.settle(client.fetch('https://elsewhere.example/x'));
  assert.equal(seen.at(-1).headers.get('Authorization'), null);
  await w.settle(client.logout());
  assert.deepEqual(
    changes.map(({ type }) => type),
    ['signed_in', 'refreshed', 'user', 'signed_out'],
  );
});

test('an_abort_and_a_server_that_hangs_are_told_apart', async () => {
  for (const [path, start] of [
    ['/accounts/refresh', ({ client }, signal) => client.refresh({ signal })],
    ['/accounts/profile', ({ client }, signal) => client.updateProfile({}, { signal })],
    ['/api/x', ({ client }, signal) => client.fetch('/api/x', { signal })],
  ]) {
    const w = world();
    const tab = app(w);
    await w.settle(tab.client.login(credentials));
    w.server.next(path, () => new Promise(() => {}));
    const stop = new AbortController();
    const asked = start(tab, stop.signal);
    await w.run(0);
    stop.abort();
    await assert.rejects(w.settle(asked, 1000), { name: 'AbortError' }, path);
    await assert.rejects(w.settle(start(tab, stop.signal), 1000), { name: 'AbortError' }, path);
  }
  const w = world();
  w.server.next('/accounts/login', () => new Promise(() => {}));
  await assert.rejects(w.settle(app(w).client.login(credentials)), {
    name: 'CountersignError',
    code: 'no_answer',
    message: 'The server did not answer in time.',
  });
});
