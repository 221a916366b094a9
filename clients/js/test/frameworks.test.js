import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { effectScope, watch } from 'vue';
import { useSession as useInReact } from '../src/react.js';
import { useSession as useInVue } from '../src/vue.js';
import { world } from './world.js';

test('vue_sees_every_change_until_its_scope_ends', async () => {
  const w = world();
  const { client } = w.tab();
  const seen = [];
  const scope = effectScope();
  const state = scope.run(() => {
    const state = useInVue(client);
    watch(state, ({ status }) => seen.push(status), { flush: 'sync' });
    return state;
  });
  assert.equal(state.value, client.state);
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  assert.equal(state.value.user.username, 'alice');
  scope.stop();
  await w.settle(client.logout());
  assert.equal(state.value.user.username, 'alice');
  assert.deepEqual(seen, ['signed_in']);
});

test('react_renders_what_is_known', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const Greeting = () => useInReact(client).user.username;
  assert.equal(renderToString(createElement(Greeting)), 'alice');
});

test('react_asks_nothing_while_a_server_renders', async () => {
  const w = world();
  const tab = w.tab();
  const Status = () => useInReact(tab.client).status;
  assert.equal(renderToString(createElement(Status)), 'unknown');
  await w.run(10_000);
  assert.deepEqual(tab.seen, []);
});
