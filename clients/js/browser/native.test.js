import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createNativeClient } from '../src/native.js';
import { codeOf } from './totp.js';
import { PASSWORD, world } from './world.js';

let w;
before(async () => (w = await world({ alone: true, users: ['alice', 'bertha', 'carla'] })));
after(() => w?.stop());

function app(kept = new Map(), { key, baseUrl = `${w.direct}/accounts` } = {}) {
  const storage = {
    key,
    get: (name) => kept.get(name),
    set: (name, value) => kept.set(name, value),
    remove: (name) => kept.delete(name),
  };
  const changes = [];
  const client = createNativeClient({ baseUrl, storage });
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

test('an_app_whose_storage_was_emptied_still_ends_its_session', async () => {
  const phone = app();
  const laptop = app();
  await phone.client.login({ username: 'bertha', password: PASSWORD });
  await laptop.client.login({ username: 'bertha', password: PASSWORD });
  assert.equal((await laptop.client.sessions()).length, 2);
  phone.kept.clear();
  await phone.client.logout();
  assert.equal((await laptop.client.sessions()).length, 1);
  await laptop.client.logout();
  phone.client.close();
  laptop.client.close();
});

test('a_process_whose_refresh_is_late_goes_on_with_who_has_logged_in', async () => {
  const first = app();
  await first.client.login({ username: 'alice', password: PASSWORD });
  const second = app(first.kept);
  const { get } = first.kept;
  // The other process logs in while the request of the first is on its way.
  first.kept.get = async (name) => {
    const found = get.call(first.kept, name);
    first.kept.get = get;
    await second.client.login({ username: 'bertha', password: PASSWORD });
    return found;
  };
  assert.ok(await first.client.refresh());
  assert.equal(first.client.user.username, 'bertha');
  assert.deepEqual(
    first.changes.map(({ type, code, user }) => [type, code ?? user.username]),
    [
      ['signed_in', 'alice'],
      ['signed_out', 'session_changed'],
      ['signed_in', 'bertha'],
    ],
  );
  assert.ok(await second.client.refresh());
  assert.equal(second.client.user.username, 'bertha');
  await second.client.logout();
  first.client.close();
  second.client.close();
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

test('an_app_enrols_an_authenticator_app_and_is_asked_for_it_from_then_on', async () => {
  const who = { username: 'carla', password: PASSWORD };
  const { client } = app();
  await client.login(who);
  assert.deepEqual((await client.factors.list()).factors, []);
  const { secret, uri } = await client.factors.beginTotp({ name: 'A phone' });
  assert.match(uri, /^otpauth:/);
  await assert.rejects(client.factors.confirmTotp({ code: '000000' }), {
    code: 'validation_error',
  });
  const made = await client.factors.confirmTotp({ code: codeOf(secret) });
  assert.equal(made.recovery_codes.length, 10);
  assert.equal((await client.factors.rename(made.factor.id, 'Another')).name, 'Another');
  const codes = await client.factors.newRecoveryCodes();
  assert.equal(codes.length, 10);
  assert.notDeepEqual(codes, made.recovery_codes);
  await client.logout();

  const refused = await client.login(who).catch((error) => error);
  assert.equal(refused.code, 'second_factor_required');
  const { pending_token } = refused.problem;
  await client.loginWithFactor({ pending_token, recovery_code: codes[0] });
  const listed = await client.factors.list();
  assert.deepEqual(
    [listed.factors.map(({ name }) => name), listed.recovery_codes_left, listed.required],
    [['Another'], 9, false],
  );
  await client.factors.remove(made.factor.id);
  assert.deepEqual((await client.factors.list()).factors, []);
  await client.logout();
  client.close();
});

/** A key as a platform's key store has it: it signs, and is not given away. */
function deviceKey(type) {
  const isEc = type === 'ec';
  // Read from a text: Node 20 may stand still for ever where it exports a key that it has just made
  // while its garbage is collected.
  const made = generateKeyPairSync(type, {
    ...(isEc && { namedCurve: 'P-256' }),
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const publicKey = createPublicKey(made.publicKey);
  return {
    publicKey: () => publicKey.export({ format: 'jwk' }),
    sign: (bytes) => sign(isEc ? 'sha256' : null, bytes, made.privateKey),
  };
}

for (const type of ['ec', 'ed25519'])
  test(`a_copied_refresh_token_is_worth_nothing_without_the_devices_key: ${type}`, async () => {
    const how = { baseUrl: `${w.own}/accounts`, key: deviceKey(type) };
    const { client, kept } = app(undefined, how);
    await client.login({ username: 'alice', password: PASSWORD });
    for (let i = 0; i < 5; i++) assert.ok(await client.refresh());
    const [session] = (await client.sessions()).filter((session) => session.current);
    assert.equal(session.device_bound, true);
    for (const key of [undefined, deviceKey(type)]) {
      const thief = app(new Map(kept), { ...how, key });
      assert.equal(await thief.client.restore(), null);
      assert.equal(thief.client.state.code, 'session_unproved');
      thief.client.close();
    }
    assert.ok(await client.refresh());
    client.close();
    const again = app(kept, how);
    assert.equal((await again.client.restore()).username, 'alice');
    await again.client.logout();
    again.client.close();
  });

test('the_example_for_the_command_line_is_bound_to_the_machine_with_its_key', () => {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-node-'));
  const root = fileURLToPath(new URL('..', import.meta.url));
  for (const name of ['main.mjs', 'package.json'])
    copyFileSync(join(root, '../../examples/node', name), join(dir, name));
  mkdirSync(join(dir, 'node_modules/@countersign'), { recursive: true });
  symlinkSync(root, join(dir, 'node_modules/@countersign/client'));
  const run = (state, ...args) => {
    const env = { ...process.env, COUNTERSIGN: `${w.own}/accounts`, STATE: state, PASSWORD };
    const done = spawnSync(process.execPath, [join(dir, 'main.mjs'), ...args], {
      env,
      encoding: 'utf8',
    });
    assert.equal(done.stderr, '');
    return done.stdout.trim();
  };
  try {
    const [own, copy] = [join(dir, 'own'), join(dir, 'copy')];
    assert.equal(run(own, 'profile'), 'Nobody is logged in.');
    assert.equal(run(own, 'login', 'bertha'), 'bertha');
    assert.equal(run(own, 'profile'), 'bertha');
    const [session] = JSON.parse(run(own, 'sessions')).filter((session) => session.current);
    assert.equal(session.device_bound, true);
    assert.equal(statSync(join(own, 'device-key.pem')).mode & 0o777, 0o600);
    // The token alone, on another machine.
    mkdirSync(copy);
    const token = readFileSync(join(own, 'countersign.refresh_token'));
    writeFileSync(join(copy, 'countersign.refresh_token'), token);
    assert.equal(run(copy, 'profile'), 'Nobody is logged in.');
    assert.equal(run(own, 'profile'), 'bertha');
    assert.equal(run(own, 'logout'), 'bertha');
    assert.equal(run(own, 'profile'), 'Nobody is logged in.');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
