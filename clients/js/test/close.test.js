// After `close` nothing that comes counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNativeClient } from '../src/native.js';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const alice = { username: 'alice', password: 'right' };
const bertha = { username: 'bertha', password: 'right' };

/** An answer that the server has given, and that waits until it is let go. */
function held(w, path) {
  let go;
  w.server.next(path, async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => (go = resolve));
    return answer;
  });
  return () => go();
}

/** It knows nobody, and does nothing by itself. */
async function isQuiet(w, { client, changes }, told) {
  assert.deepEqual(client.state, { status: 'unknown', user: null });
  assert.deepEqual([client.csrfToken, client.expiresIn], [undefined, 0]);
  assert.equal(changes.length, told);
  const before = w.server.requests.length;
  await w.run(3_600_000);
  assert.equal(w.server.requests.length, before);
  assert.equal(w.clock.pending, 0);
}

test('a_login_whose_answer_comes_after_close_signs_nobody_in', async () => {
  for (const who of [undefined, alice]) {
    const w = world();
    const tab = w.tab();
    if (who) await w.settle(tab.client.login(who));
    const told = tab.changes.length;
    const said = w.browser.messages.length;
    const go = held(w, '/accounts/login');
    const login = tab.client.login(bertha);
    await w.run(0);
    tab.client.close();
    go();
    await assert.rejects(w.settle(login), { name: 'CountersignError', code: 'client_closed' });
    await isQuiet(w, tab, told);
    assert.equal(w.browser.messages.length, said);
  }
});

test('whoever_waits_for_a_refresh_when_the_client_is_closed_is_told_so', async () => {
  for (const start of [
    ({ client }) => client.refresh(),
    ({ client }) => client.restore(),
    ({ client }) => client.accessToken(),
    ({ client }) => client.loadUser(),
    ({ client }) => client.fetch(API, { method: 'POST' }),
    ({ client }) => client.updateProfile({ first_name: 'Alice' }),
  ]) {
    const w = world();
    const tab = await w.signedIn();
    w.clock.sleep(400_000);
    const go = held(w, '/accounts/refresh');
    const promise = start(tab);
    await w.run(0);
    tab.client.close();
    go();
    await assert.rejects(w.settle(promise), { code: 'client_closed', status: 0 }, `${start}`);
    assert.equal(w.server.count('/api/x') + w.server.count('/accounts/profile'), 0);
    await isQuiet(w, tab, 1);
  }
});

test('a_refresh_that_fails_after_close_is_not_tried_again', async () => {
  const w = world();
  const tab = await w.signedIn();
  let fail;
  w.server.next('/accounts/refresh', () => new Promise((resolve, reject) => (fail = reject)));
  const refresh = tab.client.refresh();
  await w.run(0);
  tab.client.close();
  fail(new TypeError('fetch failed'));
  await assert.rejects(w.settle(refresh), { code: 'client_closed' });
  await isQuiet(w, tab, 1);
});

test('a_logout_whose_answer_comes_after_close_tells_nobody', async () => {
  for (const answer of [undefined, 401])
    for (const how of ['logout', 'logoutAll']) {
      const w = world();
      const tab = await w.signedIn();
      const path = how === 'logout' ? '/accounts/logout' : '/accounts/logout-all';
      let go;
      w.server.next(path, async (request, handle) => {
        await new Promise((resolve) => (go = resolve));
        return answer ? w.server.problem(answer, 'token_invalid') : handle();
      });
      const logout = tab.client[how]();
      await w.run(0);
      tab.client.close();
      go();
      await assert.rejects(w.settle(logout), { name: 'CountersignError' });
      await isQuiet(w, tab, 1);
    }
});

test('a_native_client_that_is_closed_stores_and_removes_nothing', async () => {
  for (const [path, start] of [
    ['/accounts/login', ({ client }) => client.login(bertha)],
    ['/accounts/refresh', ({ client }) => client.refresh()],
    ['/accounts/logout', ({ client }) => client.logout()],
  ]) {
    const w = world();
    const kept = new Map();
    const storage = {
      get: (name) => kept.get(name),
      set: (name, value) => void kept.set(name, value),
      remove: (name) => void kept.delete(name),
    };
    const tab = await w.signedIn({ make: createNativeClient, options: { storage } });
    const before = [...kept];
    const go = held(w, path);
    const promise = start(tab);
    await w.run(0);
    tab.client.close();
    go();
    await assert.rejects(w.settle(promise), { code: 'client_closed' }, path);
    assert.deepEqual([...kept], before, path);
    await isQuiet(w, tab, 1);
  }
});

test('a_client_that_is_closed_while_its_storage_takes_the_token_stays_closed', async () => {
  const w = world();
  const kept = new Map();
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) =>
      new Promise((resolve) => w.clock.setTimeout(() => resolve(kept.set(name, value)), 50)),
    remove: (name) => void kept.delete(name),
  };
  const tab = w.tab({ make: createNativeClient, options: { storage } });
  const login = tab.client.login(alice);
  await w.run(20);
  tab.client.close();
  await assert.rejects(w.settle(login), { code: 'client_closed' });
  await isQuiet(w, tab, 0);
});

test('a_listener_may_close_the_client_at_any_change', async () => {
  for (const type of ['signed_in', 'signed_out', 'refreshed']) {
    const w = world();
    const tab = await w.signedIn();
    let at;
    tab.client.onChange((change) => {
      if (change.type !== type) return;
      at = tab.changes.length;
      tab.client.close();
    });
    await w.settle(tab.client.refresh().catch(() => {}));
    await w.settle(tab.client.login(bertha).catch(() => {}));
    assert.ok(at, type);
    await isQuiet(w, tab, at);
  }
});

test('whatever_is_asked_of_a_closed_client_is_refused_and_asks_nothing', async () => {
  for (const make of [undefined, createNativeClient]) {
    const w = world();
    const storage = { get: () => 'a-token', set: () => {}, remove: () => assert.fail() };
    const tab = w.tab({ make, options: { storage }, env: { csrfCookie: () => 'a-csrf-token' } });
    const { client } = tab;
    client.close();
    for (const start of [
      () => client.login(alice),
      () => client.register(alice),
      () => client.restore(),
      () => client.refresh(),
      () => client.accessToken(),
      () => client.loadUser(),
      () => client.fetch(API),
      () => client.sessions(),
      () => client.logout(),
      () => client.logoutAll(),
      () => client.requestPasswordReset({ email: 'alice@example.com' }),
      () => client.passkeys.login(),
    ])
      await assert.rejects(w.settle(start()), { code: 'client_closed' }, `${start}`);
    assert.equal(w.server.requests.length, 0);
    // Elsewhere it is a fetch as any other.
    assert.equal((await w.settle(client.fetch('https://other.example/x'))).status, 200);
    client.close();
  }
});
