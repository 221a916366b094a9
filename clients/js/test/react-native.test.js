// The client of React Native, with its `AppState` and its `NetInfo` played.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReactNativeClient } from '../src/react-native.js';
import { HOST, world } from './world.js';

/** React Native's `AppState`. */
function appState() {
  const listeners = new Set();
  return {
    currentState: 'active',
    listeners,
    addEventListener(type, listener) {
      assert.equal(type, 'change');
      listeners.add(listener);
      return { remove: () => listeners.delete(listener) };
    },
    becomes(state) {
      this.currentState = state;
      for (const listener of listeners) listener(state);
    },
  };
}

/** NetInfo, which tells a new listener at once what is. */
function netInfo() {
  const listeners = new Set();
  return {
    listeners,
    addEventListener(listener) {
      listeners.add(listener);
      listener({ isConnected: true });
      return () => listeners.delete(listener);
    },
    becomes: (isConnected) => listeners.forEach((listener) => listener({ isConnected })),
  };
}

function storage() {
  const kept = new Map();
  return {
    get: async (name) => kept.get(name) ?? null,
    set: async (name, value) => void kept.set(name, value),
    remove: async (name) => void kept.delete(name),
  };
}

/** A client as an app makes one: no surroundings of a page's are given. */
function app(w, more = {}) {
  const AppState = appState();
  const NetInfo = netInfo();
  const tab = w.tab({
    make: createReactNativeClient,
    real: ['BroadcastChannel', 'locks', 'visible', 'events', 'random'],
    options: { storage: storage(), AppState, NetInfo, ...more },
  });
  return { ...tab, AppState, NetInfo };
}

const credentials = { username: 'alice', password: 'right' };

test('an_app_in_the_background_does_not_refresh_and_one_that_comes_back_does', async () => {
  const w = world();
  const { client, AppState } = app(w);
  await w.settle(client.login(credentials));
  AppState.becomes('background');
  await w.run(400_000);
  assert.equal(w.server.count('/accounts/refresh'), 0);
  AppState.becomes('active');
  await w.run(0);
  assert.equal(w.server.count('/accounts/refresh'), 1);
});

test('what_failed_is_tried_again_as_soon_as_there_is_a_network', async () => {
  const w = world();
  const { client, NetInfo } = app(w);
  await w.settle(client.login(credentials));
  const back = w.server.always('/accounts/refresh', () => Promise.reject(new TypeError('offline')));
  NetInfo.becomes(false);
  await w.run(600_000);
  const before = w.server.count('/accounts/refresh');
  back();
  NetInfo.becomes(true);
  await w.run(0);
  assert.equal(w.server.count('/accounts/refresh'), before + 1);
  assert.equal(client.state.status, 'signed_in');
});

test('a_closed_client_listens_no_more', async () => {
  const w = world();
  const { client, AppState, NetInfo } = app(w);
  assert.deepEqual([AppState.listeners.size, NetInfo.listeners.size], [1, 1]);
  client.close();
  assert.deepEqual([AppState.listeners.size, NetInfo.listeners.size], [0, 0]);
});

test('relative_addresses_are_those_of_the_server_and_no_other_gets_a_token', async () => {
  const w = world();
  const { client, seen } = app(w);
  await w.settle(client.login(credentials));
  for (const [url, whole] of [
    ['/api/x', `${HOST}/api/x`],
    ['api/x', `${HOST}/api/x`],
    [`${HOST}/api/x`, `${HOST}/api/x`],
    ['HTTPS://API.example.com:443/api/x', `${HOST}/api/x`],
  ]) {
    assert.equal((await w.settle(client.fetch(url))).status, 200, url);
    assert.equal(seen.at(-1).url, whole);
    assert.match(seen.at(-1).headers.get('Authorization'), /^Bearer access-/);
  }
  for (const url of [
    '//evil.example/x',
    'https://api.example.com.evil.example/x',
    'https://api.example.com@evil.example/x',
    'https://api.example.com\\@evil.example/x',
    'https://api.example.com\\.evil.example/x',
    'https://api.example.com:444/x',
    'https://evil.example/https://api.example.com/x',
    'https://',
  ])
    assert.equal(client.trusts(url), false, url);
});

test('a_signal_that_knows_no_reasons_is_honoured', async () => {
  const w = world();
  const { client } = app(w);
  await w.settle(client.login(credentials));
  // As abort-controller 3 has it.
  const signal = Object.assign(new EventTarget(), { aborted: false });
  const abort = () => {
    signal.aborted = true;
    signal.dispatchEvent(new Event('abort'));
  };
  w.server.next('/accounts/refresh', () => new Promise(() => {}));
  const refresh = client.refresh({ signal });
  await w.run(0);
  abort();
  await assert.rejects(w.settle(refresh), { name: 'AbortError' });
  await assert.rejects(w.settle(client.refresh({ signal })), { name: 'AbortError' });
});

test('the_list_of_sessions_says_which_device_it_is', async () => {
  const w = world();
  const { client } = app(w, { deviceName: 'Ada\'s phone' });
  await w.settle(client.login(credentials));
  assert.equal([...w.server.sessions.values()].at(-1).device_name, 'Ada\'s phone');
});
