import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { world } from './world.js';

let w;
before(async () => (w = await world()));
after(() => w.stop());

/**
 * Lets a page of another origin try everything it can against alice, and says what the server
 * answered.
 */
async function attack(me, from) {
  w.front.pages.set('/attack', ['text/html', '<!doctype html><title>A prize</title><body></body>']);
  const page = await me.context.newPage();
  await page.goto(`${from}/attack`);
  const begin = w.front.log.length;
  const seen = await page.evaluate(async (api) => {
    const seen = {};
    const paths = [
      'login',
      'refresh',
      'logout',
      'logout-all',
      'password',
      'profile',
      'csrf',
      'session',
      'sessions',
    ];
    for (const path of paths) {
      for (const mode of ['cors', 'no-cors']) {
        for (const method of mode === 'cors'
          ? ['GET', 'POST', 'PATCH', 'DELETE']
          : ['GET', 'POST']) {
          const init = {
            method,
            mode,
            credentials: 'include',
            ...(method !== 'GET' && { body: new URLSearchParams('username=mallory&password=x') }),
          };
          const text = await fetch(`${api}/accounts/${path}`, init).then(
            (response) => response.text(),
            () => 'refused',
          );
          if (text !== 'refused' && text !== '') seen[`${mode} ${method} ${path}`] = text;
        }
      }
      await new Promise((resolve) => {
        const image = new Image();
        image.onload = image.onerror = resolve;
        image.src = `${api}/accounts/${path}`;
      });
      // A form in a frame, which is navigated and so sends what a link would.
      await new Promise((resolve) => {
        const frame = document.createElement('iframe');
        frame.name = `frame-${path}`;
        document.body.append(frame);
        const form = Object.assign(document.createElement('form'), {
          action: `${api}/accounts/${path}`,
          method: 'POST',
          target: frame.name,
        });
        form.append(
          Object.assign(document.createElement('input'), { name: 'username', value: 'mallory' }),
        );
        document.body.append(form);
        frame.onload = resolve;
        setTimeout(resolve, 1000);
        form.submit();
      });
    }
    return seen;
  }, w.api);
  // And in the window itself: with a navigation of the whole page, Lax cookies of a link go along.
  for (const path of ['logout', 'refresh', 'logout-all']) {
    await page.goto(`${from}/attack`);
    await Promise.all([
      page.waitForURL((url) => url.pathname.startsWith('/accounts')),
      page.evaluate((action) => {
        const form = Object.assign(document.createElement('form'), { action, method: 'POST' });
        document.body.append(form);
        form.submit();
      }, `${w.api}/accounts/${path}`),
    ]);
  }
  await page.close();
  return { seen, log: w.front.log.slice(begin) };
}

for (const [name, from] of [
  ['a_third_party_site', () => w.evil],
  ['a_sibling_subdomain', () => w.sibling],
]) {
  test(`${name}_gets_nothing_and_changes_nothing`, async () => {
    const me = await w.visitor();
    const page = await me.tab();
    await me.login(page);
    const cookies = await me.context.cookies(w.api);
    const { seen, log } = await attack(me, from());

    assert.deepEqual(seen, {}, 'it could read an answer');
    const writes = log.filter(({ method }) => method !== 'GET');
    assert.ok(writes.length >= 8 * 2, `${writes.length} forged writes have arrived`);
    for (const { method, path, status } of writes) {
      // Where the cookie is all that counts, the origin decides; elsewhere there is no access
      // token, or no such method.
      if (method === 'POST' && /login|refresh|logout$/.test(path))
        assert.equal(status, 403, `${method} ${path}`);
      else assert.ok([401, 403, 405].includes(status), `${method} ${path}: ${status}`);
    }
    for (const entry of log)
      assert.ok(
        // The CSRF token that the page has anyway.
        !entry.answer?.['set-cookie'] ||
          (/^\/accounts\/(csrf|session)$/.test(entry.path) && entry.status === 200),
        `${entry.method} ${entry.path} has set a cookie`,
      );
    if (name === 'a_third_party_site')
      assert.ok(
        log.every(({ headers }) => !/refreshtoken/.test(headers.cookie ?? '')),
        'Lax cookies have travelled',
      );
    else
      assert.ok(
        log.some(({ headers }) => /refreshtoken/.test(headers.cookie ?? '')),
        'the cookies of one site travel: only the checks are left',
      );

    const value = (list, name) => list.find((cookie) => cookie.name === name)?.value;
    const now = await me.context.cookies(w.api);
    for (const name of ['refreshtoken', 'csrftoken'])
      assert.equal(value(now, name), value(cookies, name), name);
    assert.equal(
      await page.evaluate(async () => (await client.fetch('/accounts/profile')).status),
      200,
    );
    assert.ok(await page.evaluate(() => client.refresh()));
    assert.equal(await page.evaluate(() => client.user.username), 'alice');
    await me.context.close();
  });
}

test('an_injected_script_finds_neither_token_in_anything_that_is_stored', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  await page.evaluate(() => client.refresh());
  await page.evaluate(() => client.fetch('/accounts/profile'));
  const access = await page.evaluate(() => client.accessToken());
  const refresh = await me.cookie('refreshtoken');
  const device = await me.cookie('devicetoken');
  assert.ok(access.length > 100 && refresh.length > 100 && device.length > 20);

  const found = await page.evaluate(async () => {
    const databases = [];
    for (const { name } of await indexedDB.databases()) databases.push(name);
    const cached = [];
    for (const name of await caches.keys())
      for (const request of await (await caches.open(name)).keys()) cached.push(request.url);
    const workers = await navigator.serviceWorker.getRegistrations();
    return JSON.stringify({
      cookie: document.cookie,
      cookies: await cookieStore.getAll(),
      local: { ...localStorage },
      session: { ...sessionStorage },
      databases,
      cached,
      workers: workers.length,
      name: window.name,
      url: location.href,
      history: history.state,
      entries: performance.getEntries().map(({ name }) => name),
      html: document.documentElement.outerHTML,
    });
  });
  for (const [what, secret] of Object.entries({ access, refresh, device })) {
    assert.ok(!found.includes(secret), `the ${what} token is there`);
    // Nor its parts.
    for (const part of secret.split('.').filter((part) => part.length > 20))
      assert.ok(
        !found.includes(part.slice(0, 43)) || part.length < 60,
        `a part of the ${what} token is there`,
      );
  }
  const { cookie, local, session, databases, cached, workers } = JSON.parse(found);
  assert.match(cookie, /^csrftoken=[\w-]+$/);
  assert.deepEqual(
    { local, session, databases, cached, workers },
    { local: {}, session: {}, databases: [], cached: [], workers: 0 },
  );
});

test('a_browser_cannot_ask_for_the_refresh_token_in_the_body', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  const answer = await page.evaluate(async () => {
    const response = await fetch('/accounts/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'alice', password: 'tin kettle 14', transport: 'body' }),
    });
    return [response.status, (await response.json()).code];
  });
  assert.deepEqual(answer, [403, 'csrf_failed']);
});
