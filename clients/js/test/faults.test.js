import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';
const offline = () => Promise.reject(new TypeError('fetch failed'));

test('faults_keep_the_session_and_the_next_try_goes_on', async () => {
  const faults = {
    offline,
    500: (w) => w.server.problem(500, 'internal_error'),
    503: (w) => w.server.problem(503, 'unavailable'),
    '502 of a proxy': () => new Response('<h1>Bad gateway</h1>', { status: 502 }),
    408: (w) => w.server.problem(408, 'request_timeout'),
    429: (w) => w.server.problem(429, 'throttled'),
    'an answer that breaks off': () => new Response('{"access_token": "ab'),
    "a hotel's page": () => new Response('<h1>Welcome</h1>'),
    'JSON of somebody else': () => new Response('{"ok": true}'),
    'JSON that is null': () => new Response('null'),
  };
  for (const [name, fault] of Object.entries(faults)) {
    const w = world();
    const tab = await w.signedIn();
    const { access } = { access: await tab.client.accessToken() };
    w.server.next(
      REFRESH,
      () => fault(w),
      () => fault(w),
    );
    await w.run(310_000);
    assert.equal(w.server.count(REFRESH), 3, name);
    assert.deepEqual(
      tab.changes.map(({ type }) => type),
      ['signed_in', 'refreshed'],
      name,
    );
    assert.notEqual(await tab.client.accessToken(), access, name);
  }
});

test('a_401_that_is_not_the_servers_own_ends_nothing', async () => {
  for (const [status, body] of [
    [401, '<h1>Proxy login</h1>'],
    [401, '{"code": "something_else"}'],
    [401, '{}'],
    [403, '{"code": "session_revoked"}'],
  ]) {
    const w = world();
    const { client } = await w.signedIn();
    w.server.next(REFRESH, () => new Response(body, { status }));
    await assert.rejects(w.settle(client.refresh()), { status });
    assert.equal(client.state.status, 'signed_in');
  }
});

test('a_fault_during_a_refresh_ahead_of_time_does_not_hold_up_requests', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.always(REFRESH, offline);
  await w.run(275_000);
  assert.ok(w.server.count(REFRESH) > 1);
  assert.equal((await w.settle(client.fetch(API))).status, 200);
});

test('offline_for_an_hour_backs_off_and_goes_on_when_the_network_is_back', async () => {
  const w = world();
  const tab = await w.signedIn();
  const back = w.server.always(REFRESH, offline);
  await w.run(300_000);
  const before = w.server.count(REFRESH);
  await w.run(3_600_000);
  const tries = w.server.count(REFRESH) - before;
  assert.ok(tries >= 100 && tries <= 260, `${tries} tries in an hour`);
  await assert.rejects(w.settle(tab.client.fetch(API), 3000), (error) => {
    assert.equal(error.code, 'no_answer');
    assert.equal(error.cause.message, 'fetch failed');
    return true;
  });
  assert.equal(tab.client.state.status, 'signed_in');
  back();
  tab.events.dispatchEvent(new Event('online'));
  await w.run(0);
  assert.equal(tab.changes.at(-1).type, 'refreshed');
});

test('an_app_that_asks_all_the_time_does_not_make_more_tries', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(400_000);
  w.server.always(REFRESH, () => w.server.problem(503, 'unavailable'));
  for (let i = 0; i < 600; i++) {
    await assert.rejects(w.settle(client.fetch(API), 10_000), { code: 'unavailable' });
    await w.run(50);
  }
  assert.ok(w.server.count(REFRESH) < 20, `${w.server.count(REFRESH)}`);
  assert.equal(w.server.count('/api/x'), 0);
});

test('retry_after_is_honoured', async () => {
  for (const status of [429, 503]) {
    const w = world();
    const tab = await w.signedIn();
    w.server.next(REFRESH, () =>
      w.server.problem(status, 'throttled', {}, { 'Retry-After': '90' }),
    );
    await assert.rejects(w.settle(tab.client.refresh()), { retryAfter: 90 });
    // Neither a user who insists nor a network that comes back changes that.
    await assert.rejects(w.settle(tab.client.refresh()), { retryAfter: 90 });
    tab.events.dispatchEvent(new Event('online'));
    tab.show(true);
    await w.run(88_000);
    assert.equal(w.server.count(REFRESH), 1);
    assert.equal(tab.client.state.status, 'signed_in');
    await w.run(3_000);
    assert.equal(w.server.count(REFRESH), 2);
    assert.equal(tab.changes.at(-1).type, 'refreshed');
  }
});

test('a_device_that_has_to_prove_itself_is_waited_for_and_one_that_cannot_ends_the_session', async () => {
  for (const code of ['device_proof_stale', 'device_proof_skipped']) {
    const w = world();
    const { client } = await w.signedIn();
    w.clock.sleep(400_000);
    w.server.next(REFRESH, () => w.server.problem(503, code, {}, { 'Retry-After': '1' }));
    assert.equal((await w.settle(client.fetch(API))).status, 200);
    assert.equal(w.server.count(REFRESH), 2);
    assert.equal(client.state.status, 'signed_in');
  }
  const w = world();
  const { client, changes } = await w.signedIn();
  w.clock.sleep(400_000);
  w.server.next(REFRESH, () => w.server.problem(401, 'session_unproved'));
  await w.settle(client.fetch(API).catch(() => undefined));
  assert.equal(client.state.status, 'signed_out');
  assert.equal(changes.at(-1).code, 'session_unproved');
});

test('a_short_retry_after_is_waited_for', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(400_000);
  w.server.next(REFRESH, () => w.server.problem(503, 'unavailable', {}, { 'Retry-After': '1' }));
  assert.equal((await w.settle(client.fetch(API))).status, 200);
  const [first, second] = w.server.requests.filter(({ path }) => path === REFRESH);
  assert.ok(second.at - first.at >= 1000);
});

test('whoever_asks_waits_for_the_second_try_when_the_first_had_a_passing_fault', async () => {
  for (const status of [408, 429, 500, 503]) {
    const w = world();
    const { client } = await w.signedIn();
    w.server.next(REFRESH, () => w.server.problem(status, 'unavailable'));
    assert.ok(await w.settle(client.refresh()), `${status}`);
  }
});

test('ten_requests_share_the_tries_as_well', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(400_000);
  w.server.always(REFRESH, offline);
  const results = await w.settle(
    Promise.allSettled(Array.from({ length: 10 }, () => client.fetch(API))),
  );
  assert.ok(
    results.every(
      ({ status, reason }) => status === 'rejected' && reason.code === 'no_answer',
    ),
  );
  assert.ok(w.server.count(REFRESH) < 6, `${w.server.count(REFRESH)}`);
});

test('a_request_that_hangs_is_given_up_and_tried_again', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.next(REFRESH, () => new Promise(() => {}));
  const refresh = client.refresh();
  await w.run(29_000);
  assert.equal(w.server.count(REFRESH), 1);
  assert.ok(await w.settle(refresh));
  assert.equal(w.server.count(REFRESH), 2);
});

test('when_the_refresh_after_a_401_fails_the_401_is_the_answer_and_the_session_stays', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.real += 400_000;
  w.server.always(REFRESH, offline);
  const response = await w.settle(client.fetch(API));
  assert.equal(response.status, 401);
  assert.equal((await response.json()).code, 'token_expired');
  assert.equal(client.state.status, 'signed_in');
});

test('restore_without_a_network_is_no_sign_out_and_goes_on_by_itself', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client, changes } = w.tab();
  const back = w.server.always('/accounts/session', offline);
  await assert.rejects(w.settle(client.restore()), { code: 'no_answer', status: 0 });
  assert.equal(client.state.status, 'unknown');
  assert.deepEqual(changes, []);
  back();
  await w.run(60_000);
  assert.deepEqual(
    changes.map(({ type, user }) => [type, user.username]),
    [['signed_in', 'alice']],
  );
});
