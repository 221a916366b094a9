import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountersignError, createClient } from '../src/index.js';
import { surroundings } from '../src/surroundings.js';
import { BASE, HOST, world } from './world.js';

const credentials = { username: 'alice', password: 'right' };

test('a_login_makes_a_user_and_says_so', async () => {
  const w = world();
  const { client, changes } = w.tab();
  assert.equal(client.state.status, 'unknown');
  const user = await w.settle(client.login(credentials));
  assert.equal(user.username, 'alice');
  assert.equal(client.user, client.state.user);
  assert.equal(client.state.status, 'signed_in');
  assert.deepEqual(changes, [{ type: 'signed_in', user }]);
});

test('a_wrong_password_is_an_error_with_the_servers_code_and_changes_nothing', async () => {
  const w = world();
  const { client, changes } = w.tab();
  await assert.rejects(
    w.settle(client.login({ username: 'alice', password: 'wrong' })),
    (error) => {
      assert.ok(error instanceof CountersignError);
      assert.equal(error.status, 401);
      assert.equal(error.code, 'invalid_credentials');
      assert.equal(error.message, 'about invalid_credentials');
      return true;
    },
  );
  assert.equal(w.server.count('/accounts/login'), 1);
  assert.equal(client.state.status, 'unknown');
  assert.deepEqual(changes, []);
});

test('messages_about_fields_and_the_wait_come_with_the_error', async () => {
  const w = world();
  const { client } = w.tab();
  w.server.next('/accounts/login', () =>
    w.server.problem(400, 'validation_error', { errors: { username: ['Blank.'] } }),
  );
  await assert.rejects(w.settle(client.login(credentials)), {
    code: 'validation_error',
    errors: { username: ['Blank.'] },
  });
  w.server.next('/accounts/login', () =>
    w.server.problem(429, 'throttled', {}, { 'Retry-After': '17' }),
  );
  await assert.rejects(w.settle(client.login(credentials)), {
    code: 'throttled',
    retryAfter: 17,
    errors: {},
  });
  const date = new Date(w.clock.wall + 60_000).toUTCString();
  w.server.next(
    '/accounts/login',
    () => new Response('<h1>Busy</h1>', { status: 503, headers: { 'Retry-After': date } }),
  );
  await assert.rejects(w.settle(client.login(credentials)), {
    code: undefined,
    status: 503,
    retryAfter: 60,
  });
});

test('requests_carry_the_access_token_and_writes_the_csrf_token_too', async () => {
  const w = world();
  const { client, seen } = await w.signedIn();
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    await w.settle(client.fetch(`${HOST}/api/things`, { method }));
    const { headers } = seen.at(-1);
    assert.equal(headers.get('Authorization'), 'Bearer access-2', method);
    assert.equal(
      headers.get('X-CSRFTOKEN'),
      /GET|HEAD|OPTIONS/.test(method) ? null : client.csrfToken,
      method,
    );
  }
});

test('no_other_origin_ever_gets_a_token', async () => {
  const w = world();
  const { client, seen } = await w.signedIn({
    options: { apiOrigins: ['https://files.trusted.example/any/path'] },
  });
  const elsewhere = [
    'http://api.example.com/x',
    'https://api.example.com:444/x',
    'https://example.com/x',
    'https://api.example.com.evil.example/x',
    'https://evil.example/https://api.example.com/accounts',
    'https://more.files.trusted.example/x',
  ];
  for (const url of elsewhere) {
    for (const one of [url, new URL(url), new Request(url, { method: 'POST', body: 'x' })]) {
      await w.settle(client.fetch(one, { method: 'POST', body: 'x' }));
      assert.equal(seen.at(-1).headers.get('Authorization'), null, url);
      assert.equal(seen.at(-1).headers.get('X-CSRFTOKEN'), null, url);
    }
    assert.equal(client.trusts(url), false, url);
  }
  for (const url of [
    'https://api.example.com@evil.example/x',
    '//evil.example/x',
    'https://',
    'data:,x',
  ])
    assert.equal(client.trusts(url), false, url);
  await w.settle(client.fetch('https://files.trusted.example/x', { method: 'POST' }));
  assert.equal(seen.at(-1).headers.get('Authorization'), 'Bearer access-2');
  assert.ok(
    client.trusts(`${BASE}/profile`) && client.trusts(new URL('https://files.trusted.example')),
  );
});

test('an_origin_that_equals_others_cannot_be_trusted', () => {
  assert.throws(() => createClient({ baseUrl: 'capacitor://localhost/accounts' }), /http/);
  assert.throws(() => createClient({ baseUrl: BASE, apiOrigins: ['file:///index.html'] }), /http/);
});

test('a_header_that_the_caller_brings_is_left_alone', async () => {
  const w = world();
  const { client, seen } = await w.signedIn();
  const response = await w.settle(
    client.fetch(`${HOST}/api/x`, { method: 'POST', headers: { Authorization: 'Bearer mine' } }),
  );
  assert.equal(response.status, 401);
  assert.equal(seen.at(-1).headers.get('Authorization'), 'Bearer mine');
  assert.equal(w.server.count('/accounts/refresh'), 0);
});

test('fetch_before_restore_finds_the_session_by_itself', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client, changes } = w.tab();
  const response = await w.settle(client.fetch(`${HOST}/api/x`));
  assert.equal(response.status, 200);
  assert.equal(client.user.username, 'alice');
  assert.deepEqual(
    changes.map(({ type }) => type),
    ['signed_in'],
  );
});

test('a_reload_keeps_you_in_without_reading_a_cookie', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client, changes } = w.tab();
  const user = await w.settle(client.restore());
  assert.equal(user.username, 'alice');
  assert.deepEqual(
    w.server.requests.slice(1).map(({ path }) => path),
    ['/accounts/session', '/accounts/refresh'],
  );
  assert.deepEqual(changes, [{ type: 'signed_in', user }]);
  assert.equal((await w.settle(client.fetch(`${HOST}/api/x`, { method: 'POST' }))).status, 200);
});

test('without_a_session_restore_answers_null_and_asks_only_once', async () => {
  const w = world();
  const { client, changes } = w.tab();
  assert.equal(await w.settle(client.restore()), null);
  assert.deepEqual(changes, [
    { type: 'signed_out', code: 'refresh_token_missing', reason: undefined },
  ]);
  assert.equal(client.state.status, 'signed_out');
  const response = await w.settle(client.fetch(`${HOST}/api/x`));
  assert.equal(response.status, 401);
  await w.run(600_000);
  assert.deepEqual(
    w.server.requests.map(({ path }) => path),
    ['/accounts/session', '/api/x'],
  );
});

test('a_page_that_can_read_the_csrf_cookie_is_back_with_one_request', async () => {
  const w = world();
  const { csrfToken } = (await w.signedIn()).client;
  const { client } = w.tab({ env: { csrfCookie: () => csrfToken } });
  assert.equal((await w.settle(client.restore())).username, 'alice');
  assert.deepEqual(
    w.server.requests.slice(1).map(({ path }) => path),
    ['/accounts/refresh'],
  );
});

test('a_csrf_cookie_that_is_another_sessions_keeps_nobody_out', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client } = w.tab({ env: { csrfCookie: () => 'planted' } });
  assert.equal((await w.settle(client.restore())).username, 'alice');
});

test('the_csrf_cookie_is_read_where_it_is_the_servers_own_and_nowhere_else', () => {
  const token = 'R-R5PE0IppG0ms05fVsEV4dq0LpRHwlhuPyqp8esdqo';
  const read = (hostname, cookie, base) => {
    const before = globalThis.document;
    Object.assign(globalThis, { document: { cookie }, location: { hostname } });
    try {
      return surroundings().csrfCookie(base);
    } finally {
      Object.assign(globalThis, { document: before, location: undefined });
    }
  };
  const cookie = `theme=dark; csrftoken=${token}`;
  const base = 'https://app.example.com/accounts';
  assert.equal(read('app.example.com', cookie, base), token);
  assert.equal(read('other.example.com', cookie, base), undefined);
  assert.equal(read('app.example.com', 'csrftoken=of-django', base), undefined);
  assert.equal(read('app.example.com', `xcsrftoken=${token}`, base), undefined);
  assert.equal(surroundings().csrfCookie(base), undefined, 'no page at all');
});

test('a_page_whose_session_was_ended_elsewhere_learns_why_and_nothing_is_refused', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  w.server.end([...w.server.sessions.values()][0], 'session_revoked', 'admin');
  const { client, changes } = w.tab();
  assert.equal(await w.settle(client.restore()), null);
  assert.deepEqual(changes, [{ type: 'signed_out', code: 'session_revoked', reason: 'admin' }]);
  assert.deepEqual(
    w.server.requests.slice(1).map(({ path }) => path),
    ['/accounts/session'],
  );
  await w.settle(client.logout());
  assert.equal(w.server.count('/accounts/logout'), 0, 'there is nothing to end');
});

test('logout_ends_the_session_and_says_why', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  await w.settle(client.logout());
  assert.equal([...w.server.sessions.values()][0].ended.reason, 'logout');
  assert.deepEqual(changes.at(-1), {
    type: 'signed_out',
    code: 'session_revoked',
    reason: 'logout',
  });
  assert.deepEqual(client.state, {
    status: 'signed_out',
    user: null,
    code: 'session_revoked',
    reason: 'logout',
  });
  assert.equal(client.csrfToken, undefined);
  assert.equal(client.expiresIn, 0);
  assert.equal(await client.accessToken(), undefined);
  assert.equal(w.clock.pending, 0);
});

test('logout_works_right_after_a_reload_too', async () => {
  const w = world();
  (await w.signedIn()).client.close();
  const { client } = w.tab();
  await w.settle(client.logout());
  assert.equal([...w.server.sessions.values()][0].ended.reason, 'logout');
  assert.equal(client.state.status, 'signed_out');
  await w.settle(client.logout());
  assert.equal(client.state.status, 'signed_out');
});

test('a_logout_that_did_not_reach_the_server_does_not_pretend', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  w.server.next('/accounts/logout', () => Promise.reject(new TypeError('offline')));
  await assert.rejects(w.settle(client.logout()), { code: 'no_answer', status: 0 });
  assert.equal(client.state.status, 'signed_in');
  assert.equal(changes.length, 1);
  await w.settle(client.logout());
  assert.equal(client.state.status, 'signed_out');
});

test('logout_everywhere_ends_all_sessions_or_all_others', async () => {
  const w = world();
  const elsewhere = await w.signedIn();
  elsewhere.client.close();
  const { client, changes } = await w.signedIn();
  const [first, second] = w.server.sessions.values();
  await w.settle(client.logoutAll({ keepCurrent: true }));
  assert.ok(first.ended && !second.ended);
  assert.equal(client.state.status, 'signed_in');
  await w.settle(client.logoutAll());
  assert.ok(second.ended);
  assert.deepEqual(changes.at(-1), {
    type: 'signed_out',
    code: 'session_revoked',
    reason: 'logout_all',
  });
});

test('a_changed_profile_is_read_anew', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  [...w.server.sessions.values()][0].user = { id: 5, username: 'alice', first_name: 'Alice' };
  assert.equal((await w.settle(client.loadUser())).first_name, 'Alice');
  assert.equal(client.user.first_name, 'Alice');
  assert.equal(changes.at(-1).type, 'user');
});

test('a_profile_that_comes_after_the_next_login_is_not_the_new_users', async () => {
  const w = world();
  const { client } = await w.signedIn();
  let answer;
  w.server.next('/accounts/profile', (request, handle) => {
    const late = handle();
    return new Promise((resolve) => (answer = () => resolve(late)));
  });
  const late = client.loadUser();
  await w.run(0);
  await w.settle(client.login({ username: 'bertha', password: 'right' }));
  answer();
  await w.settle(late);
  assert.equal(client.user.username, 'bertha');
});

test('a_cookie_changed_behind_our_back_is_noticed_and_its_user_is_the_user', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  // A form without this client, or a tab whose messages do not get here.
  const other = w.tab({ env: { BroadcastChannel: undefined } });
  await w.settle(other.client.login({ username: 'bertha', password: 'right' }));
  await w.settle(client.refresh());
  assert.equal(client.user.username, 'bertha');
  assert.equal(client.csrfToken, other.client.csrfToken);
  assert.deepEqual(
    changes.map(({ type, user }) => [type, user?.username]),
    [
      ['signed_in', 'alice'],
      ['signed_out', undefined],
      ['signed_in', 'bertha'],
    ],
  );
});

test('a_page_that_the_server_does_not_allow_hears_why', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.always('/accounts/refresh', () =>
    w.server.problem(403, 'csrf_failed', { detail: 'This origin is not allowed.' }),
  );
  await assert.rejects(w.settle(client.refresh()), {
    code: 'csrf_failed',
    message: 'This origin is not allowed.',
  });
  assert.equal(w.server.count('/accounts/refresh'), 1);
  assert.equal(client.state.status, 'signed_in');
});

test('the_servers_own_endpoints_are_asked_with_cookies_without_caches_and_never_follow_a_redirect', async () => {
  const w = world();
  const inits = [];
  const { client } = w.tab({
    env: {
      fetch(url, init) {
        inits.push(init);
        return w.server.fetch(new Request(url, init), w.browser.jar, init.credentials);
      },
    },
  });
  await w.settle(client.login(credentials));
  await w.settle(client.refresh());
  await w.settle(client.logout());
  assert.equal(inits.length, 3);
  for (const { credentials, cache, redirect } of inits)
    assert.deepEqual(
      { credentials, cache, redirect },
      { credentials: 'include', cache: 'no-store', redirect: 'error' },
    );
});

test('one_listener_that_throws_does_not_keep_the_others_from_hearing', async (t) => {
  const w = world();
  const { client } = w.tab();
  const thrown = [];
  t.mock.method(globalThis, 'queueMicrotask', (callback) => {
    try {
      callback();
    } catch (error) {
      thrown.push(error.message);
    }
  });
  const heard = [];
  client.onChange(() => {
    throw new Error('a mistake of the page');
  });
  const stop = client.onChange(({ type }) => heard.push(type));
  await w.settle(client.login(credentials));
  assert.deepEqual(heard, ['signed_in']);
  assert.deepEqual(thrown, ['a mistake of the page']);
  stop();
  await w.settle(client.refresh());
  assert.deepEqual(heard, ['signed_in']);
});

test('the_state_is_a_new_frozen_object_with_every_change', async () => {
  const w = world();
  const { client } = w.tab();
  const before = client.state;
  assert.equal(client.state, before);
  await w.settle(client.login(credentials));
  assert.notEqual(client.state, before);
  assert.ok(Object.isFrozen(client.state));
});

test('a_closed_client_asks_nothing_and_holds_nothing', async () => {
  const w = world();
  const { client, events } = await w.signedIn();
  client.close();
  events.dispatchEvent(new Event('online'));
  await w.run(3_600_000);
  assert.equal(w.server.requests.length, 1);
  assert.equal(w.clock.pending, 0);
  assert.equal(client.user, null);
});
