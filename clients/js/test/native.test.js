import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNativeClient } from '../src/native.js';
import { HOST, world } from './world.js';

const API = `${HOST}/api/x`;

function keyStore() {
  const kept = new Map();
  return {
    kept,
    get: async (name) => kept.get(name) ?? null,
    set: async (name, value) => void kept.set(name, value),
    remove: async (name) => void kept.delete(name),
  };
}
const native = (storage) => ({ make: createNativeClient, options: { storage } });
const REFRESH = '/accounts/refresh';
const TOKEN = 'countersign.refresh_token';
const bertha = { username: 'bertha', password: 'right' };
const types = (tab) => tab.changes.map(({ type }) => type);

/**
 * Two processes of one app that know nothing of each other: one storage, and no locks. The answer
 * to the first one's refresh is on its way, until it is let go.
 */
async function twoProcesses() {
  const w = world();
  const storage = keyStore();
  const process = { ...native(storage), env: { locks: undefined } };
  const first = await w.signedIn(process);
  const second = w.tab(process);
  await w.settle(second.client.restore());
  let go;
  w.server.next(REFRESH, async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => (go = resolve));
    return answer;
  });
  return { w, storage, process, first, second, go: () => go() };
}

test('a_native_client_logs_in_refreshes_and_logs_out_without_cookies', async () => {
  const w = world();
  const storage = keyStore();
  const tab = await w.signedIn(native(storage));
  assert.equal(w.browser.jar.session, undefined);
  assert.deepEqual(
    [...storage.kept.keys()],
    ['countersign.refresh_token', 'countersign.device_token'],
  );
  const before = storage.kept.get('countersign.refresh_token');
  await w.settle(tab.client.refresh());
  assert.notEqual(storage.kept.get('countersign.refresh_token'), before);
  assert.equal((await w.settle(tab.client.fetch(API, { method: 'POST' }))).status, 200);
  assert.equal(tab.seen.at(-1).headers.get('X-CSRFTOKEN'), null);
  await w.settle(tab.client.logout());
  assert.deepEqual([...storage.kept.keys()], ['countersign.device_token']);
  assert.deepEqual(
    tab.changes.map(({ type }) => type),
    ['signed_in', 'refreshed', 'signed_out'],
  );
  assert.equal(w.server.count('/accounts/csrf'), 0);
  assert.equal(w.browser.messages.length, 0);
});

test('a_restarted_app_is_still_signed_in', async () => {
  const w = world();
  const storage = keyStore();
  (await w.signedIn(native(storage))).client.close();
  const { client } = w.tab(native(storage));
  assert.equal((await w.settle(client.restore())).username, 'alice');
});

test('without_a_stored_token_nothing_is_asked', async () => {
  const w = world();
  const { client, changes } = w.tab(native(keyStore()));
  assert.equal(await w.settle(client.restore()), null);
  assert.equal(w.server.requests.length, 0);
  assert.equal(changes[0].code, 'refresh_token_missing');
});

test('a_device_has_the_name_that_its_user_gave_it', async () => {
  const w = world();
  const { client } = w.tab(native(keyStore()));
  const device_name = 'Ada\'s phone';
  await w.settle(client.login({ username: 'alice', password: 'right', device_name }));
  assert.equal([...w.server.sessions.values()].at(-1).device_name, device_name);
});

test('a_known_device_says_so_at_the_next_login', async () => {
  const w = world();
  const storage = keyStore();
  const { client } = await w.signedIn(native(storage));
  await w.settle(client.logout());
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  assert.equal([...w.server.sessions.values()].at(-1).device_token, 'device-of-alice');
});

test('an_ending_empties_the_storage_and_a_fault_does_not', async () => {
  const w = world();
  const storage = keyStore();
  const { client } = await w.signedIn(native(storage));
  w.server.next('/accounts/refresh', () =>
    w.server.problem(503, 'unavailable', {}, { 'Retry-After': '60' }),
  );
  await assert.rejects(w.settle(client.refresh()), { code: 'unavailable' });
  assert.ok(storage.kept.has('countersign.refresh_token'));
  w.server.end([...w.server.sessions.values()][0], 'session_revoked', 'admin');
  await w.run(61_000);
  assert.equal(client.state.reason, 'admin');
  assert.ok(!storage.kept.has('countersign.refresh_token'));
});

test('a_storage_that_fails_once_costs_one_more_try', async () => {
  const w = world();
  const storage = keyStore();
  const { client } = await w.signedIn(native(storage));
  const { set } = storage;
  storage.set = async () => {
    storage.set = set;
    throw new Error('the key store is locked');
  };
  assert.ok(await w.settle(client.refresh()));
  assert.equal(w.server.count('/accounts/refresh'), 2);
  assert.equal(client.state.status, 'signed_in');
});

test('a_native_client_whose_access_token_is_long_dead_still_ends_its_session', async () => {
  const w = world();
  const { client } = await w.signedIn(native(keyStore()));
  w.server.tokens.clear();
  await w.settle(client.logout());
  assert.equal([...w.server.sessions.values()][0].ended.reason, 'logout');
});

test('a_native_client_whose_storage_was_emptied_still_ends_its_session', async () => {
  const w = world();
  const storage = keyStore();
  const { client, seen } = await w.signedIn(native(storage));
  const access = await client.accessToken();
  storage.kept.clear();
  await w.settle(client.logout());
  assert.equal(seen.at(-1).headers.get('Authorization'), `Bearer ${access}`);
  assert.equal([...w.server.sessions.values()][0].ended?.reason, 'logout');
  assert.equal(client.state.status, 'signed_out');
});

test('a_late_refresh_of_one_process_leaves_the_login_of_another_alone', async () => {
  const { w, storage, first, second, go } = await twoProcesses();
  const late = first.client.refresh();
  await w.run(0);
  await w.settle(second.client.login(bertha));
  const theirs = storage.kept.get(TOKEN).split('/')[0];
  go();
  await w.settle(late);
  assert.equal(storage.kept.get(TOKEN).split('/')[0], theirs);
  await w.settle(second.client.refresh());
  assert.equal(second.client.user.username, 'bertha');
  // And the first one is with who is logged in, told as an end and a beginning.
  assert.equal(first.client.user.username, 'bertha');
  assert.deepEqual(types(first), ['signed_in', 'signed_out', 'signed_in']);
  assert.equal(first.changes[1].code, 'session_changed');
});

test('a_late_ending_of_one_process_leaves_the_login_of_another_alone', async () => {
  const { w, storage, first, second, go } = await twoProcesses();
  w.server.end([...w.server.sessions.values()][0], 'session_revoked', 'replaced');
  const late = first.client.refresh();
  await w.run(0);
  await w.settle(second.client.login(bertha));
  const theirs = storage.kept.get(TOKEN).split('/')[0];
  go();
  await w.settle(late);
  assert.equal(storage.kept.get(TOKEN)?.split('/')[0], theirs);
  await w.settle(second.client.refresh());
  assert.equal(second.client.user.username, 'bertha');
  assert.equal(first.client.user.username, 'bertha');
  assert.equal(first.changes[1].code, 'session_changed');
});

test('what_waits_for_a_late_refresh_is_not_sent_as_whose_the_storage_is_by_then', async () => {
  const { w, first, second, go } = await twoProcesses();
  w.clock.sleep(400_000);
  const write = first.client.fetch(API, { method: 'POST' });
  await w.run(0);
  await w.settle(second.client.login(bertha));
  go();
  await assert.rejects(w.settle(write), { code: 'session_changed', status: 0 });
  assert.equal(w.server.count('/api/x'), 0);
});

test('a_late_refresh_leaves_the_newer_token_of_the_same_session_alone', async () => {
  const { w, storage, first, second, go } = await twoProcesses();
  const late = first.client.refresh();
  await w.run(0);
  await w.settle(second.client.refresh());
  const newer = storage.kept.get(TOKEN);
  const sent = [];
  w.server.next(REFRESH, async (request, handle) => {
    sent.push((await request.clone().json()).refresh_token);
    return handle();
  });
  go();
  assert.ok(await w.settle(late));
  assert.deepEqual(sent, [newer]);
  assert.deepEqual(types(first), ['signed_in', 'refreshed']);
});

test('a_late_refresh_stores_nothing_where_another_process_has_logged_out', async () => {
  const { w, storage, first, second, go } = await twoProcesses();
  const late = first.client.refresh();
  await w.run(0);
  await w.settle(second.client.logout());
  go();
  assert.equal(await w.settle(late), undefined);
  assert.ok(!storage.kept.has(TOKEN));
  assert.equal(first.client.state.code, 'refresh_token_missing');
});

test('a_refresh_that_comes_after_an_end_of_ones_own_stores_nothing', async () => {
  const { w, storage, first, go } = await twoProcesses();
  const late = first.client.refresh();
  await w.run(0);
  await w.settle(first.client.logoutAll());
  go();
  assert.equal(await w.settle(late), undefined);
  assert.ok(!storage.kept.has(TOKEN));
  assert.equal(first.client.state.reason, 'logout_all');
});

test('who_finds_no_token_removes_none_that_is_stored_a_moment_later', async () => {
  const w = world();
  const storage = keyStore();
  const process = { ...native(storage), env: { locks: undefined } };
  const slow = {
    ...storage,
    async get(name) {
      const found = await storage.get(name);
      await new Promise((resolve) => w.clock.setTimeout(resolve, 50));
      return found;
    },
  };
  const first = w.tab({ ...process, options: { storage: slow } });
  const late = first.client.restore();
  await w.run(10);
  await w.settle(w.tab(process).client.login(bertha));
  assert.equal(await w.settle(late), null);
  assert.ok(storage.kept.has(TOKEN));
});
