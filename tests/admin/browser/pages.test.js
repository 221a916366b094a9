import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { PASSWORD, first, pages, people, signIn, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let w, ids;
// Nobody listens there, so that messages wait.
const config = `[[hook]]
name = "crm"
url = "http://127.0.0.1:9/in"
events = "*"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
private = true
`;
before(async () => (w = await world({ config })));
after(() => w.stop());

/** A window without scripts; whatever the browser complains of is kept. */
async function window(options = {}) {
  const context = await w.browser.newContext({ javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on(
    'console',
    (message) => message.type() === 'error' && page.complaints.push(message.text()),
  );
  page.said = (text) => page.getByRole('status').getByText(text).waitFor();
  page.press = (name) => page.getByRole('button', { name }).click();
  return page;
}

test('the_whole_site_works_without_a_script', async () => {
  const page = await window();
  await first(page, w.link);
  await page.said('the first superuser');
  assert.equal((await page.goto(w.link)).status(), 404, 'the link works once');
  ids = await people(page, w.url, ['alice', 'bertha']);

  // A user: edited, in a group, found again.
  await page.goto(`${w.url}/admin/users/${ids.user}/`);
  await page.getByLabel('Last name').fill('Anderson');
  await page.getByLabel('Metadata').fill('{"plan": "gold"}');
  await page.press('Save');
  await page.said('saved');
  await page.getByRole('link', { name: 'Groups and permissions', exact: true }).click();
  await page.getByLabel('Support').check();
  await page.press('Save');
  await page.said('Groups and permissions were saved');
  await page.getByRole('row', { name: /shop\.refund_order.*the group Support/ }).waitFor();
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await page.getByLabel('Name, e-mail or id').fill('ALI');
  await page.getByLabel('Group').selectOption('Support');
  await page.press('Search');
  await page.getByText('1 user', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Last name' }).click();
  await page.getByRole('link', { name: 'alice', exact: true }).click();

  // Sessions: looked at, and ended.
  await page.getByRole('link', { name: 'look at them' }).click();
  await page
    .getByRole('row', { name: /Firefox on Linux/ })
    .getByRole('link', { name: ids.session })
    .click();
  await page.getByText('turned in for the next').first().waitFor();
  await page.press('End this session');
  await page.said('ended');
  await page.getByText('An operator ended it').waitFor();

  // A password: refused where it is weak, then set.
  await page.goto(`${w.url}/admin/users/${ids.user}/password`);
  await page.getByLabel('New password').fill('12345678');
  await page.getByLabel('The same password again').fill('12345678');
  await page.press('Set the password');
  await page
    .getByText(/entirely numeric|only digits|too common/i)
    .first()
    .waitFor();
  await page.getByLabel('New password').fill('another kettle 15');
  await page.getByLabel('The same password again').fill('another kettle 15');
  await page.press('Set the password');
  await page.said('The password was set');

  // The audit log: filtered, and exported.
  await page.getByRole('link', { name: 'Audit log', exact: true }).click();
  await page.getByLabel('What').selectOption('Set a password');
  await page.press('Search');
  await page.getByRole('row', { name: /Set a password.*root.*alice/ }).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export as CSV' }).click();
  const csv = readFileSync(await (await download).path(), 'utf8');
  assert.match(csv, /^"line","at".*\r\n"\d+","[^"]+","Set a password","\d+","root","\d+","alice"/);

  // Keys: rotated.
  await page.getByRole('link', { name: 'Keys', exact: true }).click();
  await page.press('Rotate');
  await page.said('A new key was made');
  await page.getByRole('row', { name: /next/ }).waitFor();

  // Bertha goes, after a look at what goes too.
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await page.getByLabel('Choose bertha').check();
  await page.getByLabel('What to do').selectOption('delete');
  await page.press('Go');
  await page.getByText('1 live session, which ends at once').waitFor();
  await page.press('Delete this user');
  await page.said('deleted');
  assert.equal(await page.getByRole('link', { name: 'bertha' }).count(), 0);

  await page.press('Sign out');
  await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
  await page.goto(`${w.url}/admin/keys/`);
  await page.getByLabel('User name').fill('root');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.press('Sign in');
  await page.getByRole('heading', { name: 'Keys', level: 1 }).waitFor();
  assert.deepEqual(
    page.complaints.filter((text) => !text.includes('404') && !text.includes('400')),
    [],
  );
  await page.context().close();
});

test('every_page_may_run_no_script_and_is_small', async () => {
  const page = await window();
  await signIn(page, w.url);
  for (const [name, path] of Object.entries(pages(ids))) {
    const response = await page.goto(w.url + path);
    const policy = response.headers()['content-security-policy'];
    assert.match(
      policy,
      /^default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'/,
      name,
    );
    assert.doesNotMatch(policy, /script-src|unsafe/, name);
    const html = await response.text();
    assert.doesNotMatch(html, /<script|\son\w+=|\sstyle=|javascript:/i, name);
    assert.ok(html.length <= 50 * 1024, `${name}: ${html.length} bytes`);
  }
  const style = await page.request.get(
    `${w.url}${/href="(\/admin\/style\.css[^"]*)"/.exec(await page.content())[1]}`,
  );
  assert.match(style.headers()['cache-control'], /immutable/);
  assert.ok((await style.body()).length <= 15 * 1024);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [360, 1280, 2560]) {
    test(`axe_finds_nothing_at_${width}_pixels_in_the_${colorScheme}`, async () => {
      // Axe is a script: for it alone the policy is put aside.
      const page = await window({
        javaScriptEnabled: true,
        bypassCSP: true,
        colorScheme,
        viewport: { width, height: 900 },
      });
      const look = async (name) => {
        await page.addScriptTag({ content: axe });
        const { violations } = await page.evaluate(() =>
          axe.run(document, {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
          }),
        );
        const told = violations.map(
          ({ id, nodes }) =>
            `${id}: ` +
            nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n'),
        );
        assert.deepEqual(told, [], name);
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
      };
      await page.goto(`${w.url}/admin/sign-in`);
      await look('sign-in');
      await signIn(page, w.url);
      for (const [name, path] of Object.entries(pages(ids))) {
        await page.goto(w.url + path);
        await look(name);
      }
      // And a form with mistakes in it.
      await page.goto(`${w.url}/admin/users/add`);
      await page.getByLabel('User name').fill('a b c');
      await page.getByRole('button', { name: 'Add the user' }).click();
      await page.locator('.error').first().waitFor();
      await look('mistakes');
      await page.context().close();
    });
  }
}

test('the_keyboard_reaches_everything_and_the_focus_is_seen', async () => {
  const page = await window({ javaScriptEnabled: true, bypassCSP: true });
  await signIn(page, w.url);
  await page.goto(`${w.url}/admin/users/${ids.user}/`);
  const all = page.locator(
    'a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select, textarea',
  );
  await all.evaluateAll((elements) =>
    elements.forEach((element, i) => (element.dataset.number = i)),
  );
  const seen = new Set();
  for (let i = 0; i < 200; i++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return {
        is: element.outerHTML.slice(0, 120),
        number: element.dataset.number,
        outlined: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
        body: element === document.body,
      };
    });
    if (at.body) break;
    assert.ok(at.outlined, `no focus is seen at ${at.is}`);
    seen.add(at.number);
  }
  assert.equal(seen.size, await all.count());
  await page.context().close();
});
