// How the issuer is followed: keys that come and go, sessions that end, absences.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVerifier } from '@countersign/verify';
import { ISSUER, newKey, newWorld } from './world.js';

const KEYS = '/.well-known/jwks.json';
const LIST = '/.well-known/revocations';
const DISCOVERY = '/.well-known/openid-configuration';

test('the issuer says itself where keys and list are', async () => {
  const world = await newWorld();
  assert.equal(await world.code(await world.token()), undefined);
  assert.deepEqual(world.asked, [DISCOVERY, KEYS, LIST]);
});

test('a logout is felt at the next look, and nobody else is logged out', async () => {
  const world = await newWorld();
  const token = await world.token();
  const other = await world.token({ sid: '00000000000000aa' });
  assert.equal(await world.code(token), undefined);
  world.ended.push('00000000000000ff');
  await world.tick();
  assert.equal(await world.code(token), 'session_revoked');
  assert.equal(await world.code(other), undefined);
  assert.equal(world.verifier.isLive('00000000000000ff'), false);
  assert.equal(world.verifier.isLive('00000000000000aa'), true);
  // The lists that come after tell nothing new, and take nothing back.
  await world.tick();
  assert.equal(world.asked.at(-1), `${LIST}?since=1`);
  assert.equal(await world.code(token), 'session_revoked');
});

test('an ending is forgotten when no token of the session can be good', async () => {
  const world = await newWorld();
  world.ended.push('00000000000000ff');
  await world.verifier.ready();
  assert.equal(world.verifier.isLive('00000000000000ff'), false);
  world.ended = [];
  for (let at = 0; at < 12; at++) {
    await world.code(await world.token({ sid: '00000000000000aa' }));
    await world.tick(35);
  }
  assert.equal(world.verifier.isLive('00000000000000ff'), true);
});

test('a new key is found, and its inventors ask no more than every ten seconds', async () => {
  const world = await newWorld();
  await world.verifier.ready();
  const invented = await (await newKey('invented')).sign('at+jwt', world.claims());
  const before = world.count(KEYS);
  world.mono += 10;
  for (let at = 0; at < 20; at++) assert.equal(await world.code(invented), 'token_invalid');
  assert.equal(world.count(KEYS), before + 1);
  world.keys.push(await newKey('second'));
  // The list is signed with it by now, too: that is no stranger's invention.
  await world.tick();
  assert.equal(await world.code(await world.token()), undefined);
  assert.equal(world.count(KEYS), before + 2);
});

test('a token of a new key waits for the key, and many ask for it once', async () => {
  const world = await newWorld();
  await world.verifier.ready();
  world.mono += 10;
  world.keys.push(await newKey('second'));
  const tokens = await Promise.all(
    [1, 2, 3].map((n) => world.token({ sid: `000000000000000${n}` })),
  );
  const before = world.count(KEYS);
  const codes = await Promise.all(tokens.map(world.code));
  assert.deepEqual(codes, [undefined, undefined, undefined]);
  assert.equal(world.count(KEYS), before + 1);
});

test('a key that has gone counts for a minute, and its remembered tokens with it', async () => {
  const world = await newWorld();
  const old = await world.token({ exp: world.now + 300 });
  assert.equal(await world.code(old), undefined);
  world.keys = [await newKey('second')];
  world.mono += 58;
  world.now += 58;
  world.instead.set(LIST, () => new Response(null, { status: 502 }));
  assert.equal(await world.code(old), undefined);
  world.instead.clear();
  await world.tick(2);
  assert.equal(await world.code(old), 'token_invalid');
});

test('while the issuer is away what is known counts, and then nobody gets in', async () => {
  const world = await newWorld({ maxStaleness: 30 });
  const token = await world.token();
  assert.equal(await world.code(token), undefined);
  for (const path of [KEYS, LIST, DISCOVERY])
    world.instead.set(path, () => Promise.reject(new TypeError('fetch failed')));
  for (let at = 0; at < 30; at++) await world.tick();
  assert.equal(await world.code(token), undefined);
  await world.tick();
  assert.equal(await world.code(token), 'unavailable');
  assert.equal(world.verifier.isReady, false);
  // Told once, not every second.
  assert.equal(world.warnings.length, 1);
  assert.match(world.warnings[0], /id\.example\.com.*fetch failed/);
  world.instead.clear();
  await world.tick();
  assert.equal(await world.code(token), undefined);
});

test('an issuer that was never there lets nobody in, and is asked again', async () => {
  const world = await newWorld();
  for (const path of [KEYS, DISCOVERY])
    world.instead.set(path, () => new Response('no', { status: 500 }));
  const token = await world.token();
  assert.equal(await world.code(token), 'unavailable');
  assert.equal(
    await world.verifier.check({ method: 'GET', headers: {} }).catch((e) => e.code),
    'not_authenticated',
  );
  world.instead.clear();
  await world.tick();
  assert.equal(await world.code(token), undefined);
});

test('an old list out of a cache does not count for ever', async () => {
  const world = await newWorld({ maxStaleness: 30 });
  await world.verifier.ready();
  const frozen = await (await world.fetch(`${ISSUER}${LIST}`)).text();
  world.instead.set(LIST, () => new Response(frozen));
  const token = await world.token({ exp: world.now + 340 });
  for (let at = 0; at < 151; at++) {
    await world.tick();
    if (at % 30 === 0) await world.code(token);
  }
  assert.equal(await world.code(token), 'unavailable');
});

test('a list says with its tag alone that nothing changed', async () => {
  const world = await newWorld();
  await world.verifier.ready();
  const before = world.count(LIST);
  await world.tick();
  assert.equal(world.count(LIST), before + 1);
  assert.equal(world.verifier.isReady, true);
  // One that nobody asked about is none.
  world.instead.set(LIST, () => new Response(null, { status: 304 }));
  world.now += 120;
  await world.tick();
  assert.match(world.warnings.at(-1), /nothing changed, and was not asked/);
});

test('a clock that goes back reads the endings anew', async () => {
  const world = await newWorld();
  world.ended.push('00000000000000ff');
  await world.verifier.ready();
  world.now -= 1000;
  await world.tick();
  assert.equal(world.asked.at(-1), LIST);
  assert.equal(world.verifier.isLive('00000000000000ff'), false);
  assert.equal(await world.code(await world.token({ sid: '00000000000000aa' })), undefined);
});

test('more sessions ended than a list can name: older tokens are renewed', async () => {
  const world = await newWorld();
  const old = await world.token();
  assert.equal(await world.code(old), undefined);
  world.listMore = { issued_after: world.now };
  world.ended.push('0000000000000001');
  await world.tick();
  assert.equal(await world.code(old), 'token_expired');
  world.listMore = {};
  world.ended.push('0000000000000002');
  await world.tick();
  assert.equal(await world.code(old), 'token_expired');
  assert.equal(await world.code(await world.token()), undefined);
});

test('an idle process asks nobody, and hears of endings when it wakes', async () => {
  const world = await newWorld();
  const token = await world.token();
  assert.equal(await world.code(token), undefined);
  for (let at = 0; at < 70; at++) await world.tick();
  const before = world.asked.length;
  world.ended.push('00000000000000ff');
  for (let at = 0; at < 100; at++) await world.tick();
  assert.equal(world.asked.length, before);
  assert.equal(await world.code(token), 'session_revoked');
});

test('a probe before the first request of an idle process opens no gap for it', async () => {
  for (const probe of [
    (verifier) => verifier.isReady,
    (verifier) => verifier.isLive('00000000000000ff'),
  ]) {
    const world = await newWorld();
    const token = await world.token();
    assert.equal(await world.code(token), undefined);
    for (let at = 0; at < 170; at++) await world.tick();
    world.ended.push('00000000000000ff');
    probe(world.verifier);
    assert.equal(await world.code(token), 'session_revoked');
  }
});

test('a process that only has streams hears of endings', async () => {
  const world = await newWorld();
  await world.code(await world.token());
  const isLive = () => {
    world.used = world.mono;
    return world.verifier.isLive('00000000000000ff');
  };
  for (let at = 0; at < 10; at++) {
    for (let second = 0; second < 30; second++) await world.tick();
    assert.equal(isLive(), true);
  }
  world.ended.push('00000000000000ff');
  await world.tick();
  assert.equal(isLive(), false);
});

test('nobody counts as live by news that is too old', async () => {
  const world = await newWorld();
  assert.equal(world.verifier.isLive('00000000000000aa'), false);
  await world.verifier.ready();
  assert.equal(world.verifier.isLive('00000000000000aa'), true);
  world.instead.set(LIST, () => new Response(null, { status: 502 }));
  for (let at = 0; at < 301; at++) {
    world.used = world.mono;
    world.verifier.isLive('00000000000000aa');
    await world.tick();
  }
  assert.equal(world.verifier.isLive('00000000000000aa'), false);
});

test('an idle process that is asked whether it is ready stays so, or becomes so', async () => {
  const world = await newWorld();
  const isReady = () => {
    world.used = world.mono;
    return world.verifier.isReady;
  };
  assert.equal(isReady(), false);
  await world.turn();
  while (world.sleepers.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let at = 0; at < 400; at++) {
    assert.equal(isReady(), true);
    await world.tick();
  }
  // Asked nothing for so long that what it knew is too old.
  for (let at = 0; at < 70; at++) await world.tick();
  world.now += 400;
  world.mono += 400;
  assert.equal(isReady(), false);
  while (world.sleepers.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(isReady(), true);
});

test('a process that slept asks before it answers', async () => {
  const world = await newWorld();
  const token = await world.token();
  assert.equal(await world.code(token), undefined);
  world.ended.push('00000000000000ff');
  // Nobody wakes the sleeper: its machine was stopped.
  world.now += 100;
  world.mono += 100;
  assert.equal(await world.code(token), 'session_revoked');
});

test('an issuer that does not answer slows no request down', async () => {
  const world = await newWorld();
  const token = await world.token();
  assert.equal(await world.code(token), undefined);
  await world.tick();
  world.instead.set(LIST, () => new Promise(() => {}));
  const before = world.count(LIST);
  world.sleepers.shift()();
  while (world.count(LIST) === before) await new Promise((resolve) => setTimeout(resolve, 1));
  world.mono += 4;
  assert.equal(await world.code(token), undefined);
});

test('the document of another issuer, or of another origin, is not believed', async () => {
  const told = (more) => ({
    issuer: ISSUER,
    jwks_uri: `${ISSUER}${KEYS}`,
    revocations_uri: `${ISSUER}${LIST}`,
    ...more,
  });
  for (const [more, warning] of [
    [
      { issuer: 'https://evil.example.com' },
      /says that the issuer is https:\/\/evil\.example\.com/,
    ],
    [{ issuer: `${ISSUER}/` }, /give exactly that as issuer/],
    [{ jwks_uri: `https://evil.example.com${KEYS}` }, /no jwks_uri on the issuer's origin/],
    [{ jwks_uri: `http://id.example.com${KEYS}` }, /no jwks_uri/],
    [{ jwks_uri: 'file:///etc/passwd' }, /no jwks_uri/],
    [{ jwks_uri: 7 }, /no jwks_uri/],
    [{ revocations_uri: `https://id.example.com.evil.com${LIST}` }, /no revocations_uri/],
    [{ revocations_uri: undefined }, /no revocations_uri/],
  ]) {
    const world = await newWorld();
    world.instead.set(DISCOVERY, () => Response.json(told(more)));
    assert.equal(await world.code(await world.token()), 'unavailable');
    assert.match(world.warnings[0], warning);
  }
});

test('no redirect is followed, and nothing is read without an end', async () => {
  const endless = () => {
    const chunk = new Uint8Array(65_536).fill(32);
    return new Response(new ReadableStream({ pull: (stream) => stream.enqueue(chunk) }));
  };
  for (const [path, answer, warning] of [
    [KEYS, endless, /more than 1048576 bytes/],
    [LIST, endless, /more than 16777216 bytes/],
    [DISCOVERY, endless, /more than 1048576 bytes/],
    [KEYS, () => Response.redirect('https://evil.example.com/', 302), /answers 302/],
    [LIST, () => new Response(null, { status: 204 }), /answers 204/],
    [KEYS, () => new Response(new Uint8Array([0xff, 0xfe])), /not valid/],
  ]) {
    const world = await newWorld();
    world.instead.set(path, answer);
    assert.equal(await world.code(await world.token()), 'unavailable');
    assert.match(world.warnings[0], warning);
  }
});

test('what others put on every object opens nothing', async () => {
  const world = await newWorld({ groups: { editors: ['articles.add'] } });
  const token = await world.token({ groups: ['__proto__', 'constructor', 'planted'] });
  const planted = {
    amr: ['mfa'],
    is_staff: true,
    is_superuser: true,
    permissions: ['articles.add'],
    planted: ['articles.add'],
    kid: 'first',
    aud: 'shop',
  };
  for (const [name, value] of Object.entries(planted))
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
  try {
    const who = await world.verifier.verify(token);
    assert.equal(who.user.isStaff, false);
    assert.equal(who.hasPerm('articles.add'), false);
    assert.equal(who.claims.amr, undefined);
    const shop = createVerifier({ ...world.options, audience: 'shop' });
    await assert.rejects(shop.verify(token), { code: 'token_invalid' });
  } finally {
    for (const name of Object.keys(planted)) delete Object.prototype[name];
  }
});

test('what one handler does to the claims is not seen by the next', async () => {
  const world = await newWorld();
  const token = await world.token({ groups: ['editors'], more: { deep: [1] } });
  const who = await world.verifier.verify(token);
  assert.throws(() => (who.claims.sub = '1'), TypeError);
  assert.throws(() => who.claims.groups.push('staff'), TypeError);
  assert.throws(() => who.claims.more.deep.push(2), TypeError);
  assert.throws(() => who.user.groups.push('staff'), TypeError);
  assert.throws(() => (who.user.isStaff = true), TypeError);
  assert.equal((await world.verifier.verify(token)).user.id, '7');
});

test('a setting that cannot stand is refused at start, with what to do', () => {
  for (const [options, message] of [
    [{}, /issuer: give what the tokens say/],
    [{ issuer: '' }, /issuer: give/],
    [{ issuer: 'auth.example.com' }, /not where an issuer can be/],
    [{ issuer: 'ftp://auth.example.com' }, /not where an issuer can be/],
    [{ issuer: 'https://user:secret@auth.example.com' }, /not where an issuer can be/],
    [{ issuer: 'https://auth.example.com/?x' }, /not where an issuer can be/],
    [{ issuer: 'ours', url: 'nowhere' }, /give both, issuer and url/],
    [{ issuer: ISSUER, audience: '' }, /audience/],
    [{ issuer: ISSUER, audience: ['shop'] }, /audience/],
    [{ issuer: ISSUER, pollInterval: 0.01 }, /pollInterval/],
    [{ issuer: ISSUER, pollInterval: Number.NaN }, /pollInterval/],
    [{ issuer: ISSUER, maxStaleness: 0 }, /maxStaleness/],
  ])
    assert.throws(() => createVerifier(options), message);
  createVerifier({ issuer: 'ours', url: 'http://auth.internal:8000/' });
});
