import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOST, world } from './world.js';

const AT = `${HOST}/accounts`;
const OPTIONS = {
  challenge: 'AQIDBA',
  user: { id: 'BQY', name: 'alice' },
  excludeCredentials: [{ type: 'public-key', id: '-_8' }],
};
const MADE = { id: 'made', toJSON: () => ({ id: 'made' }) };

/** A tab of a browser that gives `make(request)`, and what it was asked for. */
function tabWith(w, make = async () => MADE, env = {}) {
  const asked = [];
  const give = (what) => (request) => {
    asked.push({ what, ...request });
    return make(request);
  };
  const credentials = { create: give('create'), get: give('get') };
  w.server.passkeys = { options: OPTIONS };
  const how = { env: { credentials, PublicKeyCredential: {}, ...env } };
  return w.signedIn(how).then((tab) => ({ ...tab, asked }));
}

test('a_passkey_is_made_as_the_server_asks_and_told_with_its_name', async () => {
  const w = world();
  const tab = await tabWith(w);
  const made = await w.settle(tab.client.passkeys.register({ name: 'My key' }));
  assert.equal(made.factor.kind, 'passkey');
  const [{ what, publicKey }] = tab.asked;
  assert.equal(what, 'create');
  // Without JSON methods of the browser's own, texts become bytes.
  assert.deepEqual([...publicKey.challenge], [1, 2, 3, 4]);
  assert.deepEqual([...publicKey.user.id], [5, 6]);
  assert.deepEqual([...publicKey.excludeCredentials[0].id], [251, 255]);
  const sent = w.server.asked.at(-1);
  assert.deepEqual(sent.json, { passkey: { id: 'made' }, name: 'My key' });
  assert.ok(tab.changes.some(({ type }) => type === 'refreshed'), 'the token says so from now on');
});

test('the_browsers_own_json_methods_are_used_where_it_has_them', async () => {
  const w = world();
  const api = { parseCreationOptionsFromJSON: (json) => ({ read: json }) };
  const tab = await tabWith(w, undefined, { PublicKeyCredential: api });
  await w.settle(tab.client.passkeys.register());
  assert.deepEqual(tab.asked[0].publicKey, { read: OPTIONS });
});

test('without_them_bytes_become_texts_that_stand_in_an_address', async () => {
  const w = world();
  const bytes = (...numbers) => Uint8Array.from(numbers).buffer;
  const made = {
    id: '-_8',
    rawId: bytes(251, 255),
    type: 'public-key',
    response: { clientDataJSON: bytes(1), signature: bytes(251, 255, 1), userHandle: null },
  };
  const tab = await tabWith(w, async () => made);
  await w.settle(tab.client.passkeys.login());
  assert.deepEqual(w.server.asked.at(-1).json.passkey, {
    id: '-_8',
    rawId: '-_8',
    type: 'public-key',
    response: { clientDataJSON: 'AQ', signature: '-_8B' },
    clientExtensionResults: {},
  });
});

test('a_login_begins_a_session_and_as_a_second_factor_goes_on_with_the_one_that_waits', async () => {
  const w = world();
  const tab = await tabWith(w);
  const user = await w.settle(tab.client.passkeys.login({ device_name: 'phone' }));
  assert.equal(user.username, 'alice');
  const [begin, finish] = w.server.asked;
  assert.deepEqual([begin.path, begin.json], ['/login/passkey/begin', {}]);
  assert.equal(finish.path, '/login/passkey/finish');
  assert.deepEqual(finish.json, { device_name: 'phone', passkey: { id: 'made' } });
  w.server.asked.length = 0;
  await w.settle(tab.client.passkeys.login({ pending_token: 'a.b.c', remember_device: true }));
  const [again, second] = w.server.asked;
  assert.deepEqual(again.json, { pending_token: 'a.b.c' });
  assert.equal(second.path, '/login/factor');
  assert.deepEqual(second.json, {
    remember_device: true,
    pending_token: 'a.b.c',
    passkey: { id: 'made' },
  });
});

test('what_is_offered_in_a_page_that_lies_open_is_asked_for_anew_before_it_is_too_old', async () => {
  const w = world();
  let give;
  const wait = ({ signal }) =>
    new Promise((resolve, reject) => {
      give = () => resolve(MADE);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const api = { isConditionalMediationAvailable: async () => true };
  const tab = await tabWith(w, wait, { PublicKeyCredential: api });
  const login = tab.client.passkeys.login({ conditional: true });
  await w.run(9 * 60_000);
  assert.deepEqual(
    tab.asked.map(({ mediation }) => mediation),
    ['conditional', 'conditional', 'conditional'],
  );
  give();
  assert.equal((await w.settle(login)).username, 'alice');
  const finished = w.server.asked.filter(({ path }) => path === '/login/passkey/finish');
  assert.equal(finished.length, 1);
});

test('a_browser_that_cannot_offer_any_asks_the_server_for_nothing', async () => {
  const w = world();
  for (const api of [undefined, {}, { isConditionalMediationAvailable: async () => false }]) {
    const tab = await tabWith(w, undefined, { PublicKeyCredential: api });
    assert.equal(await w.settle(tab.client.passkeys.login({ conditional: true })), null);
    assert.deepEqual(w.server.asked, []);
  }
});

test('who_cancels_gets_a_code_and_who_aborts_their_own_reason', async () => {
  const w = world();
  const cancelled = new Error('NotAllowedError');
  const tab = await tabWith(w, async () => {
    throw cancelled;
  });
  const error = await w.settle(tab.client.passkeys.login()).catch((error) => error);
  assert.deepEqual([error.name, error.code], ['CountersignError', 'no_passkey']);
  assert.equal(error.cause, cancelled);
  const nothing = await tabWith(w, undefined, { credentials: undefined });
  await assert.rejects(w.settle(nothing.client.passkeys.register()), { code: 'no_passkey' });
  const stop = new AbortController();
  const open = await tabWith(
    w,
    ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(cancelled))),
  );
  const login = open.client.passkeys.login({ signal: stop.signal });
  await w.run(10);
  stop.abort('enough');
  assert.equal(await w.settle(login).catch((reason) => reason), 'enough');
});
