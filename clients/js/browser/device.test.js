// Sessions that a real Chromium binds to a key in software (DBSC), over TLS.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { boundWorld, pause, REFRESH, SETTLED, TICKET } from './tls.js';

const bound = (name, options, promise) =>
  test(name, { timeout: 180_000 }, async () => {
    const w = await boundWorld(options);
    try {
      await promise(w);
    } finally {
      await w.stop();
    }
  });

bound('a refresh without a ticket waits for a proof, and four tabs for one', {}, async (w) => {
  await w.bind();
  let mark = w.log.length;
  assert.equal((await w.refresh()).status, 200);
  assert.deepEqual(w.since(mark), ['/refresh 200'], 'with a ticket nothing more is sent');

  await w.dropTicket();
  mark = w.log.length;
  assert.equal((await w.refresh()).status, 200);
  assert.deepEqual(w.since(mark), [
    '/device/refresh 403 device_proof_required',
    '/device/refresh 200',
    '/refresh 200',
  ]);

  const tabs = [w.page, await w.tab(), await w.tab(), await w.tab()];
  await w.dropTicket();
  mark = w.log.length;
  const answers = await Promise.all(tabs.map((tab) => w.refresh(tab)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const proofs = w.since(mark).filter((line) => line === '/device/refresh 200');
  assert.equal(proofs.length, 1, w.since(mark).join('\n'));
});

bound('a copied jar is worth nothing without its ticket', {}, async (w) => {
  await w.bind();
  const jar = await w.jar();
  assert.ok(jar.some(({ name }) => name === TICKET));
  assert.ok(jar.some(({ name }) => name === REFRESH));
  const whole = await w.copied(jar);
  assert.equal(whole.status, 200, 'while the ticket is good, the whole jar works');
  const bare = jar.filter(({ name }) => name !== TICKET);
  for (let time = 0; time < 3; time += 1) {
    const refused = await w.copied(bare);
    assert.deepEqual([refused.status, refused.code], [401, 'session_unproved']);
    assert.equal(refused.token, undefined);
  }
  const skipped = await w.copied(bare, { 'secure-session-skipped': 'quota_exceeded' });
  assert.deepEqual([skipped.status, skipped.code], [503, 'device_proof_skipped']);
  // Nothing of that is in the owner's way.
  await w.dropTicket();
  assert.equal((await w.refresh()).status, 200);
});

bound('after a logout the browser is told once, and the next login is bound', {}, async (w) => {
  await w.bind();
  assert.equal((await w.call('/logout')).status, 204);
  let mark = w.log.length;
  assert.equal((await w.refresh()).code, 'refresh_token_missing');
  assert.deepEqual(w.since(mark), [
    '/device/refresh 200 ended',
    '/refresh 401 refresh_token_missing',
  ]);
  mark = w.log.length;
  await w.refresh();
  assert.deepEqual(w.since(mark), ['/refresh 401 refresh_token_missing']);
  await w.bind();
});

bound('a login over a live session is bound anew', {}, async (w) => {
  await w.bind();
  await w.bind();
  await w.dropTicket();
  const mark = w.log.length;
  assert.equal((await w.refresh()).status, 200);
  const seen = w.since(mark);
  assert.ok(seen.includes('/device/refresh 200'), seen.join('\n'));
  assert.equal(seen.at(-1), '/refresh 200');
});

bound('server and browser start again, and the key is still there', {}, async (w) => {
  await w.bind();
  await w.dropTicket();
  await w.stopServer();
  assert.equal((await w.refresh()).status, 0, 'nobody is there');
  await w.serve();
  assert.equal((await w.refresh()).status, 200);
  // Chromium writes its cookies and bound sessions down within seconds.
  await pause(3_000);
  await w.browser.close();
  await w.open();
  await w.dropTicket();
  const mark = w.log.length;
  assert.equal((await w.refresh()).status, 200);
  assert.ok(w.since(mark).includes('/device/refresh 200'), w.since(mark).join('\n'));
});

bound('a lost start locks nobody out, and the session is offered again', {}, async (w) => {
  w.fault = ({ path }) => (path.endsWith('/device/start') ? { lost: true } : undefined);
  assert.equal((await w.login()).status, 200);
  await w.until(() => w.log.some(({ path }) => path.endsWith('/device/start')));
  await pause(SETTLED);
  w.fault = undefined;
  assert.equal((await w.refresh()).status, 200);
  await w.until(() => w.started().length > 0);
  await pause(SETTLED);
  assert.equal((await w.refresh()).status, 200);
  const bare = (await w.jar()).filter(({ name }) => name !== TICKET);
  assert.equal((await w.copied(bare)).code, 'session_unproved');
});

bound('a lost proof is made again', {}, async (w) => {
  await w.bind();
  await w.dropTicket();
  let lose = 1;
  w.fault = ({ path, headers }) => {
    const is_proof = path.endsWith('/device/refresh') && 'secure-session-response' in headers;
    return is_proof && lose-- > 0 ? { lost: true } : undefined;
  };
  const first = await w.refresh();
  const answer = first.status === 200 ? first : await w.refresh();
  assert.equal(answer.status, 200, w.since(0).join('\n'));
});

bound('trouble at the proof puts off, and ends nothing', {}, async (w) => {
  await w.bind();
  await w.dropTicket();
  w.fault = ({ path }) => (path.endsWith('/device/refresh') ? { status: 503 } : undefined);
  for (let time = 0; time < 8; time += 1) {
    const put_off = await w.refresh();
    assert.deepEqual([put_off.status, put_off.code], [503, 'device_proof_skipped']);
    await pause(700);
  }
  w.fault = undefined;
  let answer;
  for (let time = 0; time < 20 && answer?.status !== 200; time += 1) {
    answer = await w.refresh();
    await pause(1_000);
  }
  assert.equal(answer.status, 200, w.since(0).join('\n'));
});

bound('who has signed six times in nine minutes is put off', {}, async (w) => {
  await w.bind();
  const answers = [];
  for (let time = 0; time < 8; time += 1) {
    await w.dropTicket();
    answers.push(await w.refresh());
  }
  assert.equal(answers[0].status, 200);
  assert.deepEqual(answers.at(-1), { status: 503, code: 'device_proof_skipped' });
  const { skipped } = w.log.at(-1);
  assert.match(skipped, /^quota_exceeded/);
});

for (const [cross, site] of [
  ['origin', 'same-site'],
  ['site', 'cross-site'],
])
  bound(`a page on another ${cross} refreshes with a proof too`, { cross }, async (w) => {
    await w.bind();
    await w.dropTicket();
    const mark = w.log.length;
    assert.equal((await w.refresh()).status, 200);
    const seen = w.since(mark).filter((line) => !line.includes(' 204'));
    assert.ok(seen.includes('/device/refresh 200'), seen.join('\n'));
    assert.equal(w.log.at(-1).site, site);
    const bare = (await w.jar()).filter(({ name }) => name !== TICKET);
    assert.equal((await w.copied(bare)).code, 'session_unproved');
  });

bound('a minute of errors at the proof puts off, and ends nothing', {}, async (w) => {
  await w.bind();
  await w.dropTicket();
  let asked = 0;
  w.fault = ({ path }) =>
    path.endsWith('/device/refresh') ? { status: [500, 502, 503, 504][asked++ % 4] } : undefined;
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const put_off = await w.refresh();
    assert.deepEqual([put_off.status, put_off.code], [503, 'device_proof_skipped']);
    await pause(3_000);
  }
  assert.ok(asked >= 4, `${asked}`);
  w.fault = undefined;
  let answer;
  for (let time = 0; time < 60 && answer?.status !== 200; time += 1) {
    answer = await w.refresh();
    await pause(1_000);
  }
  assert.equal(answer.status, 200, w.since(0).join('\n'));
});

const faketime = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

test(
  'a node whose clock is two minutes behind takes the tickets and proofs of another',
  { timeout: 120_000, skip: faketime ? false : 'libfaketime is not installed' },
  async () => {
    const w = await boundWorld();
    try {
      const ahead = { LD_PRELOAD: faketime, FAKETIME: '+120', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
      await w.stopServer();
      await w.serve(ahead);
      await w.bind();
      await w.dropTicket();
      assert.equal((await w.refresh()).status, 200);
      await w.stopServer();
      await w.serve();
      assert.equal((await w.refresh()).status, 200, 'the ticket of the node that is ahead');
      await w.dropTicket();
      assert.equal((await w.refresh()).status, 200, 'a proof at the node that is behind');
    } finally {
      await w.stop();
    }
  },
);
