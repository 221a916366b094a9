// /account/security in Chromium: with a passkey, which the page's script asks for, and without any
// script. And the sign-in of the admin site with a passkey.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PASSWORD, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let w;
before(async () => (w = await world({ alone: true, users: ['alice', 'bertha', 'carol'] })));
after(() => w?.stop());

/** A window with a device that has no passkey yet. */
async function window(options = {}) {
  const context = await w.browser.newContext({ viewport: { width: 360, height: 640 }, ...options });
  const page = await context.newPage();
  page.mistakes = [];
  page.on('pageerror', (error) => page.mistakes.push(String(error)));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) page.mistakes.push(message.text());
  });
  page.says = (name) => page.getByRole('heading', { name }).first().waitFor();
  page.press = (name) => page.getByRole('button', { name }).click();
  if (options.javaScriptEnabled !== false) {
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    const device = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    };
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: device,
    });
    page.verifies = (isUserVerified) =>
      cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  }
  return page;
}

async function logIn(page, name) {
  await page.goto(`${w.own}/account/security`);
  await page.getByLabel('E-mail address or user name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

test('a_passkey_is_added_on_the_page_and_logs_in_there', async () => {
  const page = await window();
  await logIn(page, 'alice');
  await page.says('Security');
  await page.verifies(false);
  await page.getByLabel('Name of a new passkey').fill('My key');
  await page.press('Add a passkey');
  await page.getByText('The browser gave no passkey.').waitFor();
  await page.verifies(true);
  await page.press('Add a passkey');
  await page.says('Your recovery codes');
  assert.equal(await page.locator('.codes li').count(), 10);
  await page.getByRole('link', { name: 'I have them' }).click();
  await page.getByText('My key').waitFor();
  await page.press('Leave this page');
  await page.press('Log in with a passkey');
  await page.getByText('alice@example.com').waitFor();
  await page.press('Leave this page');
  await logIn(page, 'alice');
  await page.says('Your second factor');
  await page.press('Use your passkey');
  await page.getByText('alice@example.com').waitFor();
  assert.deepEqual(page.mistakes, []);
  await page.context().close();
});

test('an_operator_signs_in_and_says_who_they_are_with_a_passkey', async () => {
  const sql = (text) => {
    const script = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])';
    const database = join(w.data, 'countersign.sqlite3');
    const ran = spawnSync('python3', ['-c', script, database, text], { encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stderr);
  };
  sql("UPDATE users SET is_staff = 1, is_superuser = 1 WHERE username = 'carol'");
  const page = await window();
  await logIn(page, 'carol');
  await page.says('Security');
  await page.press('Add a passkey');
  await page.says('Your recovery codes');
  await page.goto(`${w.own}/admin/`);
  await page.press('Sign in with a passkey');
  await page.says('Dashboard');
  sql('UPDATE admin_sessions SET password_at = 0');
  await page.goto(`${w.own}/admin/groups/add`);
  await page.getByLabel('Name').fill('team');
  await page.press('Save');
  await page.says('Is it you?');
  await page.verifies(false);
  await page.press('Use your passkey');
  await page.getByText('The browser gave no passkey.').waitFor();
  await page.verifies(true);
  await page.press('Use your passkey');
  await page.says('team');
  assert.deepEqual(page.mistakes, []);
  await page.context().close();
});

test('without_a_script_there_is_all_but_passkeys', async () => {
  const page = await window({ javaScriptEnabled: false });
  await logIn(page, 'bertha');
  await page.says('Security');
  assert.equal(await page.getByRole('button', { name: 'Add a passkey' }).isVisible(), false);
  await page.press('Add an authenticator app');
  await page.says('Add an authenticator app');
  assert.ok(await page.locator('.picture svg').isVisible());
  await page.getByRole('link', { name: 'Not now' }).click();
  await page.getByText('bertha@example.com').waitFor();
  await page.context().close();
});

test('it_can_be_read_by_everybody_in_light_and_dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await window({ colorScheme, bypassCSP: true });
    for (const enter of [false, true]) {
      if (enter) await logIn(page, 'bertha');
      else await page.goto(`${w.own}/account/security`);
      await page.says(enter ? 'Security' : 'Log in to your account');
      const found = await page.evaluate(
        (axe) => ((0, eval)(axe), globalThis.axe.run(document)),
        axe,
      );
      assert.deepEqual(
        found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
        [],
      );
      const isWide = () =>
        document.documentElement.scrollWidth > document.documentElement.clientWidth;
      assert.equal(await page.evaluate(isWide), false);
    }
    await page.context().close();
  }
});
