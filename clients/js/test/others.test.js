// What was asked for as one user is never done as another, and every failure is one kind of error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import axios, { AxiosHeaders } from 'axios';
import { attach } from '../src/axios.js';
import { CountersignError } from '../src/index.js';
import { createNativeClient } from '../src/native.js';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';
const bertha = { username: 'bertha', password: 'right' };
const byWhom = (w, path = '/api/x') =>
  w.server.requests
    .filter((request) => request.path === path)
    .map(
      ({ headers }) =>
        w.server.tokens.get(headers.get('Authorization')?.slice(7))?.session.user.username,
    );

/** An answer that waits until it is let go; the server acts when it comes. */
function held(w, path) {
  let go;
  w.server.next(path, async (request, handle) => {
    await new Promise((resolve) => (go = resolve));
    return handle();
  });
  return () => go();
}

test('a_write_that_was_refused_is_not_sent_again_as_who_logged_in_meanwhile', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const go = held(w, '/api/x');
  const write = client.fetch(API, { method: 'PATCH', body: '{"name": "Alice"}' });
  await w.run(0);
  [...w.server.sessions.values()][0].ended = { code: 'session_revoked', reason: 'replaced' };
  await w.settle(client.login(bertha));
  go();
  assert.equal((await w.settle(write)).status, 401);
  assert.deepEqual(byWhom(w), ['alice']);
});

test('the_same_by_axios_and_by_the_clients_own_requests', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const api = axios.create({
    baseURL: HOST,
    adapter: async (config) => {
      const answer = await w.server.fetch(
        new Request(axios.getUri(config), {
          method: config.method.toUpperCase(),
          body: config.data,
          headers: config.headers.toJSON(),
        }),
        w.browser.jar,
      );
      const headers = AxiosHeaders.from(Object.fromEntries(answer.headers));
      const response = { data: '', status: answer.status, headers, config };
      if (answer.ok) return response;
      throw new axios.AxiosError('refused', undefined, config, {}, response);
    },
  });
  attach(api, client);
  const go = [held(w, '/api/x'), held(w, '/accounts/profile')];
  const writes = [api.patch('/api/x', {}), client.updateProfile({ first_name: 'Alice' })];
  for (const write of writes) write.catch(() => {});
  await w.run(0);
  [...w.server.sessions.values()][0].ended = { code: 'session_revoked', reason: 'replaced' };
  await w.settle(client.login(bertha));
  go.forEach((one) => one());
  await assert.rejects(w.settle(writes[0]), (error) => error.response.status === 401);
  await assert.rejects(w.settle(writes[1]), { code: 'session_revoked' });
  assert.deepEqual(byWhom(w), ['alice']);
  assert.deepEqual(byWhom(w, '/accounts/profile'), ['alice']);
  assert.equal(client.user.first_name, undefined);
});

test('a_request_that_waits_for_a_refresh_is_not_sent_as_whose_the_cookie_is_by_then', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const other = w.tab({ env: { BroadcastChannel: undefined } });
  await w.settle(other.client.login(bertha));
  w.clock.sleep(400_000);
  await assert.rejects(w.settle(client.fetch(API, { method: 'POST' })), {
    code: 'session_changed',
    status: 0,
  });
  await w.run(0);
  assert.deepEqual(byWhom(w), []);
  assert.equal(client.user.username, 'bertha');
  assert.equal((await w.settle(client.fetch(API, { method: 'POST' }))).status, 200);
});

test('who_takes_anothers_place_is_told_as_an_end_and_a_beginning', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  const states = [];
  other.client.onChange(() => states.push(other.client.state));
  await w.settle(tab.client.login(bertha));
  for (const { changes } of [tab, other])
    assert.deepEqual(
      changes.map(({ type, code, user }) => [type, code ?? user.username]),
      [
        ['signed_in', 'alice'],
        ['signed_out', 'session_changed'],
        ['signed_in', 'bertha'],
      ],
    );
  assert.deepEqual(
    states.map(({ status, user }) => [status, user?.username]),
    [
      ['signed_out', undefined],
      ['signed_in', 'bertha'],
    ],
  );
});

test('the_same_user_anew_is_no_end', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  assert.deepEqual(
    changes.map(({ type }) => type),
    ['signed_in', 'signed_in'],
  );
});

test('a_late_refusal_of_an_older_token_of_the_session_is_tried_again', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const go = held(w, '/api/x');
  const write = client.fetch(API, { method: 'POST' });
  await w.run(0);
  for (let i = 0; i < 5; i++) await w.settle(client.refresh());
  w.clock.real += 290_000;
  await w.settle(client.refresh());
  w.clock.real += 20_000;
  go();
  assert.equal((await w.settle(write)).status, 200);
  assert.deepEqual(byWhom(w), ['alice', 'alice']);
  assert.equal(w.server.count(REFRESH), 6);
});

test('two_processes_of_an_app_share_a_storage_and_notice_a_change_of_the_user', async () => {
  const w = world();
  const kept = new Map();
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) => kept.set(name, value),
    remove: (name) => kept.delete(name),
  };
  const native = { make: createNativeClient, options: { storage } };
  const one = await w.signedIn(native);
  const two = w.tab(native);
  await w.settle(two.client.restore());
  await w.settle(one.client.refresh());
  const types = () => one.changes.map(({ type }) => type);
  assert.deepEqual(types(), ['signed_in', 'refreshed'], 'the same session, refreshed elsewhere');
  await w.settle(two.client.login(bertha));
  await w.settle(one.client.refresh());
  assert.deepEqual(types(), ['signed_in', 'refreshed', 'signed_out', 'signed_in']);
  assert.equal(one.client.user.username, 'bertha');
});

test('every_failure_is_a_countersign_error_and_says_what_it_came_from', async () => {
  const w = world();
  const offline = new TypeError('offline');
  const tab = await w.signedIn();
  const kinds = {
    'no network': [() => Promise.reject(offline), 'no_answer', offline],
    'no JSON': [() => new Response('<h1>Welcome</h1>'), 'no_answer'],
    'another JSON': [() => new Response('{}'), 'no_answer'],
    'a proxy': [() => new Response('<h1>Busy</h1>', { status: 413 }), undefined],
  };
  for (const [name, [step, code, cause]] of Object.entries(kinds)) {
    w.server.next('/accounts/login', step);
    await assert.rejects(w.settle(tab.client.login(bertha)), (error) => {
      assert.ok(error instanceof CountersignError, name);
      assert.equal(error.code, code, name);
      assert.equal(error.status, code ? 0 : 413, name);
      if (cause) assert.equal(error.cause, cause, name);
      return true;
    });
  }
  w.server.next('/accounts/login', () => new Promise(() => {}));
  await assert.rejects(w.settle(tab.client.login(bertha)), {
    code: 'no_answer',
    message: 'The server did not answer in time.',
  });
  const storage = {
    get: () => null,
    set: () => Promise.reject(new Error('locked')),
    remove: () => {},
  };
  const native = w.tab({ make: createNativeClient, options: { storage } });
  await assert.rejects(w.settle(native.client.login(bertha)), (error) => {
    assert.ok(error instanceof CountersignError);
    assert.deepEqual([error.code, error.cause.message], ['storage_failed', 'locked']);
    return true;
  });
});

test('a_developer_is_told_once_of_an_origin_that_gets_no_token', async (t) => {
  const w = world();
  const said = [];
  t.mock.method(console, 'warn', (text) => said.push(text));
  for (const development of [false, true]) {
    const { client } = await w.signedIn({ env: { development } });
    for (let i = 0; i < 2; i++) await w.settle(client.fetch('https://other.example/x'));
    await w.settle(client.fetch(API));
  }
  assert.deepEqual(said, [
    'Countersign sends no token to https://other.example: it is not one of `apiOrigins`.',
  ]);
});
