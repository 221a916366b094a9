// Passkeys in Chromium, with an authenticator of the DevTools protocol in the place of a device.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, world } from './world.js';

let w;
before(async () => {
  const users = ['alice', 'bertha', 'carla', 'dora', 'emma', 'fiona', 'greta'];
  w = await world({ users, settings: ['--passkey-rp-id', 'example.localhost'] });
});
after(() => w?.stop());

/** A tab of somebody with a device, which has no passkey yet. */
async function tab({ me, url, ...device } = {}) {
  me ??= await w.visitor();
  const page = await me.tab({ url });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  page.cdp = (what, more) => cdp.send(`WebAuthn.${what}`, more);
  page.device = await addDevice(page, device);
  page.credentials = async (device = page.device) =>
    (await page.cdp('getCredentials', { authenticatorId: device })).credentials;
  return { me, page };
}

async function addDevice(page, more = {}) {
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
    ...more,
  };
  return (await page.cdp('addVirtualAuthenticator', { options })).authenticatorId;
}

const register = (page, name = 'My key') =>
  page.evaluate((name) => client.passkeys.register({ name }), name);
const login = (page, options = {}) =>
  page.evaluate(
    (options) =>
      client.passkeys.login(options).then(
        (user) => user?.username ?? null,
        ({ code }) => code,
      ),
    options,
  );
const claims = (page) =>
  page.evaluate(async () => {
    const token = await client.accessToken();
    return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  });
const factors = (page) =>
  page.evaluate(async () => (await client.fetch('/accounts/factors')).json());
const logout = (page) => page.evaluate(() => client.logout());

test('a_passkey_is_registered_and_logs_in_without_a_name', async () => {
  const { me, page } = await tab();
  await me.login(page, 'alice');
  const made = await register(page);
  assert.equal(made.factor.kind, 'passkey');
  assert.equal(made.factor.name, 'My key');
  assert.equal(made.recovery_codes.length, 10);
  assert.deepEqual((await claims(page)).amr, ['pwd', 'hwk', 'mfa']);
  await logout(page);
  assert.equal(await login(page), 'alice');
  assert.deepEqual((await claims(page)).amr, ['hwk', 'mfa']);
  assert.ok((await factors(page)).factors[0].last_used_at);
  // The same device has it already.
  assert.equal(
    await page.evaluate(() => client.passkeys.register().catch(({ code }) => code)),
    'no_passkey',
  );
  await page.evaluate(() => client.passkeys.stepUp());
  assert.deepEqual(page.mistakes, []);
});

test('the_browser_offers_it_in_the_field_for_the_name', async () => {
  const { me, page } = await tab();
  await me.login(page, 'bertha');
  await register(page);
  await logout(page);
  await page.evaluate(() => {
    const field = document.createElement('input');
    field.autocomplete = 'username webauthn';
    document.body.append(field);
  });
  assert.equal(await login(page, { conditional: true }), 'bertha');
});

test('a_browser_without_json_methods_of_its_own_is_helped', async () => {
  const { me, page } = await tab();
  await page.evaluate(() => {
    delete PublicKeyCredential.parseCreationOptionsFromJSON;
    delete PublicKeyCredential.parseRequestOptionsFromJSON;
    delete PublicKeyCredential.prototype.toJSON;
  });
  await me.login(page, 'carla');
  await register(page);
  await logout(page);
  assert.equal(await login(page), 'carla');
});

test('it_is_the_second_factor_after_a_password_and_its_owner_alone_is_asked', async () => {
  const { me, page } = await tab();
  await me.login(page, 'dora');
  await register(page);
  await logout(page);
  const waits = await page.evaluate(
    (password) =>
      client
        .login({ username: 'dora', password })
        .catch(({ code, problem }) => ({ code, ...problem })),
    PASSWORD,
  );
  assert.equal(waits.code, 'second_factor_required');
  assert.deepEqual(waits.factors, ['passkey', 'recovery_code']);
  assert.equal(await login(page, { pending_token: waits.pending_token }), 'dora');
  assert.deepEqual((await claims(page)).amr, ['pwd', 'hwk', 'mfa']);
  assert.equal(await login(page, { pending_token: waits.pending_token }), 'pending_token_invalid');
});

test('two_keys_log_in_until_one_is_removed', async () => {
  const { me, page } = await tab();
  await me.login(page, 'emma');
  await register(page, 'the first');
  await page.cdp('setAutomaticPresenceSimulation', {
    authenticatorId: page.device,
    enabled: false,
  });
  const second = await addDevice(page, { transport: 'usb' });
  await register(page, 'the second');
  assert.equal((await page.credentials()).length, 1);
  assert.equal((await page.credentials(second)).length, 1);
  await logout(page);
  assert.equal(await login(page), 'emma');
  const { factors: listed } = await factors(page);
  assert.deepEqual(
    listed.map(({ name }) => name),
    ['the first', 'the second'],
  );
  const removed = await page.evaluate(
    async (id) => (await client.fetch(`/accounts/factors/${id}`, { method: 'DELETE' })).status,
    listed[1].id,
  );
  assert.equal(removed, 204);
  await logout(page);
  assert.equal(await login(page), 'factor_invalid');
  await page.cdp('removeVirtualAuthenticator', { authenticatorId: second });
  await page.cdp('setAutomaticPresenceSimulation', { authenticatorId: page.device, enabled: true });
  assert.equal(await login(page), 'emma');
});

test('who_cancels_is_told_and_stays_where_they_were', async () => {
  const { me, page } = await tab({ automaticPresenceSimulation: false });
  await me.login(page, 'fiona');
  const aborted = await page.evaluate(async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort('enough'), 300);
    return client.passkeys.register({ signal: stop.signal }).catch((reason) => reason);
  });
  assert.equal(aborted, 'enough');
  assert.deepEqual((await factors(page)).factors, []);
  // A device that verifies nobody is one that the user turns away from.
  await page.cdp('removeVirtualAuthenticator', { authenticatorId: page.device });
  page.device = await addDevice(page, { isUserVerified: false });
  assert.equal(
    await page.evaluate(() => client.passkeys.register().catch(({ code }) => code)),
    'no_passkey',
  );
  await page.cdp('setUserVerified', { authenticatorId: page.device, isUserVerified: true });
  await register(page);
  await logout(page);
  await page.cdp('setUserVerified', { authenticatorId: page.device, isUserVerified: false });
  assert.equal(await login(page), 'no_passkey');
  await page.cdp('setUserVerified', { authenticatorId: page.device, isUserVerified: true });
  assert.equal(await login(page), 'fiona');
});

test('a_page_of_another_origin_or_domain_uses_no_passkey_of_ours', async () => {
  const { page } = await tab();
  const ask = (page, options) =>
    page.evaluate(async (json) => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
      try {
        return (await navigator.credentials.get({ publicKey })).toJSON();
      } catch (error) {
        return error.name;
      }
    }, options);
  const begin = async () =>
    (await (await fetch(`${w.own}/accounts/login/passkey/begin`, { method: 'POST' })).json())
      .options;
  const finish = async (passkey) =>
    (
      await fetch(`${w.own}/accounts/login/passkey/finish`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ passkey, transport: 'body' }),
      })
    ).json();
  const { me, page: own } = await tab();
  await me.login(own, 'greta');
  await register(own);
  const [credential] = await own.credentials();
  // Below the same domain the browser lets a page have it; the server does not.
  await page.goto(`${w.sibling}/`);
  await page.cdp('addCredential', { authenticatorId: page.device, credential });
  const stolen = await ask(page, await begin());
  assert.equal(stolen.type, 'public-key');
  assert.equal((await finish(stolen)).code, 'factor_invalid');
  // On another domain the browser does not.
  await page.goto(`${w.evil}/`);
  assert.equal(await ask(page, await begin()), 'SecurityError');
  // For another domain, there is none.
  await page.goto(`${w.app}/`);
  const other = { ...(await begin()), rpId: 'app.example.localhost' };
  assert.equal(await ask(page, other), 'NotAllowedError');
  // What the right page signs is good once.
  const right = await ask(page, await begin());
  assert.equal((await finish(right)).user.username, 'greta');
  assert.equal((await finish(right)).code, 'factor_invalid');
  // A copy whose count is behind is found out.
  const [now] = await page.credentials();
  await page.cdp('clearCredentials', { authenticatorId: page.device });
  const copy = { ...now, signCount: 0 };
  await page.cdp('addCredential', { authenticatorId: page.device, credential: copy });
  assert.equal((await finish(await ask(page, await begin()))).code, 'factor_invalid');
});
