import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, leave, logIn, signedIn, visitor } from './visitor.js';
import { PASSWORD, world } from './world.js';

let w;
before(async () => (w = await world({ alone: true })));
after(() => w?.stop());

test('the_demo_logs_in_shows_both_lives_reads_writes_refreshes_and_logs_out', async () => {
  const page = await visitor(w);
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
  const page = await signedIn(w);
  await page.reload();
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await leave(page);
});

test('the_sessions_say_in_words_what_each_client_is', async () => {
  const page = await signedIn(w, {
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0',
  });
  const own = page.locator('#sessions > li', { has: page.getByText('this one') });
  assert.equal(await own.locator('p').first().innerText(), 'Firefox on Linux');
  assert.match(await own.locator('p').first().getAttribute('title'), /^Mozilla/);
  await leave(page);
});

test('the_page_leads_to_the_api_the_admin_site_the_readme_and_the_clients_code', async () => {
  const page = await visitor(w);
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
  const page = await signedIn(w);
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
  const page = await signedIn(w);
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
  const page = await signedIn(w);
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

test('over_http_a_copied_jar_works_and_the_page_says_why', async () => {
  const page = await signedIn(w);
  await page.attack(/copied to curl/);
  await page
    .locator('#jar-verdict.broke')
    .getByText(/^It went through \(200\)\. This page is at http:.* over http no browser binds/)
    .waitFor();
  const copied = page.locator('#requests > li', { hasText: 'curl:' });
  assert.match(await copied.innerText(), /200\s+With the jar without a ticket/);
  // Nothing of it is in the owner's way.
  await page.press('Refresh now');
  await page.said('Both tokens are new');
  await leave(page);
});

test('a_server_that_fails_to_refuse_is_told_on', async () => {
  const page = await signedIn(w);
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
  const here = await signedIn(w);
  const there = await signedIn(w);
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
  const page = await visitor(w);
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
    const page = await visitor(w, { colorScheme });
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
    await page.attack(/copied to curl/);
    await page.locator('#jar-verdict.broke').waitFor();
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
    const page = await signedIn(w, { viewport });
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
  const page = await visitor(w, {}, w.direct);
  await page.getByText("This server's address is").waitFor();
  assert.equal(await page.locator('#elsewhere a').getAttribute('href'), `${w.own}/`);
  await leave(page);
  const right = await visitor(w);
  await right.getByRole('heading', { name: 'Log in' }).waitFor();
  assert.equal(await right.getByText("This server's address is").isVisible(), false);
  await leave(right);
});

test('without_a_user_the_page_says_how_to_make_one', async () => {
  const empty = await world({ alone: true, users: [] });
  try {
    const page = await visitor(empty);
    await page.getByRole('heading', { name: 'There is no user yet' }).waitFor();
    await page.getByText('countersign createsuperuser').waitFor();
    await accessible(page, 'without a user');
    await leave(page);
  } finally {
    await empty.stop();
  }
});
