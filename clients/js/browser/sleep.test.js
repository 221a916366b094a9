import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { world } from './world.js';

let w;
before(async () => (w = await world({ settings: ['--access-lifetime', '2s'] })));
after(() => w.stop());

/**
 * Stops the processes of all tabs, as a laptop's lid does, and lets them go on after `ms`
 * milliseconds.
 */
async function asleep(ms) {
  const devtools = await w.browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  const tabs = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  assert.ok(tabs.length > 0);
  for (const id of tabs) process.kill(id, 'SIGSTOP');
  // What was on its way is through.
  await sleep(300);
  const begin = w.front.log.length;
  await sleep(ms);
  assert.equal(w.front.log.length, begin, 'they were not asleep');
  for (const id of tabs) process.kill(id, 'SIGCONT');
  return begin;
}

test('a_tab_asleep_past_expiry_wakes_up_signed_in_and_sends_no_expired_token', async () => {
  const me = await w.visitor();
  const tab = await me.tab();
  await me.login(tab);
  const begin = await asleep(3500);
  assert.equal(
    await tab.evaluate(async () => (await client.fetch('/accounts/profile')).status),
    200,
  );
  const statuses = w.front.log.slice(begin).map(({ path, status }) => `${status} ${path}`);
  assert.ok(statuses.includes('200 /accounts/refresh'));
  assert.ok(!statuses.some((status) => status.startsWith('401')), statuses.join());
  await me.context.close();
});

test('five_sleeping_tabs_that_wake_up_at_once_stay_in', async () => {
  const me = await w.visitor();
  const first = await me.tab();
  await me.login(first);
  const tabs = [first];
  for (let i = 0; i < 4; i++) {
    tabs.push(await me.tab());
    await tabs.at(-1).evaluate(() => client.restore());
  }
  await asleep(3500);
  const statuses = await Promise.all(
    tabs.map((tab) => tab.evaluate(async () => (await client.fetch('/accounts/profile')).status)),
  );
  assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
  await me.context.close();
});

test('a_page_that_is_looked_at_is_never_without_a_token', async () => {
  const me = await w.visitor();
  const tab = await me.tab();
  await me.login(tab);
  const begin = w.front.log.length;
  for (let i = 0; i < 20; i++) {
    assert.equal(
      await tab.evaluate(async () => (await client.fetch('/accounts/profile')).status),
      200,
    );
    await sleep(300);
  }
  assert.ok(w.front.count('/accounts/refresh') >= 3);
  assert.ok(!w.front.log.slice(begin).some(({ status }) => status === 401));
});
