// The server's own pages below /account/, where the links of mails lead; and the mailbox of the
// demo. All of them without a script.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { PASSWORD, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const NEW_PASSWORD = 'copper lantern 27';
let w;
before(async () => {
  const settings = ['--registration', 'open', '--email-verification', 'required'];
  settings.push('--login-code', 'on');
  w = await world({ alone: true, settings });
});
after(() => w?.stop());

const api = (path, body) =>
  fetch(`${w.own}/accounts${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
const login = (username, password) => api('/login', { username, password });

/** Registers somewhere else than in the browser, and gives the mail. */
async function registered(name) {
  const email = `${name}@example.com`;
  const answer = await api('/register', { username: name, email, password: PASSWORD });
  assert.equal(answer.status, 202);
  return w.mail(email, /Confirm your e-mail address/);
}

/** A window without scripts. */
async function window(options = {}) {
  const context = await w.browser.newContext({ javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  page.says = (name) => page.getByRole('heading', { name }).waitFor();
  page.press = (name) => page.getByRole('button', { name }).click();
  return page;
}

test('who_follows_the_link_with_their_password_has_proved_the_address_and_logs_in', async () => {
  const { link } = await registered('carla');
  assert.equal((await login('carla', PASSWORD)).status, 403);
  const page = await window();
  // Programs that open every link change nothing.
  for (let i = 0; i < 3; i++) await page.goto(link);
  await page.says('Confirm your address');
  await page.getByLabel('The password of your registration').fill('not it');
  await page.press('Confirm');
  await page.getByRole('alert').getByText('not the password').waitFor();
  await page.getByLabel('The password of your registration').fill(PASSWORD);
  await page.press('Confirm');
  await page.says('Your address is confirmed');
  assert.equal((await login('carla@example.com', PASSWORD)).status, 200);
  await page.goto(link);
  await page.press('Confirm');
  await page.says('This link does not work');
  await page.context().close();
});

test('who_follows_the_link_without_the_password_chooses_one_by_the_page_for_it', async () => {
  const { link } = await registered('dora');
  const page = await window();
  await page.goto(link);
  await page.press('Confirm');
  await page.says('Your address is confirmed');
  assert.equal((await login('dora', PASSWORD)).status, 401);
  await page.goto(`${w.own}/account/reset`);
  await page.getByLabel('E-mail address or user name').fill('dora@example.com');
  await page.press('Send the link');
  await page.says('Look into your mail');
  const mail = await w.mail('dora@example.com', /Choose a new password/);
  await page.goto(mail.link);
  await page.getByLabel('New password').fill('12345678');
  await page.getByLabel('The same again').fill('12345678');
  await page.press('Change it');
  await page.getByRole('alert').getByText('digits').waitFor();
  await page.getByLabel('New password').fill(NEW_PASSWORD);
  await page.getByLabel('The same again').fill('another one');
  await page.press('Change it');
  await page.getByRole('alert').getByText('differ').waitFor();
  await page.getByLabel('New password').fill(NEW_PASSWORD);
  await page.getByLabel('The same again').fill(NEW_PASSWORD);
  await page.press('Change it');
  await page.says('Your password is changed');
  assert.equal((await login('dora', NEW_PASSWORD)).status, 200);
  await w.mail('dora@example.com', /password was changed/);
  await page.context().close();
});

test('the_mailbox_leads_from_a_mail_to_its_page', async () => {
  await registered('emil');
  const page = await window();
  await page.goto(`${w.own}/`);
  await page.getByRole('link', { name: 'The mailbox' }).click();
  const mail = page.locator('article', { hasText: 'emil@example.com' });
  await mail.getByRole('link', { name: /as a mail program shows it/ }).click();
  await page.says('Confirm your e-mail address');
  await page.getByRole('link', { name: 'Confirm this address' }).click();
  await page.says('Confirm your address');
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`the_pages_are_for_everybody_and_fit_a_telephone_${colorScheme}`, async () => {
    const mails = [await registered(`frieda-${colorScheme}`)];
    await api('/password/reset', { username: 'alice' });
    mails.push(await w.mail('alice@example.com', /Choose a new password/));
    for (const viewport of [
      { width: 360, height: 740 },
      { width: 1280, height: 800 },
    ]) {
      const page = await window({ colorScheme, viewport, javaScriptEnabled: true });
      const look = async (what) => {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${what}: ${wide} pixels too wide`);
        const { violations } = await page.evaluate(
          (axe) => ((0, eval)(axe), globalThis.axe.run(document)),
          axe,
        );
        assert.deepEqual(
          violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 120))]),
          [],
          what,
        );
      };
      for (const mail of mails) {
        await page.goto(mail.link);
        await look(mail.subject);
        await page.goto(`${w.own}/demo/mail/${mail.id}`);
        await page.says(mail.subject);
      }
      await page.goto(`${w.own}/account/reset`);
      await look('asking for a mail');
      await page.getByLabel('E-mail address or user name').fill('nobody@example.com');
      await page.press('Send the link');
      await page.says('Look into your mail');
      await look('after asking');
      await page.goto(`${w.own}/account/reset?token=nonsense`);
      await page.getByLabel('New password').fill(NEW_PASSWORD);
      await page.getByLabel('The same again').fill(NEW_PASSWORD);
      await page.press('Change it');
      await page.says('This link does not work');
      await look('a link that does not work');
      for (const path of [
        'change?token=x',
        'undo?token=x',
        'code',
        'code?token=x',
        'invitation?token=x',
        'restore',
      ]) {
        await page.goto(`${w.own}/account/${path}`);
        await look(path);
        if (page.url().endsWith('?token=x')) continue;
        for (const input of await page.locator('input').all())
          await input.fill('nobody@example.com');
        await page.locator('button').click();
        await page.locator('main').waitFor();
        await look(`${path}, sent`);
      }
      await page.goto(`${w.own}/demo/mail`);
      await look('the mailbox');
      await page.context().close();
    }
  });
}

/** Somebody who is logged in by the API in a browser's place: their access token and cookies. */
async function signedIn(username, password) {
  const answer = await login(username, password);
  assert.equal(answer.status, 200);
  const { access_token, csrf_token } = await answer.json();
  const cookies = answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
  return (path, method, body) =>
    fetch(`${w.own}/accounts${path}`, {
      method,
      headers: {
        'Content-Type': 'application/json',
        Authorization: `Bearer ${access_token}`,
        'X-CSRFTOKEN': csrf_token,
        Cookie: cookies.join('; '),
      },
      body: body && JSON.stringify(body),
    });
}

test('a_new_address_is_confirmed_on_its_page_and_undone_on_the_other', async () => {
  const { link } = await registered('gustav');
  const page = await window();
  await page.goto(link);
  await page.getByLabel('The password of your registration').fill(PASSWORD);
  await page.press('Confirm');
  await page.says('Your address is confirmed');
  const ask = await signedIn('gustav', PASSWORD);
  const email = 'gustav@example.org';
  assert.equal((await ask('/email/change', 'POST', { email, password: PASSWORD })).status, 202);
  const change = await w.mail(email, /Confirm your new/);
  const notice = await w.mail('gustav@example.com', /is changing/);
  // In another browser than the one that asked.
  await page.goto(change.link);
  await page.press('Confirm');
  await page.getByRole('alert').getByText('Write your password.').waitFor();
  await page.getByLabel('Your password').fill(PASSWORD);
  await page.press('Confirm');
  await page.says('Your address is changed');
  const profile = async () => (await (await ask('/profile', 'GET')).json()).user;
  assert.equal((await profile()).email, email);

  await page.goto(notice.link);
  await page.says('Was it not you?');
  assert.equal((await profile()).email, email, 'to look at the page changes nothing');
  await page.press('Undo the change');
  await page.says('It is undone');
  assert.equal((await ask('/profile', 'GET')).status, 401);
  assert.equal((await login('gustav', PASSWORD)).status, 401);
  await page.getByRole('link', { name: 'Choose a new password' }).click();
  await page.getByLabel('E-mail address or user name').fill('gustav');
  await page.press('Send the link');
  await page.goto((await w.mail('gustav@example.com', /Choose a new password/)).link);
  await page.getByLabel('New password').fill(NEW_PASSWORD);
  await page.getByLabel('The same again').fill(NEW_PASSWORD);
  await page.press('Change it');
  await page.says('Your password is changed');
  assert.equal((await login('gustav@example.com', NEW_PASSWORD)).status, 200);
  await page.context().close();
});

test('a_code_logs_in_on_its_page_and_its_link_in_the_browser_that_asked', async () => {
  const page = await window();
  const cookie = async () =>
    (await page.context().cookies()).find(({ name }) => name === 'refreshtoken');
  await page.goto(`${w.own}/account/code`);
  await page.getByLabel('E-mail address').fill('bertha@example.com');
  await page.press('Send the code');
  const mail = await w.mail('bertha@example.com', /Your code/);
  await page.getByLabel('The code').fill('0000 0000');
  await page.press('Log in');
  await page.getByRole('alert').getByText('does not work').waitFor();
  assert.equal(await cookie(), undefined);
  const other = await window();
  await other.goto(mail.link);
  await other.press('Log in');
  await other.says('This link does not work here');
  await page.goto(mail.link);
  await page.press('Log in');
  await page.says('You are logged in');
  assert.ok(await cookie());
  for (const one of [page, other]) await one.context().close();
});

test('whoever_deleted_the_account_comes_back_on_the_page_of_the_mail', async () => {
  const { link: proof } = await registered('hanna');
  const page = await window();
  await page.goto(proof);
  await page.getByLabel('The password of your registration').fill(PASSWORD);
  await page.press('Confirm');
  await page.says('Your address is confirmed');
  const ask = await signedIn('hanna', PASSWORD);
  assert.equal((await ask('/profile', 'DELETE', { password: PASSWORD })).status, 204);
  assert.equal((await ask('/profile', 'GET')).status, 401);
  const { link } = await w.mail('hanna@example.com', /will be deleted/);
  await page.goto(link);
  await page.says('Keep your account');
  assert.equal((await login('hanna', PASSWORD)).status, 403, 'to look at the page changes nothing');
  await page.getByLabel('E-mail address or user name').fill('hanna@example.com');
  await page.getByLabel('Password').fill('not it');
  await page.press('Keep it');
  await page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
  await page.getByLabel('E-mail address or user name').fill('hanna@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.press('Keep it');
  await page.says('Your account is kept');
  assert.equal((await login('hanna', PASSWORD)).status, 200);
  await page.context().close();
});

/** Invites somebody, as an operator does in the shell: the mail. */
async function invited(email, language = 'en') {
  const args = ['user', 'invite', email, '--language', language, '--data-dir', w.data];
  // Links stand below the server's address, which the shell does not know.
  args.push('--public-url', w.own);
  const { status, stderr } = spawnSync(process.env.COUNTERSIGN_BIN, args, {
    env: {},
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return w.mail(email, /invited|eingeladen/);
}

test('whoever_is_invited_chooses_a_password_on_the_page_of_the_mail', async () => {
  const { link } = await invited('ivan@example.com');
  const page = await window();
  for (let i = 0; i < 3; i++) await page.goto(link);
  await page.says('Choose a password');
  await page.getByLabel('New password').fill('ivan1');
  await page.getByLabel('The same again').fill('ivan1');
  await page.press('Choose it');
  await page.getByRole('alert').getByText('Too short').waitFor();
  await page.getByLabel('New password').fill(NEW_PASSWORD);
  await page.getByLabel('The same again').fill(NEW_PASSWORD);
  await page.press('Choose it');
  await page.says('Welcome');
  assert.equal((await login('ivan@example.com', NEW_PASSWORD)).status, 200);
  await page.goto(link);
  await page.getByLabel('New password').fill(NEW_PASSWORD);
  await page.getByLabel('The same again').fill(NEW_PASSWORD);
  await page.press('Choose it');
  await page.says('This link does not work');
  await page.context().close();
});

test('the_pages_speak_german_to_a_browser_that_does', async () => {
  const { link, text } = await invited('jola@example.com', 'de');
  assert.match(text, /Der Link gilt bis/);
  const page = await window({ locale: 'de-AT', viewport: { width: 360, height: 740 } });
  await page.goto(link);
  await page.says('Wählen Sie ein Passwort');
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  await page.getByLabel('Neues Passwort').fill('12345');
  await page.getByLabel('Noch einmal dasselbe').fill('12345');
  await page.press('Passwort festlegen');
  await page.getByRole('alert').getByText('Zu kurz').waitFor();
  await page.getByRole('alert').getByText('Nur Ziffern').waitFor();
  await page.getByLabel('Neues Passwort').fill(NEW_PASSWORD);
  await page.getByLabel('Noch einmal dasselbe').fill(NEW_PASSWORD);
  await page.press('Passwort festlegen');
  await page.says('Willkommen');
  await page.context().close();
});
