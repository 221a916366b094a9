import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { world } from './world.js';

let w;
before(async () => (w = await world({ cross: true })));
after(() => w?.stop());

test('a_page_on_another_origin_logs_in_writes_reloads_and_logs_out_although_it_cannot_read_the_cookie', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.ok(await me.cookie('csrftoken'));
  const write = () =>
    client
      .fetch(`${client_base}/profile`, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json' },
        body: '{"first_name": "A"}',
      })
      .then(({ status }) => status);
  const name = (base) => void (window.client_base = base);
  await page.evaluate(name, `${w.api}/accounts`);
  assert.equal(await page.evaluate(write), 200);
  await page.reload();
  await me.client(page);
  await page.evaluate(name, `${w.api}/accounts`);
  assert.equal((await page.evaluate(() => client.restore())).username, 'alice');
  assert.equal(await page.evaluate(write), 200);
  await page.evaluate(() => client.logoutAll());
  assert.equal(await me.cookie('refreshtoken'), undefined);
  assert.equal(await page.evaluate(() => client.restore()), null);
});

test('the_page_can_read_how_long_to_wait', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  const error = await page.evaluate(async () => {
    for (let i = 0; i < 20; i++) {
      const error = await client
        .login({ username: 'bertha', password: 'wrong' })
        .catch(({ code, retryAfter }) => ({ code, retryAfter }));
      if (error.code === 'throttled') return error;
    }
  });
  assert.ok(error.retryAfter >= 1);
});

test('the_pages_own_origin_gets_no_token', async () => {
  const me = await w.visitor();
  const page = await me.tab();
  await me.login(page);
  let seen;
  w.front.pages.set('/own', (request, response) => {
    seen = request.headers;
    response.writeHead(204).end();
  });
  await page.evaluate(() => client.fetch('/own', { method: 'POST' }));
  assert.equal(seen.authorization, undefined);
  assert.equal(seen['x-csrftoken'], undefined);
});
