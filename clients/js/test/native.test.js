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
