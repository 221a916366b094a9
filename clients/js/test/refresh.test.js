import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codes, endings } from '../scripts/codes.mjs';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';

test('ten_requests_with_an_expired_token_cost_one_refresh', async () => {
  const w = world();
  const tab = await w.signedIn();
  tab.show(false);
  await w.run(400_000);
  const responses = await w.settle(
    Promise.all(Array.from({ length: 10 }, () => tab.client.fetch(API))),
  );
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(w.server.count(REFRESH), 1);
  assert.equal(w.server.count('/api/x'), 10);
});

test('ten_requests_that_are_refused_at_once_cost_one_refresh', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.tokens.clear();
  const responses = await w.settle(
    Promise.all(Array.from({ length: 10 }, () => client.fetch(API))),
  );
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(w.server.count(REFRESH), 1);
});

test('an_expired_token_that_the_clocks_did_not_see_costs_one_refresh_and_one_replay', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.real += 400_000;
  const bodies = {
    text: 'a text',
    bytes: new Uint8Array([97, 32, 116, 101, 120, 116]),
    blob: new Blob(['a text']),
    params: new URLSearchParams('a=text'),
    stream: new Blob(['a text']).stream(),
  };
  for (const [kind, body] of Object.entries(bodies)) {
    w.clock.real += 400_000;
    w.clock.pass(40_000);
    const before = w.server.requests.length;
    const response = await w.settle(
      client.fetch(API, { method: 'POST', body, ...(kind === 'stream' && { duplex: 'half' }) }),
    );
    assert.equal(response.status, 200, kind);
    assert.equal((await response.json()).body, kind === 'params' ? 'a=text' : 'a text', kind);
    assert.deepEqual(
      w.server.requests.slice(before).map(({ path }) => path),
      ['/api/x', REFRESH, '/api/x'],
      kind,
    );
    w.clock.pass(40_000);
  }
  w.clock.real += 400_000;
  const request = new Request(API, { method: 'PUT', body: 'a text', headers: { 'X-Mine': '1' } });
  const response = await w.settle(client.fetch(request));
  assert.equal((await response.json()).body, 'a text');
  assert.equal(w.server.requests.at(-1).method, 'PUT');
  assert.equal(w.server.requests.at(-1).headers.get('X-Mine'), '1');
});

test('a_server_that_refuses_everything_never_makes_a_loop', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.always('/api/x', () => w.server.problem(401, 'token_invalid'));
  for (let i = 0; i < 20; i++) assert.equal((await w.settle(client.fetch(API))).status, 401);
  assert.equal(w.server.count('/api/x'), 21);
  assert.equal(w.server.count(REFRESH), 1);
  assert.equal(client.state.status, 'signed_in');
  await w.run(31_000);
  await w.settle(client.fetch(API));
  assert.equal(w.server.count(REFRESH), 2);
});

test('a_login_waits_for_the_refresh_before_it_so_that_no_late_cookie_takes_the_new_ones_place', async () => {
  const w = world();
  const { client } = await w.signedIn({ env: { locks: undefined } });
  let answer;
  w.server.next(
    REFRESH,
    (request, handle) => new Promise((resolve) => (answer = () => resolve(handle()))),
  );
  const refresh = client.refresh();
  const login = client.login({ username: 'bertha', password: 'right' });
  await w.run(1000);
  assert.equal(w.server.count('/accounts/login'), 1);
  answer();
  await w.settle(refresh);
  assert.equal((await w.settle(login)).username, 'bertha');
  assert.equal(client.user.username, 'bertha');
});

test('only_an_explicit_ending_signs_out_and_each_says_why', async () => {
  for (const { code, status } of codes().filter(({ status }) => status === 'UNAUTHORIZED')) {
    const w = world();
    const { client, changes } = await w.signedIn();
    w.server.next(REFRESH, () =>
      w.server.problem(401, code, code === 'session_revoked' ? { reason: 'password_changed' } : {}),
    );
    const ends = endings().includes(code);
    const refresh = w.settle(client.refresh());
    if (ends) assert.equal(await refresh, undefined, code);
    else await assert.rejects(refresh, { code });
    assert.equal(client.state.status, ends ? 'signed_out' : 'signed_in', code);
    if (ends)
      assert.deepEqual(changes.at(-1), {
        type: 'signed_out',
        code,
        reason: code === 'session_revoked' ? 'password_changed' : undefined,
      });
    assert.equal(status, 'UNAUTHORIZED');
  }
});

test('a_session_that_was_ended_elsewhere_is_noticed_with_the_next_request', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  w.server.end([...w.server.sessions.values()][0], 'session_revoked', 'admin');
  const response = await w.settle(client.fetch(API));
  assert.equal(response.status, 401);
  assert.equal((await response.json()).code, 'session_revoked');
  assert.deepEqual(changes.at(-1), {
    type: 'signed_out',
    code: 'session_revoked',
    reason: 'admin',
  });
  assert.deepEqual(
    w.server.requests.slice(1).map(({ path }) => path),
    ['/api/x', REFRESH],
  );
});

test('a_request_after_the_end_goes_out_without_a_token_and_asks_nothing_else', async () => {
  const w = world();
  const { client, seen } = await w.signedIn();
  await w.settle(client.logout());
  const before = w.server.requests.length;
  assert.equal((await w.settle(client.fetch(API, { method: 'POST' }))).status, 401);
  assert.equal(w.server.requests.length, before + 1);
  assert.equal(seen.at(-1).headers.get('Authorization'), null);
  assert.equal(seen.at(-1).headers.get('X-CSRFTOKEN'), null);
});

test('an_abort_ends_the_waiting_of_its_request_and_of_no_other', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(400_000);
  let answer;
  w.server.next(
    REFRESH,
    (request, handle) => new Promise((resolve) => (answer = () => resolve(handle()))),
  );
  const stop = new AbortController();
  const one = client.fetch(API, { signal: stop.signal });
  const other = client.fetch(API);
  await w.run(0);
  stop.abort();
  await assert.rejects(w.settle(one), { name: 'AbortError' });
  answer();
  assert.equal((await w.settle(other)).status, 200);
  assert.equal(w.server.count(REFRESH), 1);
  assert.equal(w.server.count('/api/x'), 1);
});

test('an_abort_is_honoured_before_during_and_between_the_two_tries', async () => {
  const w = world();
  const { client } = await w.signedIn();
  await assert.rejects(
    w.settle(client.fetch(API, { signal: AbortSignal.abort(new Error('no longer wanted')) })),
    { message: 'no longer wanted' },
  );
  assert.equal(w.server.requests.length, 1);

  const during = new AbortController();
  w.server.next('/api/x', () => new Promise(() => {}));
  const first = client.fetch(API, { signal: during.signal });
  await w.run(0);
  during.abort();
  await assert.rejects(w.settle(first), { name: 'AbortError' });

  const between = new AbortController();
  w.clock.real += 400_000;
  w.server.next(REFRESH, () => new Promise(() => {}));
  const second = client.fetch(API, { signal: between.signal });
  await w.run(0);
  assert.equal(w.server.count(REFRESH), 1);
  between.abort();
  await assert.rejects(w.settle(second), { name: 'AbortError' });
});

test('login_logout_restore_and_refresh_can_be_aborted', async () => {
  const w = world();
  const tab = w.tab();
  for (const [path, start] of [
    [
      '/accounts/login',
      (signal) => tab.client.login({ username: 'alice', password: 'right' }, { signal }),
    ],
    ['/accounts/session', (signal) => tab.client.restore({ signal })],
    ['/accounts/session', (signal) => tab.client.refresh({ signal })],
    ['/accounts/session', (signal) => tab.client.logout({ signal })],
  ]) {
    w.server.next(path, () => new Promise(() => {}));
    const stop = new AbortController();
    const promise = start(stop.signal);
    await w.run(0);
    stop.abort();
    await assert.rejects(w.settle(promise, 1000), { name: 'AbortError' }, path);
  }
});

test('a_401_that_wants_the_password_again_costs_no_refresh', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.next('/api/x', () =>
    w.server.problem(
      401,
      'recent_login_required',
      {},
      { 'WWW-Authenticate': 'Bearer error="insufficient_user_authentication"' },
    ),
  );
  const response = await w.settle(client.fetch(API));
  assert.equal((await response.json()).code, 'recent_login_required');
  assert.equal(w.server.count(REFRESH), 0);
});
