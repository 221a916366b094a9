import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codes, endings } from '../scripts/codes.mjs';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';
const offline = () => Promise.reject(new TypeError('fetch failed'));

test('the_refresh_comes_at_a_random_moment_of_the_last_minute', async () => {
  for (const [random, second] of [
    [0, 233],
    [0.25, 248],
    [0.999, 293],
  ]) {
    const w = world();
    await w.signedIn({ env: { random: () => random } });
    const began = w.clock.monotonic;
    await w.run((second - 1) * 1000);
    assert.equal(w.server.count(REFRESH), 0, `${random}`);
    await w.run(2000);
    assert.equal(w.server.count(REFRESH), 1, `${random}`);
    const at = w.server.requests.find(({ path }) => path === REFRESH).at - began;
    assert.ok(at >= 233_000 && at < 300_000, `${at}`);
  }
});

test('the_moment_is_drawn_anew_each_time_from_a_source_that_cannot_be_guessed', async (t) => {
  const w = world();
  const drawn = [];
  t.mock.method(globalThis.crypto, 'getRandomValues', (array) => {
    array[0] = 2 ** 32 * [0.25, 0.75, 0.5][drawn.length];
    drawn.push(w.clock.monotonic);
    return array;
  });
  await w.signedIn({ real: ['random'] });
  await w.run(500_000);
  const at = w.server.requests.filter(({ path }) => path === REFRESH).map(({ at }) => at);
  assert.equal(drawn.length, 2);
  assert.equal(Math.round((at[0] - drawn[0]) / 1000), 248);
  await w.run(100_000);
  assert.equal(drawn.length, 3);
  assert.equal(
    Math.round((w.server.requests.filter(({ path }) => path === REFRESH)[1].at - drawn[1]) / 1000),
    278,
  );
});

test('a_short_life_is_not_given_away', async () => {
  const w = world({ lifetime: 10 });
  await w.signedIn({ env: { random: () => 0 } });
  await w.run(4300);
  assert.equal(w.server.count(REFRESH), 0);
  await w.run(200);
  assert.equal(w.server.count(REFRESH), 1);
});

test('a_life_of_a_second_does_not_become_a_storm', async () => {
  const w = world({ lifetime: 1 });
  await w.signedIn();
  await w.run(10_000);
  assert.ok(
    w.server.count(REFRESH) >= 5 && w.server.count(REFRESH) <= 10,
    `${w.server.count(REFRESH)}`,
  );
});

test('a_long_life_does_not_overflow_the_timer', async () => {
  const w = world({ lifetime: 60 * 86_400 });
  await w.signedIn({
    env: { setTimeout: (callback, ms) => w.clock.setTimeout(callback, ms > 2 ** 31 - 1 ? 1 : ms) },
  });
  await w.run(40 * 86_400_000);
  assert.equal(w.server.count(REFRESH), 0);
});

test('a_page_that_nobody_sees_waits_until_it_is_looked_at', async () => {
  const w = world();
  const tab = await w.signedIn();
  tab.show(false);
  await w.run(3_600_000);
  assert.equal(w.server.count(REFRESH), 0);
  tab.show(true);
  await w.run(0);
  assert.equal(w.server.count(REFRESH), 1);
  assert.deepEqual(
    tab.changes.map(({ type }) => type),
    ['signed_in', 'refreshed'],
  );
});

test('a_hidden_page_that_asks_in_the_last_minute_gets_its_answer_at_once_and_refreshes_beside', async () => {
  const w = world();
  const tab = await w.signedIn();
  tab.show(false);
  await w.run(280_000);
  let answer;
  w.server.next(
    REFRESH,
    (request, handle) => new Promise((resolve) => (answer = () => resolve(handle()))),
  );
  assert.equal((await w.settle(tab.client.fetch(API))).status, 200);
  assert.equal(w.server.count(REFRESH), 1);
  answer();
  await w.run(0);
  assert.equal(tab.changes.at(-1).type, 'refreshed');
});

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

test('a_clock_that_is_years_off_changes_nothing', async () => {
  for (const years of [-30, 30]) {
    const w = world();
    w.clock.wall += years * 365 * 86_400_000;
    const { client } = await w.signedIn();
    await w.settle(client.fetch(API));
    assert.equal(w.server.count(REFRESH), 0);
    assert.ok(client.expiresIn > 290_000 && client.expiresIn <= 300_000);
    await w.run(260_000);
    await w.run(40_000);
    assert.equal(w.server.count(REFRESH), 1);
  }
});

test('a_clock_that_is_set_back_does_not_make_a_token_live_longer', async () => {
  const w = world();
  const tab = await w.signedIn();
  tab.show(false);
  w.clock.wall -= 86_400_000;
  await w.run(301_000);
  assert.equal(tab.client.expiresIn, 0);
  assert.equal((await w.settle(tab.client.fetch(API))).status, 200);
  assert.equal(
    w.server.requests.filter(({ path }) => path === '/api/x').length,
    1,
    'no request with the expired token',
  );
});

test('a_machine_that_slept_past_expiry_refreshes_before_it_asks', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(8 * 3_600_000);
  assert.equal(client.expiresIn, 0);
  assert.equal((await w.settle(client.fetch(API))).status, 200);
  assert.deepEqual(
    w.server.requests.slice(1).map(({ path }) => path),
    [REFRESH, '/api/x'],
  );
});

test('a_machine_that_wakes_up_refreshes_by_itself', async () => {
  const w = world();
  const tab = await w.signedIn();
  w.clock.sleep(8 * 3_600_000);
  tab.events.dispatchEvent(new Event('online'));
  await w.run(0);
  assert.equal(w.server.count(REFRESH), 1);
});

test('a_slow_answer_makes_the_life_shorter_never_longer', async () => {
  const w = world();
  const { client } = w.tab();
  w.server.next('/accounts/login', async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => w.clock.setTimeout(resolve, 20_000));
    return answer;
  });
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  assert.ok(client.expiresIn <= 280_000, `${client.expiresIn}`);
});

test('a_slow_answer_to_a_refresh_likewise', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.next(REFRESH, async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => w.clock.setTimeout(resolve, 20_000));
    return answer;
  });
  await w.settle(client.refresh());
  assert.ok(client.expiresIn <= 280_000, `${client.expiresIn}`);
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
    ['/accounts/csrf', (signal) => tab.client.restore({ signal })],
    ['/accounts/csrf', (signal) => tab.client.refresh({ signal })],
    ['/accounts/csrf', (signal) => tab.client.logout({ signal })],
  ]) {
    w.server.next(path, () => new Promise(() => {}));
    const stop = new AbortController();
    const promise = start(stop.signal);
    await w.run(0);
    stop.abort();
    await assert.rejects(w.settle(promise, 1000), { name: 'AbortError' }, path);
  }
});

test('restore_without_a_network_is_no_sign_out_and_goes_on_by_itself', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client, changes } = w.tab();
  const back = w.server.always('/accounts/csrf', offline);
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
