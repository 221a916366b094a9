import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createNativeClient } from '../src/native.js';
import { PASSWORD, world } from './world.js';

let w;
before(async () => (w = await world()));
after(() => w?.stop());

function app(kept = new Map()) {
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) => kept.set(name, value),
    remove: (name) => kept.delete(name),
  };
  const changes = [];
  const client = createNativeClient({ baseUrl: `${w.direct}/accounts`, storage });
  client.onChange((change) => changes.push(change));
  return { client, kept, changes };
}

test('node_logs_in_stays_in_and_logs_out_with_the_real_server', async () => {
  const first = app();
  assert.equal(
    (await first.client.login({ username: 'alice', password: PASSWORD })).username,
    'alice',
  );
  assert.equal(first.kept.size, 2);
  first.client.close();

  const { client, kept, changes } = app(first.kept);
  assert.equal((await client.restore()).username, 'alice');
  for (let i = 0; i < 5; i++) assert.ok(await client.refresh());
  const written = await client.fetch('/accounts/profile', {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: '{"first_name": "A"}',
  });
  assert.equal(written.status, 200);
  assert.equal((await client.loadUser()).first_name, 'A');
  await client.logout();
  assert.deepEqual([...kept.keys()], ['countersign.device_token']);
  assert.equal(changes.at(-1).reason, 'logout');
  assert.equal(await client.restore(), null);
  client.close();
});

test('an_app_whose_session_was_ended_hears_why', async () => {
  const phone = app();
  const laptop = app();
  await phone.client.login({ username: 'bertha', password: PASSWORD });
  await laptop.client.login({ username: 'bertha', password: PASSWORD });
  await laptop.client.logoutAll({ keepCurrent: true });
  assert.equal((await phone.client.fetch('/accounts/profile')).status, 401);
  assert.equal(phone.client.state.reason, 'logout_all');
  assert.equal((await laptop.client.fetch('/accounts/profile')).status, 200);
  phone.client.close();
  laptop.client.close();
});
