import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';

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
