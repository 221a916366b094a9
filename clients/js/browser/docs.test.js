// The API page, /docs: every operation can be tried there, under its policy.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { PASSWORD, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let w;
before(async () => (w = await world({ alone: true })));
after(() => w?.stop());

/** Somebody who opens the page. */
async function reader(options = {}) {
  const context = await w.browser.newContext(options);
  const page = await context.newPage();
  page.mistakes = [];
  page.on('pageerror', (error) => page.mistakes.push(String(error)));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      window.violations.push(`${violatedDirective} ${blockedURI}`),
    );
  });
  await page.goto(`${w.own}/docs`);
  /** Opens an operation, once; its form. */
  page.operation = async (name) => {
    const form = page.locator(`form[aria-label="Try ${name}"]`);
    const details = page.locator('details', { has: form });
    if (!(await details.evaluate((one) => one.open))) await details.locator('summary').click();
    return form;
  };
  /** Fills in, sends, and waits for the status. */
  page.attempt = async (name, status, fields = {}) => {
    const form = await page.operation(name);
    for (const [field, value] of Object.entries(fields))
      await form.locator(`[name="${field}"]`).fill(value);
    await form.getByRole('button', { name: 'Send' }).click();
    await form.locator('.status').getByText(status).waitFor();
    return form;
  };
  page.logIn = () =>
    page.attempt('POST /accounts/login', '200 OK', {
      body: JSON.stringify({ username: 'alice', password: PASSWORD }),
    });
  page.leave = async () => {
    assert.deepEqual(page.mistakes, []);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    await context.close();
  };
  return page;
}

test('a_login_made_on_the_page_fills_its_tokens_in_wherever_they_are_asked_for', async () => {
  const page = await reader();
  const login = await page.operation('POST /accounts/login');
  assert.deepEqual(JSON.parse(await login.locator('textarea').inputValue()), {
    username: 'alice',
    password: 'correct horse battery staple',
  });
  await page.attempt('GET /accounts/profile', '401 Unauthorized');
  await page.logIn();
  const profile = await page.attempt('GET /accounts/profile', '200 OK');
  await profile.locator('.body').getByText('"username": "alice"').waitFor();
  await profile
    .locator('.headers')
    .getByText(/^x-request-id: /m)
    .waitFor();
  const written = await page.attempt('PATCH /accounts/profile', '200 OK', {
    body: '{"first_name": "Alice"}',
  });
  await written.locator('.body').getByText('"first_name": "Alice"').waitFor();
  // Without the countersign it is refused, and the page shows how.
  const refused = await page.attempt('PATCH /accounts/profile', '403 Forbidden', {
    'X-CSRFTOKEN': '',
  });
  await refused.locator('.body').getByText('"code": "csrf_failed"').waitFor();
  await page.leave();
});

test('a_refresh_replaces_the_token_that_is_filled_in', async () => {
  const page = await reader();
  await page.logIn();
  const profile = await page.operation('GET /accounts/profile');
  await profile.locator('[name=Authorization]').fill('Bearer old');
  const refreshed = await page.attempt('POST /accounts/refresh', '200 OK');
  const { access_token } = JSON.parse(await refreshed.locator('.body').innerText());
  assert.equal(
    await profile.locator('[name=Authorization]').inputValue(),
    `Bearer ${access_token}`,
  );
  await page.attempt('GET /accounts/verify', '204 No Content');
  await page.leave();
});

test('parameters_go_into_the_path_and_the_query', async () => {
  const page = await reader();
  await page.logIn();
  const list = await page.attempt('GET /accounts/sessions', '200 OK');
  const { sessions } = JSON.parse(await list.locator('.body').innerText());
  await page.attempt('DELETE /accounts/sessions/{id}', '404 Not Found', { id: '../logout?x=#' });
  await page.attempt('DELETE /accounts/sessions/{id}', '204 No Content', {
    id: sessions.find(({ current }) => current).id,
  });
  await page.attempt('GET /accounts/profile', '401 Unauthorized');
  const asked = page.waitForRequest('**/.well-known/revocations?since=x%26y');
  await page.attempt('GET /.well-known/revocations', '200 OK', { since: 'x&y' });
  await asked;
  await page.leave();
});

test('tokens_are_in_the_pages_memory_only_and_can_be_forgotten', async () => {
  const page = await reader();
  await page.logIn();
  await page.getByText('kept in the memory of this page only').waitFor();
  const kept = await page.evaluate(() => [
    document.cookie,
    { ...localStorage },
    { ...sessionStorage },
  ]);
  assert.match(kept[0], /^csrftoken=[\w-]+$/);
  assert.deepEqual(kept.slice(1), [{}, {}]);
  await page.getByRole('button', { name: 'Forget the tokens' }).click();
  await page.attempt('GET /accounts/profile', '401 Unauthorized');
  // The cookie is the browser's: with its countersign, asked for anew, the session goes on.
  await page.reload();
  await page.attempt('GET /accounts/csrf', '200 OK');
  await page.attempt('POST /accounts/refresh', '200 OK');
  await page.attempt('GET /accounts/profile', '200 OK');
  await page.leave();
});

test('what_cannot_be_sent_is_told', async () => {
  const page = await reader();
  await page.attempt('GET /accounts/profile', 'Not answered', { Authorization: 'Bearer \u2603' });
  await page.route('**/healthz', (route) => route.abort());
  await page.attempt('GET /healthz', 'Not answered');
  await page.leave();
});

test('without_a_script_the_page_is_there_to_be_read', async () => {
  const page = await reader({ javaScriptEnabled: false });
  assert.equal(await page.locator('form.try:visible').count(), 0);
  assert.ok((await page.locator('summary').count()) >= 15);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_nothing_against_the_page_and_a_narrow_window_will_do_${colorScheme}`, async () => {
    const page = await reader({ colorScheme, viewport: { width: 360, height: 740 } });
    await page.logIn();
    await page.attempt('GET /accounts/profile', '200 OK');
    await page.operation('DELETE /accounts/sessions/{id}');
    const { violations } = await page.evaluate(
      (axe) => ((0, eval)(axe), window.axe.run(document)),
      axe,
    );
    assert.deepEqual(
      violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 120))]),
      [],
    );
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    await page.leave();
  });
}

test('after_one_login_at_the_top_every_operation_can_be_called', async () => {
  const page = await reader();
  const login = page.getByRole('form', { name: 'Log in' });
  assert.equal(await page.getByRole('button', { name: 'Forget the tokens' }).isVisible(), false);
  await login.getByLabel('User name').fill('bertha');
  await login.getByLabel('Password').fill('wrong');
  await login.getByRole('button', { name: 'Log in' }).click();
  await login.getByRole('status').getByText('No active user with this name and password').waitFor();
  await login.getByLabel('Password').fill(PASSWORD);
  await login.getByRole('button', { name: 'Log in' }).click();
  await login.getByRole('status').getByText('You are bertha.').waitFor();
  assert.equal(await login.getByLabel('Password').inputValue(), '');
  const body = (value) => ({ body: JSON.stringify(value) });
  const calls = {
    'POST /accounts/login': ['200 OK', body({ username: 'bertha', password: PASSWORD })],
    'POST /accounts/refresh': ['200 OK'],
    'POST /accounts/device/start': ['401 Unauthorized'],
    'POST /accounts/device/refresh': ['200 OK'],
    'GET /accounts/csrf': ['200 OK'],
    'GET /accounts/session': ['200 OK'],
    'GET /accounts/profile': ['200 OK'],
    'PATCH /accounts/profile': ['200 OK', body({ last_name: 'B' })],
    'DELETE /accounts/profile': ['400 Bad Request', body({ password: `not ${PASSWORD}` })],
    'GET /accounts/profile/export': ['200 OK'],
    'POST /accounts/password': [
      '204 No Content',
      body({ old_password: PASSWORD, new_password: `${PASSWORD} and 15` }),
    ],
    'POST /accounts/login/factor': [
      '401 Unauthorized',
      body({ pending_token: 'a.b.c', code: '123456' }),
    ],
    'POST /accounts/step-up': ['200 OK', body({ password: `${PASSWORD} and 15` })],
    'POST /accounts/login/passkey/begin': ['200 OK'],
    'POST /accounts/login/passkey/finish': ['401 Unauthorized', body({ passkey: { id: 'AQID' } })],
    'POST /accounts/passkeys/register/begin': ['200 OK'],
    'POST /accounts/passkeys/register/finish': [
      '400 Bad Request',
      body({ passkey: { id: 'AQID' } }),
    ],
    'GET /accounts/factors': ['200 OK'],
    'POST /accounts/factors/totp': ['201 Created'],
    'POST /accounts/factors/totp/confirm': ['400 Bad Request', body({ code: 'no code' })],
    'POST /accounts/factors/recovery-codes': ['409 Conflict'],
    'PATCH /accounts/factors/{id}': ['404 Not Found', { id: '1', ...body({ name: 'x' }) }],
    'DELETE /accounts/factors/{id}': ['404 Not Found', { id: '1' }],
    'GET /accounts/sessions': ['200 OK', { limit: '5' }],
    'DELETE /accounts/sessions/{id}': ['404 Not Found', { id: '1' }],
    'PATCH /accounts/sessions/{id}': ['404 Not Found', { id: '1', ...body({ device_name: 'x' }) }],
    'POST /accounts/password/reset': ['202 Accepted', body({ username: 'nobody' })],
    'POST /accounts/password/reset/confirm': [
      '400 Bad Request',
      body({ token: 'x', new_password: `${PASSWORD} and 16` }),
    ],
    'POST /accounts/email/verify': ['400 Bad Request', body({ token: 'x' })],
    'POST /accounts/email/verify/resend': ['202 Accepted', body({ email: 'nobody@example.com' })],
    'POST /accounts/email/change': [
      '400 Bad Request',
      body({ email: 'b@example.org', password: 'wrong' }),
    ],
    'POST /accounts/email/change/confirm': ['400 Bad Request', body({ token: 'x' })],
    'POST /accounts/undo': ['400 Bad Request', body({ token: 'x' })],
    'POST /accounts/tickets': ['200 OK', body({ for: 'chat' })],
    'GET /accounts/verify': ['204 No Content'],
    'GET /.well-known/openid-configuration': ['200 OK'],
    'GET /.well-known/oauth-authorization-server': ['200 OK'],
    'GET /.well-known/jwks.json': ['200 OK'],
    'GET /.well-known/revocations': ['200 OK'],
    'GET /healthz': ['200 OK'],
    'GET /readyz': ['200 OK'],
    'POST /accounts/logout-all': ['204 No Content', body({ keep_current: true })],
    'POST /accounts/logout': ['204 No Content'],
  };
  for (const [name, [status, fields]] of Object.entries(calls)) {
    await page.attempt(name, status, fields);
  }
  const forms = page.locator('form.try');
  const there = await forms.evaluateAll((all) =>
    all.map(({ dataset }) => `${dataset.method} ${dataset.path}`),
  );
  assert.deepEqual(there.sort(), Object.keys(calls).sort());
  await page.leave();
});

test('the_page_says_what_is_required_and_which_values_are_allowed', async () => {
  const page = await reader({ javaScriptEnabled: false });
  const row = async (summary, field) => {
    const hasText = new RegExp(`${summary}\\s*$`);
    const details = page.locator('details', { has: page.locator('summary', { hasText }) });
    if (!(await details.evaluate((one) => one.open))) await details.locator('summary').click();
    const rows = details.locator('tr', { has: page.getByText(field, { exact: true }) });
    return (await rows.first().innerText()).replace(/\s+/g, ' ');
  };
  const username = await row('Log in', 'username');
  assert.match(username, /^username string, at least 1, at most 254 characters required /);
  assert.match(await row('Log in', 'transport'), /One of cookie body/);
  const list = 'List the user\'s sessions';
  assert.match(await row(list, 'limit'), /^limit query integer, from 1, to 100 /);
  assert.match(await row(list, 'sessions[].device'), /required/);
  await page.getByText('session_revoked').last().waitFor();
  await page.context().close();
});
