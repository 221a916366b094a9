import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PASSWORD, world } from './world.js';

let w;
before(async () => (w = await world()));
after(() => w.stop());

const REFRESH = '/accounts/refresh';
const profile = (page) =>
  page.evaluate(async () => (await client.fetch('/accounts/profile')).status);
const status = (page) => page.evaluate(() => client.state.status);
const types = (page) => page.evaluate(() => changes.map(({ type }) => type));
// By a timer: a tab in the background paints no frames.
const until = (page, what) =>
  page.waitForFunction(what, undefined, { polling: 20, timeout: 10_000 });
const ending = (page) => page.evaluate(() => [client.state.code, client.state.reason]);

test('from_login_to_logout', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  assert.equal(await page.evaluate(() => client.restore()), null);
  assert.equal((await me.login(page)).username, 'alice');
  assert.equal(await profile(page), 200);
  const patched = await page.evaluate(async () => {
    const response = await client.fetch('/accounts/profile', {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json' },
      body: '{"first_name": "Alice"}',
    });
    return [response.status, (await response.json()).user.first_name];
  });
  assert.deepEqual(patched, [200, 'Alice']);
  await page.evaluate(() => client.logout());
  assert.equal(await profile(page), 401);
  assert.equal(await me.cookie('refreshtoken'), undefined);
  assert.equal(await me.cookie('csrftoken'), undefined);
  assert.deepEqual(await types(page), ['signed_out', 'signed_in', 'signed_out']);
  assert.deepEqual(await ending(page), ['session_revoked', 'logout']);
  assert.deepEqual(page.mistakes, []);
});

test('a_wrong_password_says_so', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  const error = await page.evaluate(() =>
    client
      .login({ username: 'nobody', password: 'wrong' })
      .catch(({ name, code, status, message }) => ({ name, code, status, message })),
  );
  assert.deepEqual(
    { ...error, message: '' },
    { name: 'CountersignError', code: 'invalid_credentials', status: 401, message: '' },
  );
  assert.ok(error.message.length > 10);
});

test('a_reload_keeps_you_in', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  for (let i = 0; i < 3; i++) {
    await page.reload();
    await me.client(page);
    assert.equal((await page.evaluate(() => client.restore())).username, 'alice');
    assert.equal(await profile(page), 200);
  }
  await page.evaluate(() => client.logout());
  await page.reload();
  await me.client(page);
  assert.equal(await page.evaluate(() => client.restore()), null);
});

test('a_neighbours_cookie_beyond_ascii_changes_nothing', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  await page.evaluate(() => (document.cookie = 'greeting=Olá 🍪; path=/'));
  await page.reload();
  await me.client(page);
  assert.equal((await page.evaluate(() => client.restore())).username, 'alice');
  assert.equal(await profile(page), 200);
  await page.evaluate(() => client.logout());
  assert.equal(await me.cookie('refreshtoken'), undefined);
  assert.deepEqual(await ending(page), ['session_revoked', 'logout']);
});

test('a_new_tab_needs_no_request_and_what_one_tab_does_all_see', async () => {
  const me = await w.visitor();
  const one = await me.tab();
  await me.login(one);
  const before = w.front.count(REFRESH);
  const two = await me.tab();
  // A new tab asks the other tabs, and then takes its turn to ask the server. On a busy machine its
  // turn may come before their answer: here the other tab keeps the turn until then.
  await one.evaluate(
    (turn) =>
      new Promise((kept) => {
        navigator.locks.request(turn, () => {
          kept();
          return new Promise((resolve) => (window.endTurn = resolve));
        });
      }),
    `countersign:${w.api}/accounts`,
  );
  const restored = two.evaluate(() => client.restore());
  await until(two, () => client.state.status === 'signed_in');
  await one.evaluate(() => endTurn());
  assert.equal((await restored).username, 'alice');
  assert.equal(w.front.count(REFRESH), before);
  // Two tokens of one second may be the same text.
  await sleep(1100);
  await one.evaluate(() => client.refresh());
  await until(two, () => changes.at(-1).type === 'refreshed');
  assert.equal(
    await one.evaluate(() => client.accessToken()),
    await two.evaluate(() => client.accessToken()),
  );
  await two.evaluate(() => client.logout());
  await until(one, () => client.state.status === 'signed_out');
  assert.deepEqual(await ending(one), ['session_revoked', 'logout']);
  await me.login(one, 'bertha');
  await until(two, () => client.user?.username === 'bertha');
});

test('five_tabs_that_all_refresh_at_once_stay_in', async () => {
  for (const env of ['{}', '{ locks: undefined, BroadcastChannel: undefined }']) {
    const me = await w.visitor();
    const first = await me.tab({ env });
    await me.login(first);
    const tabs = [first, ...(await Promise.all(Array.from({ length: 4 }, () => me.tab({ env }))))];
    await Promise.all(tabs.map((tab) => tab.evaluate(() => client.restore())));
    const before = w.front.count(REFRESH);
    const rounds = 4;
    for (let i = 0; i < rounds; i++) {
      let release;
      if (env === '{}') w.front.next(REFRESH, () => new Promise((resolve) => (release = resolve)));
      const all = Promise.all(tabs.map((tab) => tab.evaluate(() => client.refresh())));
      if (env === '{}') {
        // At once is at once on a busy machine too: the first one's answer waits until the others
        // stand in line.
        while (!release) await sleep(10);
        await until(first, async () => (await navigator.locks.query()).pending.length === 4);
        release();
      }
      const tokens = await all;
      assert.ok(tokens.every(Boolean));
    }
    const requests = w.front.count(REFRESH) - before;
    if (env === '{}') assert.ok(requests < 5 * rounds, `the locks saved nothing: ${requests}`);
    else assert.equal(requests, 5 * rounds);
    for (const tab of tabs) {
      assert.equal(await status(tab), 'signed_in');
      assert.equal(await profile(tab), 200);
    }
    await me.context.close();
  }
});

test('a_lost_answer_logs_nobody_out', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  for (const kind of ['cut', 'torn', 'offline', 502]) {
    const before = w.front.count(REFRESH);
    w.front.next(REFRESH, kind);
    assert.ok(await page.evaluate(() => client.refresh()), String(kind));
    assert.ok(w.front.count(REFRESH) - before >= 2, String(kind));
    assert.equal(await profile(page), 200);
  }
  // Lost again and again, then the page is gone as well.
  w.front.next(REFRESH, 'cut', 'cut', 'torn');
  await page.evaluate(() => client.refresh().catch(() => {}));
  await page.reload();
  await me.client(page);
  assert.equal((await page.evaluate(() => client.restore())).username, 'alice');
});

test('a_late_answer_logs_nobody_out', async () => {
  const me = await w.visitor();
  const env = '{ locks: undefined, BroadcastChannel: undefined }';
  const slow = await me.tab({ env });
  await me.login(slow);
  const quick = await me.tab({ env });
  await quick.evaluate(() => client.restore());
  let release;
  w.front.next(REFRESH, () => new Promise((resolve) => (release = resolve)));
  const late = slow.evaluate(() => client.refresh());
  while (!release) await sleep(10);
  for (let i = 0; i < 2; i++) assert.ok(await quick.evaluate(() => client.refresh()));
  const newest = await me.cookie('refreshtoken');
  release();
  assert.ok(await late);
  assert.notEqual(
    await me.cookie('refreshtoken'),
    newest,
    'the late answer has overwritten the cookie',
  );
  for (const page of [quick, slow, quick, slow]) {
    assert.ok(await page.evaluate(() => client.refresh()));
    assert.equal(await profile(page), 200);
  }
});

test('logout_elsewhere_is_noticed_and_says_why', async () => {
  const elsewhere = await w.visitor();
  const other = await elsewhere.tab();
  await elsewhere.login(other, 'bertha');
  const ways = {
    logout: () =>
      other.evaluate(async () => {
        const { sessions } = await (await client.fetch('/accounts/sessions')).json();
        for (const { id, current } of sessions)
          if (!current) await client.fetch(`/accounts/sessions/${id}`, { method: 'DELETE' });
      }),
    logout_all: () => other.evaluate(() => client.logoutAll({ keepCurrent: true })),
    password_changed: () =>
      other.evaluate(
        (old_password) =>
          client.fetch('/accounts/password', {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ old_password, new_password: 'copper lantern 27' }),
          }),
        PASSWORD,
      ),
  };
  for (const [reason, end] of Object.entries(ways)) {
    const me = await w.visitor();
    const page = await me.tab();
    await me.login(page, 'bertha');
    const idle = await me.tab();
    await idle.evaluate(() => client.restore());
    await end();
    assert.equal(await profile(page), 401, reason);
    assert.deepEqual(await ending(page), ['session_revoked', reason]);
    await until(idle, () => client.state.status === 'signed_out');
    assert.equal(await status(other), 'signed_in');
    await me.context.close();
  }
});

test('offline_keeps_the_session_and_goes_on_when_the_network_is_back', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  await me.context.setOffline(true);
  const error = await page.evaluate(() => client.refresh().catch(({ name, code }) => [name, code]));
  assert.deepEqual(error, ['CountersignError', 'no_answer']);
  assert.equal(await status(page), 'signed_in');
  await me.context.setOffline(false);
  await until(page, () => changes.at(-1).type === 'refreshed');
  assert.equal(await profile(page), 200);
});

test('an_abort_is_honoured', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  let release;
  w.front.next('/accounts/profile', () => new Promise((resolve) => (release = resolve)));
  const name = await page.evaluate(() => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    return client.fetch('/accounts/profile', { signal: stop.signal }).catch(({ name }) => name);
  });
  release();
  assert.equal(name, 'AbortError');
});

test('the_client_works_under_a_strict_content_security_policy', async () => {
  const me = await w.visitor();
  w.front.pages.set('/strict', (request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/html',
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; connect-src 'self'; " +
          "require-trusted-types-for 'script'",
    });
    response.end(
      '<!doctype html><title>Strict</title><script type="module" src="/strict.js"></script>',
    );
  });
  w.front.pages.set('/strict.js', [
    'text/javascript',
    `import { createClient } from '/src/index.js';
     const client = createClient();
     await client.login({ username: 'alice', password: '${PASSWORD}' });
     const headers = { 'Content-Type': 'application/json' };
     const change = { method: 'PATCH', headers, body: '{}' };
     const written = await client.fetch('accounts/profile', change);
     document.title = client.user.username + ' ' + written.status;`,
  ]);
  const page = await me.context.newPage();
  await page.goto(`${w.app}/strict`);
  await until(page, () => document.title === 'alice 200');
});

test('a_redirect_to_another_origin_does_not_carry_the_access_token', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  let arrived;
  w.front.pages.set('/away', (request, response) => {
    arrived ??= request.headers.authorization;
    response.writeHead(302, { Location: `${w.evil}/caught` }).end();
  });
  let caught;
  w.front.pages.set('/caught', (request, response) => {
    caught = request.headers;
    response
      .writeHead(200, {
        'Access-Control-Allow-Origin': w.app,
        'Access-Control-Allow-Headers': 'authorization, x-csrftoken',
      })
      .end();
  });
  await page.evaluate(() => client.fetch('/away'));
  assert.match(arrived, /^Bearer /);
  assert.equal(caught.authorization, undefined);
});
