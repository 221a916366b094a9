import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { PASSWORD, world } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let w;
before(async () => (w = await world({ alone: true })));
after(() => w?.stop());

/**
 * Somebody who opens the demo. What the browser has to say against the page is in `page.mistakes`;
 * axe comes with the debugger, which no policy of the page's holds up.
 */
async function visitor(options = {}, url = w.own) {
  const context = await w.browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.mistakes = [];
  page.on('pageerror', (error) => page.mistakes.push(String(error)));
  page.on('console', (message) => {
    // Chromium reports each answer from 400 on. Those are the page's subject.
    if (
      message.type() !== 'log' &&
      !/^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text())
    )
      page.mistakes.push(message.text());
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      window.violations.push(`${violatedDirective} ${blockedURI}`),
    );
  });
  await page.goto(url);
  page.press = (name) => page.getByRole('button', { name, exact: true }).click();
  page.said = (text) => page.locator('#said').getByText(text).waitFor();
  page.attack = (name) =>
    page.getByRole('article', { name }).getByRole('button', { name: 'Try it' }).click();
  return page;
}

async function logIn(page, password = PASSWORD) {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.press('Log in');
}

async function signedIn(options) {
  const page = await visitor(options);
  await logIn(page);
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await page.getByText('this one').waitFor();
  return page;
}

/** Nothing was wrong, and the visitor is gone. */
async function leave(page) {
  assert.deepEqual(page.mistakes, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  await page.context().close();
}

async function accessible(page, what) {
  const { violations } = await page.evaluate(async (axe) => {
    if (!window.axe) (0, eval)(axe);
    return window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
  }, axe);
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('; ')}`),
    [],
    what,
  );
}

test('the_demo_logs_in_shows_both_lives_reads_writes_refreshes_and_logs_out', async () => {
  const page = await visitor();
  await logIn(page, 'wrong');
  await page.getByRole('alert').getByText('(invalid_credentials)').waitFor();
  await logIn(page);
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();

  // Both lives count down, the refresh token's by the server's own figures.
  const access = () => page.locator('#access-bar').evaluate(({ value, max }) => [value, max]);
  const [first, max] = await access();
  assert.equal(max, 300);
  assert.match(await page.locator('#access-left').textContent(), /^4 min \d+ s$/);
  assert.match(await page.locator('#refresh-left').textContent(), /^6 d 23 h$/);
  assert.equal(await page.locator('#refresh-of').textContent(), 'of 7 d 0 h');
  await page.waitForFunction(
    (first) => document.getElementById('access-bar').value < first - 1,
    first,
  );

  // What the token says is what it says.
  const claims = await page.locator('#claims').innerText();
  for (const claim of ['iss', w.own, 'sub', 'sid', 'exp', 'auth_time', 'csrf'])
    assert.ok(claims.includes(claim), claim);

  await page.press('Call the profile');
  await page.locator('#answer-text').getByText('"username": "alice"').waitFor();
  await page.press('Write to the profile');
  await page.said('with the access token and the countersign');
  await page.press('Refresh now');
  await page.said('Both tokens are new');

  // The requests are there with their headers and what these are for, and no token is whole.
  const entry = page.locator('#requests > li', { hasText: 'PATCH /accounts/profile' }).first();
  await entry.locator('summary').click();
  for (const text of [
    'Authorization',
    'X-CSRFTOKEN',
    'No browser adds it by itself',
    'Origin',
    'X-Request-Id',
  ])
    await entry.getByText(text).first().waitFor();
  assert.doesNotMatch(await page.content(), /eyJ[\w-]{40}/);
  const kept = await page.evaluate(async () => [
    document.cookie,
    { ...localStorage },
    { ...sessionStorage },
    (await indexedDB.databases()).length,
  ]);
  assert.match(kept[0], /^csrftoken=[\w-]+$/);
  assert.deepEqual(kept.slice(1), [{}, {}, 0]);

  await page.press('Log out');
  await page.said('You have logged out. (session_revoked, logout)');
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await leave(page);
});

test('the_page_stays_signed_in_over_a_reload', async () => {
  const page = await signedIn();
  await page.reload();
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await leave(page);
});

test('the_sessions_say_in_words_what_each_client_is', async () => {
  const page = await signedIn({
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0',
  });
  const own = page.locator('#sessions > li', { has: page.getByText('this one') });
  assert.equal(await own.locator('p').first().innerText(), 'Firefox on Linux');
  assert.match(await own.locator('p').first().getAttribute('title'), /^Mozilla/);
  await leave(page);
});

test('the_page_leads_to_the_api_the_admin_site_the_readme_and_the_clients_code', async () => {
  const page = await visitor();
  for (const [link, text] of [
    [/^The API/, 'Try it'],
    ['The admin site', 'Sign in'],
    ['The README', '# Countersign'],
    ["The client's code", 'export function build'],
  ]) {
    await page.getByRole('link', { name: link }).click();
    await page.waitForFunction(
      (text) => document.documentElement.textContent.includes(text),
      text,
      { polling: 50, timeout: 10_000 },
    );
    await page.goto(w.own);
  }
  await leave(page);
});

test('a_write_without_the_header_is_refused', async () => {
  const page = await signedIn();
  await page.attack(/without the CSRF header/);
  await page
    .locator('#forged-verdict.held')
    .getByText('Refused: 403 csrf_failed. The X-CSRFTOKEN header is missing.')
    .waitFor();
  await page
    .locator('#requests > li', { hasText: 'POST /accounts/logout' })
    .getByText('403 csrf_failed')
    .waitFor();
  await page.press('Call the profile');
  await page.locator('#answer-text').getByText('"username": "alice"').waitFor();
  await leave(page);
});

test('a_write_with_another_sessions_token_is_refused', async () => {
  const page = await signedIn();
  const cookies = () =>
    page
      .context()
      .cookies()
      .then((all) => all.map(({ name, value }) => `${name}=${value}`).sort());
  const before = await cookies();
  await page.attack(/another session/);
  await page.getByRole('alert').getByText('Please give your password first').waitFor();
  await page.getByLabel(/for attacks 2 and 3/).fill('wrong');
  await page.attack(/another session/);
  await page.getByRole('alert').getByText('(401 invalid_credentials)').waitFor();
  await page.getByLabel(/for attacks 2 and 3/).fill(PASSWORD);
  await page.attack(/another session/);
  await page
    .locator('#foreign-verdict.held')
    .getByText(/Refused: 403 csrf_failed\. The X-CSRFTOKEN header is not this session.s token/)
    .waitFor();
  assert.deepEqual(await cookies(), before, 'the second login has left nothing here');
  // And its session is gone.
  await page.press('Look again');
  await page.said('The list is up to date');
  assert.equal(await page.locator('#sessions > li').getByText('this one').count(), 1);
  await leave(page);
});

test('a_replayed_old_refresh_token_ends_its_session', async () => {
  const page = await signedIn();
  await page.getByLabel(/for attacks 2 and 3/).fill(PASSWORD);
  await page.attack(/stolen refresh token/);
  await page
    .locator('#theft-verdict.held')
    .getByText('Refused: 401 refresh_token_reused, at try 7.')
    .waitFor();
  const thief = page.locator('#requests > li', { hasText: 'The thief:' });
  assert.equal(await thief.count(), 7);
  assert.match(await thief.first().innerText(), /401 refresh_token_reused/);
  await page
    .locator('#requests > li', { hasText: 'The phone:' })
    .first()
    .getByText('401 session_revoked (token_theft)')
    .waitFor();
  // The visitor's own session goes on.
  await page.press('Refresh now');
  await page.said('Both tokens are new');
  await leave(page);
});

test('a_server_that_fails_to_refuse_is_told_on', async () => {
  const page = await signedIn();
  await page.route('**/accounts/logout', (route) => route.fulfill({ status: 204 }));
  await page.attack(/without the CSRF header/);
  await page.locator('#forged-verdict.broke').getByText('It went through (204)').waitFor();
  await page.route('**/demo/theft', (route) =>
    route.fulfill({
      json: {
        steps: [
          { who: 'thief', method: 'POST', path: '/accounts/refresh', token: 'x', status: 200 },
        ],
      },
    }),
  );
  await page.getByLabel(/for attacks 2 and 3/).fill(PASSWORD);
  await page.attack(/stolen refresh token/);
  await page.locator('#theft-verdict.broke').getByText('not found out after 1 tries').waitFor();
  await page.context().close();
});

test('sessions_elsewhere_are_seen_and_ended_one_by_one_or_all_at_once', async () => {
  const here = await signedIn();
  const there = await signedIn();
  await here.press('Look again');
  await here.said('The list is up to date');
  const others = here.getByRole('button', { name: /^End the session that began/ });
  for (let left = await others.count(); left > 0; left--) {
    await others.first().click();
    await here.said('The session was ended');
    await here.waitForFunction(
      (left) => document.querySelectorAll('#sessions button').length === left - 1,
      left,
    );
  }
  await there.press('Call the profile');
  await there.said('(session_revoked, logout)');
  await logIn(there);
  await there.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await here.press('Log out everywhere');
  await here.said('You have logged out everywhere. (session_revoked, logout_all)');
  await there.press('Refresh now');
  await there.said('(session_revoked, logout_all)');
  await leave(here);
  await leave(there);
});

test('the_keyboard_alone_will_do_and_the_focus_is_never_lost', async () => {
  const page = await visitor();
  const focus = () =>
    page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await focus(), 'Skip to the content');
  await page.keyboard.press('Enter');
  for (let i = 0; i < 5 && (await focus()) !== 'username'; i++) await page.keyboard.press('Tab');
  await page.keyboard.type('alice');
  await page.keyboard.press('Tab');
  await page.keyboard.type('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('(invalid_credentials)').waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'password');
  await page.keyboard.press('Control+A');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'who');
  await page.keyboard.press('Tab');
  assert.equal(await focus(), 'profile');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'the focus can be seen');
  await page.keyboard.press('Enter');
  await page.locator('#answer-text').getByText('"username": "alice"').waitFor();
  assert.equal(await focus(), 'profile', 'a button keeps the focus');
  for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
  assert.equal(await focus(), 'logout-all');
  await page.keyboard.press('Space');
  await page.said('You have logged out everywhere');
  await page.waitForFunction(() => document.activeElement.id === 'out-title');
  await leave(page);
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_nothing_against_the_page_${colorScheme}`, async () => {
    const page = await visitor({ colorScheme });
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await accessible(page, 'before the login');
    await logIn(page, 'wrong');
    await page.getByRole('alert').getByText('(invalid_credentials)').waitFor();
    await accessible(page, 'after a failed login');
    await logIn(page);
    await page.getByText('this one').waitFor();
    await page.press('Call the profile');
    await page.attack(/without the CSRF header/);
    await page.attack(/another session/);
    await page.getByRole('alert').getByText('Please give your password first').waitFor();
    await page.getByLabel(/for attacks 2 and 3/).fill(PASSWORD);
    await page.attack(/stolen refresh token/);
    await page.locator('#theft-verdict.held').waitFor();
    for (const summary of (await page.locator('#requests summary').all()).slice(0, 3))
      await summary.click();
    await accessible(page, 'with everything open');
    await leave(page);
  });
}

test('a_narrow_window_and_large_text_need_no_sideways_scrolling', async () => {
  for (const viewport of [
    { width: 360, height: 740 },
    { width: 320, height: 640 },
  ]) {
    const page = await signedIn({ viewport });
    await page.attack(/without the CSRF header/);
    await page.locator('#forged-verdict.held').waitFor();
    await page.locator('#requests summary').first().click();
    const tooWide = await page.evaluate(() =>
      [...document.querySelectorAll('body *')]
        .filter(
          (one) =>
            one.offsetParent &&
            !one.matches('.skip') &&
            one.getBoundingClientRect().right > innerWidth + 0.5,
        )
        .map(({ outerHTML }) => outerHTML.slice(0, 80)),
    );
    assert.deepEqual(tooWide, []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await leave(page);
  }
});

test('at_another_address_of_the_server_the_page_says_where_it_belongs', async () => {
  const page = await visitor({}, w.direct);
  await page.getByText("This server's address is").waitFor();
  assert.equal(await page.locator('#elsewhere a').getAttribute('href'), `${w.own}/`);
  await leave(page);
  const right = await visitor();
  await right.getByRole('heading', { name: 'Log in' }).waitFor();
  assert.equal(await right.getByText("This server's address is").isVisible(), false);
  await leave(right);
});

test('without_a_user_the_page_says_how_to_make_one', async () => {
  const empty = await world({ alone: true, users: [] });
  try {
    const page = await visitor({}, empty.own);
    await page.getByRole('heading', { name: 'There is no user yet' }).waitFor();
    await page.getByText('countersign createsuperuser').waitFor();
    await accessible(page, 'without a user');
    await leave(page);
  } finally {
    await empty.stop();
  }
});

test('the_demo_signs_up_and_proves_an_address_by_the_code_of_the_mail', async () => {
  const open = await world({ alone: true, users: [], settings: ['--registration', 'open'] });
  try {
    const page = await visitor({}, open.own);
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
    const page = await visitor({}, open.own);
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
    const page = await visitor({}, other.own);
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
      const page = await visitor({ colorScheme, viewport: { width: 360, height: 740 } }, open.own);
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
    const page = await visitor({ viewport: { width: 360, height: 740 } }, other.own);
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
      const page = await visitor({ colorScheme, viewport }, other.own);
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
