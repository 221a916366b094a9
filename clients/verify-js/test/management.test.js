// What is asked of the management API, and what is made of its answers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createManagement, Problem } from '@countersign/verify';

const TOKEN = `cs_${'a'.repeat(38)}`;
const ADA = {
  active: true,
  sub: '7',
  username: 'ada',
  sid: '00000000000000ff',
  exp: 1_800_000_300,
  iat: 1_800_000_000,
  token_use: 'refresh',
  is_staff: true,
  is_superuser: false,
  groups: ['editors'],
  permissions: ['articles.publish'],
};

/** A management API that answers what it is given, and notes what it was asked. */
function world(answer) {
  const asked = [];
  const fetch = async (url, { method, headers, body, redirect }) => {
    asked.push({ url, method, headers, body: JSON.parse(body), redirect });
    return typeof answer === 'function' ? answer() : Response.json(answer);
  };
  const management = createManagement({ url: 'https://id.example.com/', token: TOKEN, fetch });
  return { asked, management };
}

test('a browser is looked at by its cookies, and nothing but they travel', async () => {
  const { asked, management } = world({ ...ADA, access_token: 'a.b.c', expires_in: 60 });
  const found = await management.introspect({ cookie: 'refreshtoken=x', access: true });
  assert.deepEqual(asked, [
    {
      url: 'https://id.example.com/manage/v1/introspect',
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: { cookie: 'refreshtoken=x', access: true },
      redirect: 'manual',
    },
  ]);
  const { user, ...rest } = found;
  assert.deepEqual(rest, {
    sid: ADA.sid,
    tokenUse: 'refresh',
    expiresAt: ADA.exp,
    accessToken: 'a.b.c',
  });
  assert.deepEqual([user.id, user.username, user.isStaff], ['7', 'ada', true]);
  assert.deepEqual([user.groups, user.permissions], [ADA.groups, ADA.permissions]);
});

test('a browser without cookies is nobody, and nobody is asked', async () => {
  const { asked, management } = world(ADA);
  for (const cookie of [undefined, null, '']) {
    assert.equal(await management.introspect({ cookie }), null);
  }
  assert.deepEqual(asked, []);
});

test('a ticket is redeemed for what it was made for', async () => {
  const { exp, iat, ...ticket } = { ...ADA, token_use: 'ticket' };
  const { asked, management } = world(ticket);
  const found = await management.redeemTicket('eNdb', 'chat');
  assert.equal(asked[0].url, 'https://id.example.com/manage/v1/tickets/redeem');
  assert.deepEqual(asked[0].body, { ticket: 'eNdb', for: 'chat' });
  assert.deepEqual([found.tokenUse, found.expiresAt, found.user.id], ['ticket', undefined, '7']);
});

test('what is not good is nobody', async () => {
  const { management } = world({ active: false });
  assert.equal(await management.introspect({ token: 'a.b.c' }), null);
  assert.equal(await management.redeemTicket('eNdb'), null);
});

test('while Countersign is away it says so, and a ticket is shown once', async () => {
  for (const answer of [
    () => new Response('oops', { status: 502 }),
    () => Response.json({}, { status: 503 }),
    () => Response.json({}, { status: 429 }),
    () => Promise.reject(new TypeError('fetch failed')),
    () => new Response('x'.repeat(1024 * 1024 + 1)),
  ]) {
    const { asked, management } = world(answer);
    await assert.rejects(management.redeemTicket('eNdb'), (error) => {
      assert.ok(error instanceof Problem);
      return error.code === 'unavailable' && error.retryAfter === 1;
    });
    assert.equal(asked.length, 1);
  }
});

test('a service token that is refused is no fault of the user', async () => {
  const problem = { code: 'token_invalid', detail: 'This service token is none.' };
  const { management } = world(() => Response.json(problem, { status: 401 }));
  await assert.rejects(management.introspect({ token: 'a.b.c' }), (error) => {
    assert.ok(!(error instanceof Problem));
    assert.ok(!error.message.includes(TOKEN));
    return error.message.includes('token_invalid: This service token is none.');
  });
});

test('another answer is not believed', async () => {
  for (const answer of [
    {},
    [],
    { active: 'true' },
    { ...ADA, sub: 7 },
    { ...ADA, sid: undefined },
    { ...ADA, token_use: 'other' },
    () => new Response('<html>'),
    () => new Response(null, { status: 302, headers: { location: 'https://evil.example' } }),
  ]) {
    const { management } = world(answer);
    await assert.rejects(management.introspect({ token: 'a.b.c' }), /id\.example\.com/);
  }
  const { management } = world(() => new Response('{"active":true,"__proto__":{"sub":"7"}}'));
  await assert.rejects(management.introspect({ token: 'a.b.c' }));
});

test('it speaks to a real server, and prints no token', async () => {
  const server = createServer((request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${TOKEN}`);
    response.end(JSON.stringify(ADA));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const management = createManagement({ url, token: TOKEN });
  assert.equal((await management.introspect({ token: 'a.b.c' })).user.id, '7');
  assert.ok(!inspect(management, { showHidden: true, depth: 9 }).includes(TOKEN));
  server.close();
  server.closeAllConnections();
});

test('what cannot be a token or a place is refused at once', () => {
  for (const options of [
    { url: 'id.example.com', token: TOKEN },
    { url: 'https://id.example.com?x=1', token: TOKEN },
    { token: TOKEN },
    { url: 'https://id.example.com' },
    { url: 'https://id.example.com', token: 'a.b.c' },
    { url: 'https://id.example.com', token: `${TOKEN}\r\nx: y` },
  ])
    assert.throws(() => createManagement(options), TypeError);
});
