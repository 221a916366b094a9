// Second factors on the demo page, in Chromium: an app, a passkey, recovery codes, and the second
// step of a login.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { codeOf } from './totp.js';
import { PASSWORD, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let w;
before(async () => (w = await world({ alone: true })));
after(() => w?.stop());

/** Somebody who opens the demo, on a device that can keep passkeys. */
async function visitor(options = {}) {
  const context = await w.browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.mistakes = [];
  page.on('pageerror', (error) => page.mistakes.push(String(error)));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) page.mistakes.push(message.text());
  });
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  page.press = (name) => page.getByRole('button', { name, exact: true }).click();
  page.said = (text) => page.locator('#said').getByText(text).waitFor();
  page.isIn = (name) => page.getByRole('heading', { name: `Signed in as ${name}` }).waitFor();
  page.logIn = async (name) => {
    await page.getByLabel('User name').fill(name);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.press('Log in');
  };
  await page.goto(w.own);
  return page;
}

async function accessible(page, what) {
  const found = await page.evaluate((axe) => {
    if (!window.axe) (0, eval)(axe);
    return window.axe.run(document);
  }, axe);
  assert.deepEqual(found.violations.map(({ id }) => id), [], what);
}

test('an_app_is_enrolled_asked_for_and_removed_after_a_proof', async () => {
  const page = await visitor();
  await page.logIn('alice');
  await page.isIn('alice');
  await page.getByText('You have none.').waitFor();
  await page.press('Add an authenticator app');
  const drawn = () => page.locator('#app-picture').evaluate((image) => image.naturalWidth > 0);
  await page.locator('#app-picture').waitFor();
  assert.ok(await drawn(), 'the picture is there');
  const secret = await page.locator('#app-secret').textContent();
  await page.getByLabel('The code that the app shows').fill('000000');
  await page.press('Confirm it');
  await page.getByRole('alert').getByText('This is not the code').waitFor();
  await accessible(page, 'a wrong code');
  await page.getByLabel('The code that the app shows').fill(codeOf(secret));
  await page.press('Confirm it');
  await page.said('The app is a second factor from now on.');
  const codes = (await page.locator('#codes-text').textContent()).split('\n');
  assert.equal(codes.length, 10);
  await page.getByText('10 recovery codes are left.').waitFor();
  await accessible(page, 'recovery codes');

  await page.press('Log out');
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  assert.equal(await page.locator('#codes-text').textContent(), '', 'nothing of it stays');
  await page.logIn('alice');
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
  const code = page.getByLabel('The code of your app, or a recovery code', { exact: true });
  await code.fill('000000');
  await page.press('Go on');
  await page.getByRole('alert').getByText('(factor_invalid)').waitFor();
  await accessible(page, 'the second step');
  await code.fill(codeOf(secret, 30));
  await page.getByLabel('Do not ask on this device').check();
  await page.press('Go on');
  await page.isIn('alice');

  // This device is remembered, and has proved no factor by that.
  await page.press('Log out');
  await page.logIn('alice');
  await page.isIn('alice');
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByLabel('Is it you?').fill(codes[0].toUpperCase());
  await page.press('It is me');
  await page.said('Now do it again.');
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByText('You have none.').waitFor();
  assert.deepEqual(page.mistakes, []);
  await page.context().close();
});

test('a_passkey_is_added_logs_in_alone_and_is_the_second_step', async () => {
  const page = await visitor({ viewport: { width: 360, height: 640 }, colorScheme: 'dark' });
  await page.logIn('bertha');
  await page.isIn('bertha');
  await page.press('Add a passkey');
  await page.said('The passkey logs in from now on');
  await page.getByText('on one device alone').waitFor();
  await page.press('Log out');
  await page.press('Log in with a passkey');
  await page.isIn('bertha');
  await page.press('Log out');
  await page.logIn('bertha');
  await page.press('Use your passkey');
  await page.isIn('bertha');
  await accessible(page, 'with a passkey, narrow and dark');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, 'nothing is wider than the window');
  assert.deepEqual(page.mistakes, []);
  await page.context().close();
});
