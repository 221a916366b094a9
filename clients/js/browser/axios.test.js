import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PASSWORD, bundle, world } from './world.js';

let same, cross;
before(async () => {
  same = await world();
  cross = await world({ cross: true });
});
after(async () => {
  await same?.stop();
  await cross?.stop();
});

/** The programs of docs/axios.md below a heading. */
function printed(heading) {
  const page = readFileSync(new URL('../../../docs/axios.md', import.meta.url), 'utf8');
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  return [...section.matchAll(/^```js\n([\s\S]*?)^```/gm)].map(([, code]) => code).join('\n');
}

/** Opens a page of the app with a module in it, which stands on `window.it`. */
async function pageWith(w, me, code) {
  w.front.pages.set('/it.js', ['text/javascript', await bundle(code)]);
  const page = await me.context.newPage();
  await page.goto(`${w.app}/`);
  await load(page);
  return page;
}
const load = (page) => page.evaluate(async () => void (window.it = await import('/it.js')));

for (const [heading, world] of [
  ["The API on the page's own origin", () => same],
  ['The API on another origin', () => cross],
]) {
  test(`docs/axios.md: ${heading}`, async () => {
    const w = world();
    const me = await w.visitor();
    const page = await pageWith(
      w,
      me,
      printed(heading).replaceAll('https://api.example.com', w.api),
    );
    assert.equal(
      await page.evaluate(
        (password) => it.login('alice', password).then(({ username }) => username),
        PASSWORD,
      ),
      'alice',
    );
    const write = () =>
      it.api.patch('/profile', { first_name: 'Alice' }).then(({ status }) => status);
    assert.equal(await page.evaluate(write), 200);
    await page.evaluate(() => it.refresh());
    assert.equal(await page.evaluate(write), 200);
    await page.reload();
    await load(page);
    await page.evaluate(() => it.refresh());
    assert.equal(await page.evaluate(write), 200);
    await page.evaluate(() => it.logout());
    assert.equal(
      await page.evaluate(() => it.refresh().catch(({ response }) => response.data.code)),
      'refresh_token_missing',
    );
    await me.context.close();
  });
}

test('the_settings_for_one_origin_fail_on_another_for_the_reason_that_the_page_gives', async () => {
  const me = await cross.visitor();
  const code = printed("The API on the page's own origin").replace(
    "'/accounts'",
    `'${cross.api}/accounts'`,
  );
  const page = await pageWith(cross, me, code);
  assert.equal(
    await page.evaluate(
      (password) => it.login('alice', password).then(({ username }) => username),
      PASSWORD,
    ),
    'alice',
  );
  assert.equal(await page.evaluate(() => document.cookie), '', 'the cookie is unreadable');
  assert.ok(await me.cookie('csrftoken'), 'and yet it is there');
  const answer = await page.evaluate(() => it.refresh().catch(({ response }) => response.data));
  assert.equal(answer.code, 'csrf_failed');
  assert.match(answer.detail, /X-CSRFTOKEN header is missing/);
});

test('without_the_names_axios_sends_no_countersign', async () => {
  const me = await same.visitor();
  const code = printed("The API on the page's own origin").replace(/ {2}xsrf.*\n/g, '');
  const page = await pageWith(same, me, code);
  await page.evaluate((password) => it.login('alice', password), PASSWORD);
  assert.equal(
    await page.evaluate(() => it.refresh().catch(({ response }) => response.data.code)),
    'csrf_failed',
  );
});

for (const [name, world] of [
  ['same_origin', () => same],
  ['cross_origin', () => cross],
]) {
  test(`axios_with_the_client_attached_${name}`, async () => {
    const w = world();
    const me = await w.visitor();
    const page = await pageWith(
      w,
      me,
      `import axios from 'axios';
       import { createClient } from '@countersign/client';
       import { attach } from '@countersign/client/axios';
       export const client = createClient({ baseUrl: '${w.api}/accounts' });
       export const api = axios.create({ baseURL: '${w.api}/accounts' });
       attach(api, client);`,
    );
    await page.evaluate((password) => it.client.login({ username: 'alice', password }), PASSWORD);
    const write = () =>
      it.api
        .patch('/profile', { last_name: 'Liddell' })
        .then(({ status, data }) => [status, data.user.last_name]);
    assert.deepEqual(await page.evaluate(write), [200, 'Liddell']);
    // A 401 that nobody saw coming: one refresh for all, and each is sent again with its body. (Two
    // tokens of one second may be the same text.)
    await sleep(1100);
    const before = w.front.count('/accounts/refresh');
    w.front.next('/accounts/profile', 401, 401, 401);
    const three = await page.evaluate(() =>
      Promise.all(
        [1, 2, 3].map((n) =>
          it.api.patch('/profile', { last_name: `L${n}` }).then(({ data }) => data.user.last_name),
        ),
      ),
    );
    assert.deepEqual(three, ['L1', 'L2', 'L3']);
    assert.equal(w.front.count('/accounts/refresh') - before, 1);
    await page.reload();
    await load(page);
    assert.deepEqual(await page.evaluate(write), [200, 'Liddell']);
    // The fetch adapter as well as the XMLHttpRequest one.
    assert.equal(
      await page.evaluate(() =>
        it.api
          .patch('/profile', { last_name: 'F' }, { adapter: 'fetch' })
          .then(({ data }) => data.user.last_name),
      ),
      'F',
    );
    await me.context.close();
  });
}
