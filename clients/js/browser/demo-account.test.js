// What the demo does for an account: signing up, a forgotten password, another address, the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, leave, visitor } from './visitor.js';
import { PASSWORD, world } from './world.js';

test('the_demo_signs_up_and_proves_an_address_by_the_code_of_the_mail', async () => {
  const open = await world({ alone: true, users: [], settings: ['--registration', 'open'] });
  try {
    const page = await visitor(open);
    await page.press('Sign up');
    await page.getByRole('heading', { name: 'Sign up' }).waitFor();
    const form = page.locator('#sign-up');
    await form.getByLabel('A name to log in with').fill('carla');
    await form.getByLabel('Your address').fill('carla@example.com');
    await form.getByLabel(/^A password/).fill('12345678');
    await form.getByRole('button', { name: 'Sign up' }).click();
    await form.getByRole('alert').getByText('(validation_error)').waitFor();
    await form.getByLabel(/^A password/).fill(PASSWORD);
    await form.getByRole('button', { name: 'Sign up' }).click();
    await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();
    await page.getByRole('heading', { name: 'Is it your address?' }).waitFor();
    const { code } = await open.mail('carla@example.com', /Confirm/);
    await page.getByLabel('The code', { exact: true }).fill('0000 0000');
    await page.press('It is mine');
    await page.locator('#prove').getByRole('alert').getByText('(link_invalid)').waitFor();
    await page.getByLabel('The code', { exact: true }).fill(code);
    await page.press('It is mine');
    await page.said('carla@example.com is proved to be yours.');
    assert.equal(await page.locator('#proof').isVisible(), false);
    await page.press('Call the profile');
    await page.locator('#answer-text').getByText('"email_verified": true').waitFor();
    await page.locator('#requests').getByText('POST /accounts/email/verify').first().waitFor();
    await leave(page);
  } finally {
    await open.stop();
  }
});

test('where_an_address_comes_first_the_demo_waits_for_it_and_then_signs_in', async () => {
  const settings = ['--registration', 'open', '--email-verification', 'required'];
  const open = await world({ alone: true, users: [], settings });
  try {
    const page = await visitor(open);
    await page.press('Sign up');
    const form = page.locator('#sign-up');
    await form.getByLabel('A name to log in with').fill('carla');
    await form.getByLabel('Your address').fill('carla@example.com');
    await form.getByLabel(/^A password/).fill(PASSWORD);
    await form.getByRole('button', { name: 'Sign up' }).click();
    await page.said('The address comes first');
    const first = await open.mail('carla@example.com', /Confirm/);
    await page.press('Send another mail');
    await page.said('another mail is on its way');
    let second = first;
    while (second.id === first.id) second = await open.mail('carla@example.com', /Confirm/);
    await page.getByLabel('The code', { exact: true }).fill(second.code);
    await page.press('It is mine');
    await page.said('is proved to be yours');
    await leave(page);
  } finally {
    await open.stop();
  }
});

test('a_forgotten_password_is_chosen_anew_by_the_code_of_the_mail', async () => {
  const other = await world({ alone: true, users: ['carla'] });
  try {
    const page = await visitor(other);
    await page.press('Forgot the password?');
    await page.getByLabel('The address or the name of the account').fill('carla');
    await page.press('Send a mail');
    await page.getByRole('heading', { name: 'A new password' }).waitFor();
    const { code } = await other.mail('carla@example.com', /Choose a new password/);
    await page.getByLabel('The address that the mail went to').fill('carla@example.com');
    await page.getByLabel('The code in it').fill(code);
    await page.getByLabel('The new one').fill('copper lantern 27');
    await page.press('Change it');
    await page.said('The password is changed');
    await page.getByLabel('User name').fill('carla');
    await page.getByLabel('Password', { exact: true }).fill('copper lantern 27');
    await page.press('Log in');
    await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();
    await leave(page);
  } finally {
    await other.stop();
  }
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_nothing_against_the_forms_of_an_account_in_a_narrow_${colorScheme}_window`, async () => {
    const settings = ['--registration', 'open', '--email-verification', 'required'];
    const open = await world({ alone: true, settings });
    try {
      const page = await visitor(open, { colorScheme, viewport: { width: 360, height: 740 } });
      const fits = async (what) => {
        await accessible(page, what);
        assert.ok(
          await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
          what,
        );
      };
      await page.press('Forgot the password?');
      await fits('a forgotten password');
      await page.getByLabel('The address or the name of the account').fill('nobody@example.com');
      await page.press('Send a mail');
      await page.getByRole('heading', { name: 'A new password' }).waitFor();
      await fits('a new password');
      await page.press('Sign up');
      await fits('sign up');
      const form = page.locator('#sign-up');
      await form.getByLabel('A name to log in with').fill('al ice');
      await form.getByLabel('Your address').fill('carla@example.com');
      await form.getByLabel(/^A password/).fill('1');
      await form.getByRole('button', { name: 'Sign up' }).click();
      await form.getByRole('alert').getByText('(validation_error)').waitFor();
      await fits('a sign-up that is refused');
      await form.getByLabel('A name to log in with').fill('carla');
      await form.getByLabel(/^A password/).fill(PASSWORD);
      await form.getByRole('button', { name: 'Sign up' }).click();
      await page.getByRole('heading', { name: 'Is it your address?' }).waitFor();
      await fits('the proof of an address');
      await leave(page);
    } finally {
      await open.stop();
    }
  });
}

test('the_demo_logs_in_with_a_code_and_changes_the_address', async () => {
  const other = await world({ alone: true, users: ['carla'], settings: ['--login-code', 'on'] });
  try {
    const page = await visitor(other, { viewport: { width: 360, height: 740 } });
    await page.press('Log in with a code');
    await page.getByLabel('The address of the account').fill('carla@example.com');
    await page.press('Send a code');
    await page.getByRole('heading', { name: 'Enter the code' }).waitFor();
    await accessible(page, 'where the code is entered');
    const mail = await other.mail('carla@example.com', /Your code/);
    await page.getByLabel('The code of the mail').fill(mail.code);
    await page.press('Log in with it');
    await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();

    await page.getByLabel('The other address').fill('carla@example.org');
    await page.getByLabel('Your password, for a new address').fill('not it');
    await page.press('Ask for it');
    await page.locator('#change').getByRole('alert').getByText('(validation_error)').waitFor();
    await page.getByLabel('Your password, for a new address').fill(PASSWORD);
    await page.press('Ask for it');
    await page.said('the old one is told');
    await accessible(page, 'where the new address is confirmed');
    await other.mail('carla@example.com', /is changing/);
    const { code } = await other.mail('carla@example.org', /Confirm your new/);
    await page.getByLabel('The code that went there').fill(code);
    await page.press('Confirm it');
    await page.said('The address is carla@example.org now.');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.press('Log out');
    await page.getByRole('heading', { name: 'Log in', exact: true }).waitFor();
    assert.equal(await page.locator('#confirm').isVisible(), false);
    await leave(page);
  } finally {
    await other.stop();
  }
});

for (const colorScheme of ['light', 'dark']) {
  test(`the_demo_undoes_a_change_deletes_the_account_and_keeps_it_in_a_narrow_${colorScheme}_window`, async () => {
    const other = await world({ alone: true, users: ['carla'] });
    try {
      const viewport = { width: 360, height: 740 };
      const page = await visitor(other, { colorScheme, viewport });
      const fits = async (what) => {
        await accessible(page, what);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= viewport.width, `${what}: ${width} pixels`);
      };
      const enter = async (password) => {
        await page.getByLabel('User name').fill('carla');
        await page.getByLabel('Password', { exact: true }).fill(password);
        await page.press('Log in');
      };
      await enter(PASSWORD);
      await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();
      await page.getByLabel('The other address').fill('thief@example.net');
      await page.getByLabel('Your password, for a new address').fill(PASSWORD);
      await page.press('Ask for it');
      const { code } = await other.mail('thief@example.net', /Confirm your new/);
      await page.getByLabel('The code that went there').fill(code);
      await page.press('Confirm it');
      await page.said('The address is thief@example.net now.');

      // The owner has the mail to the old address, and opens it anywhere.
      const owner = await (await other.browser.newContext({ colorScheme, viewport })).newPage();
      await owner.goto(`${other.own}/demo/mail`);
      const mail = owner.locator('article', { hasText: 'is changing' });
      await mail.getByRole('link', { name: /account\/undo/ }).click();
      await owner.getByRole('button', { name: 'Undo the change' }).click();
      await owner.getByRole('heading', { name: 'It is undone' }).waitFor();
      const { link } = await (async () => {
        await owner.getByRole('link', { name: 'Choose a new password' }).click();
        await owner.getByLabel('E-mail address or user name').fill('carla@example.com');
        await owner.getByRole('button', { name: 'Send the link' }).click();
        return other.mail('carla@example.com', /Choose a new password/);
      })();
      await owner.goto(link);
      await owner.getByLabel('New password').fill('copper lantern 27');
      await owner.getByLabel('The same again').fill('copper lantern 27');
      await owner.getByRole('button', { name: 'Change it' }).click();
      await owner.getByRole('heading', { name: 'Your password is changed' }).waitFor();
      await owner.context().close();

      await page.press('Call the profile');
      await page.getByRole('heading', { name: 'Log in', exact: true }).waitFor();
      await enter('copper lantern 27');
      await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();
      await page.press('Call the profile');
      await page.locator('#answer-text').getByText('carla@example.com').waitFor();
      await fits('who may delete the account');
      const form = page.locator('#delete');
      await form.getByLabel('Your password, to delete the account').fill('not it');
      await page.press('Delete it');
      await form.getByRole('alert').getByText('(validation_error)').waitFor();
      await fits('a deletion that is refused');
      await form.getByLabel('Your password, to delete the account').fill('copper lantern 27');
      await page.press('Delete it');
      await page.getByRole('heading', { name: 'Log in', exact: true }).waitFor();
      await other.mail('carla@example.com', /will be deleted/);
      await enter('copper lantern 27');
      await page.locator('#login').getByRole('alert').getByText('(deletion_planned)').waitFor();
      await fits('whether to keep it');
      await page.getByLabel('Keep the account, which is to be deleted').check();
      await page.getByLabel('Password', { exact: true }).fill('copper lantern 27');
      await page.press('Log in');
      await page.getByRole('heading', { name: 'Signed in as carla' }).waitFor();
      assert.equal(await page.locator('#keep').isVisible(), false);
      await leave(page);
    } finally {
      await other.stop();
    }
  });
}
