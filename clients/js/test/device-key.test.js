import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import { createNativeClient } from '../src/native.js';
import { BASE, world } from './world.js';

const part = (proof, at) => JSON.parse(Buffer.from(proof.split('.')[at], 'base64url'));
const proofOf = (request) => request.headers.get('DPoP');

/** A key as a platform has it. */
function deviceKey({ curve = 'P-256', dsaEncoding = 'der' } = {}) {
  const isEc = curve === 'P-256';
  // Read from a text: Node 20 may stand still for ever where it exports a key that it has just made
  // while its garbage is collected.
  const { privateKey: pem } = generateKeyPairSync(isEc ? 'ec' : 'ed25519', {
    ...(isEc && { namedCurve: curve }),
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const privateKey = createPrivateKey(pem);
  return {
    signed: 0,
    // With the private half, as a key that can be exported has it.
    publicKey: () => privateKey.export({ format: 'jwk' }),
    sign(bytes) {
      this.signed += 1;
      return isEc
        ? sign('sha256', bytes, { key: privateKey, dsaEncoding })
        : sign(null, bytes, privateKey);
    },
  };
}

/** A client with this key, in a world whose server answers to proofs as the real one does. */
function native(w, key, kept = new Map()) {
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) => void kept.set(name, value),
    remove: (name) => void kept.delete(name),
    key,
  };
  const asked = [];
  let serial = 0;
  let good = 'none yet';
  const fetch = async (input, init) => {
    const request = new Request(input, init);
    asked.push(request);
    const date = new Date(w.clock.wall + w.ahead).toUTCString();
    const proof = proofOf(request);
    if (proof && part(proof, 1).nonce !== good) {
      good = `challenge ${++serial}`;
      const problem = JSON.stringify({ status: 400, code: 'use_dpop_nonce' });
      return new Response(problem, { status: 400, headers: { 'DPoP-Nonce': good, Date: date } });
    }
    const answer = await w.server.fetch(request, {}, 'omit');
    if (!proof || !answer.ok) return answer;
    good = `challenge ${++serial}`;
    const headers = { ...Object.fromEntries(answer.headers), 'DPoP-Nonce': good, Date: date };
    return new Response(answer.body, { status: answer.status, headers });
  };
  w.ahead = 0;
  const tab = w.tab({ make: createNativeClient, options: { storage }, env: { fetch } });
  return { ...tab, asked, forget: () => (good = 'another') };
}

for (const how of [{ dsaEncoding: 'der' }, { dsaEncoding: 'ieee-p1363' }, { curve: 'Ed25519' }])
  test(`what_begins_and_refreshes_a_session_is_signed: ${JSON.stringify(how)}`, async () => {
    const w = world();
    const key = deviceKey(how);
    const { client, asked } = native(w, key);
    await w.settle(client.login({ username: 'alice', password: 'right' }));
    for (let i = 0; i < 20; i++) await w.settle(client.refresh());
    const signed = asked.filter(proofOf);
    assert.equal(signed.length, 22, 'the first login is asked for a challenge');
    for (const request of signed) {
      const proof = proofOf(request);
      const [head, said] = [part(proof, 0), part(proof, 1)];
      const { kty, crv, x, y } = key.publicKey();
      assert.deepEqual(head, {
        typ: 'dpop+jwt',
        alg: kty === 'EC' ? 'ES256' : 'EdDSA',
        jwk: kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x },
      });
      assert.equal(said.htm, 'POST');
      assert.equal(said.htu, request.url);
      assert.equal(said.iat, Math.floor(w.clock.wall / 1000));
      assert.ok(said.jti.length > 0);
      const [message, signature] = [
        proof.slice(0, proof.lastIndexOf('.')),
        proof.slice(proof.lastIndexOf('.') + 1),
      ];
      const publicKey = createPublicKey({ key: head.jwk, format: 'jwk' });
      const algorithm = kty === 'EC' ? 'sha256' : null;
      const by = { key: publicKey, dsaEncoding: 'ieee-p1363' };
      const bytes = Buffer.from(signature, 'base64url');
      assert.equal(bytes.length, 64);
      assert.ok(verify(algorithm, Buffer.from(message), by, bytes));
    }
    assert.deepEqual(
      signed.slice(0, 3).map((request) => part(proofOf(request), 1).nonce),
      [undefined, 'challenge 1', 'challenge 2'],
    );
  });

test('what_does_neither_is_not_signed', async () => {
  const w = world();
  const key = deviceKey();
  const { client, asked } = native(w, key);
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  const before = key.signed;
  await w.settle(client.loadUser());
  await w.settle(client.fetch(`${BASE}/refresh`, { method: 'POST', body: '{}' }).catch(() => 0));
  await w.settle(client.logout());
  assert.equal(key.signed, before);
  assert.ok(asked.length > 3);
});

test('a_wrong_clock_is_put_right_by_the_servers', async () => {
  const w = world();
  const { client, asked } = native(w, deviceKey());
  w.ahead = 3_600_000;
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  const said = part(proofOf(asked.at(-1)), 1);
  assert.equal(said.iat, Math.floor((w.clock.wall + w.ahead) / 1000));
});

test('a_challenge_that_another_process_used_is_asked_for_anew', async () => {
  const w = world();
  const { client, forget, changes } = native(w, deviceKey());
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  for (let i = 0; i < 5; i++) {
    forget();
    await w.settle(client.refresh());
  }
  assert.equal(changes.at(-1).type, 'refreshed');
});

test('a_server_that_is_never_content_costs_four_proofs_and_not_the_session', async () => {
  const w = world();
  const key = deviceKey();
  const kept = new Map();
  const tab = native(w, key, kept);
  await w.settle(tab.client.login({ username: 'alice', password: 'right' }));
  const before = key.signed;
  const fetch = () => new Response('{"code":"use_dpop_nonce"}', NEVER);
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) => void kept.set(name, value),
    remove: (name) => void kept.delete(name),
    key,
  };
  const make = { make: createNativeClient, options: { storage }, env: { fetch } };
  const { client, changes } = w.tab(make);
  await assert.rejects(w.settle(client.refresh()), { code: 'use_dpop_nonce', status: 400 });
  assert.equal(key.signed - before, 4);
  assert.ok(kept.has('countersign.refresh_token'));
  assert.deepEqual(changes, []);
});

test('a_key_store_that_fails_ends_nothing', async () => {
  const w = world();
  const key = deviceKey();
  const { client, changes } = native(w, key);
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  key.sign = () => {
    throw new Error('the device is locked');
  };
  await assert.rejects(w.settle(client.refresh()), { code: 'storage_failed' });
  assert.equal(changes.at(-1).type, 'signed_in');
});

test('a_session_that_another_devices_key_is_asked_for_ends', async () => {
  const w = world();
  const { client, changes } = native(w, deviceKey());
  await w.settle(client.login({ username: 'alice', password: 'right' }));
  for (const session of w.server.sessions.values()) session.ended = { code: 'session_unproved' };
  await w.settle(client.refresh());
  assert.deepEqual(
    [changes.at(-1).type, changes.at(-1).code],
    ['signed_out', 'session_unproved'],
  );
});

const NEVER = { status: 400, headers: { 'DPoP-Nonce': 'again' } };
