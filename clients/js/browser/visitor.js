// Somebody who looks at the demo.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PASSWORD } from './world.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Somebody who opens the demo. What the browser has to say against the page is in `page.mistakes`;
 * axe comes with the debugger, which no policy of the page's holds up.
 */
export async function visitor(world, options = {}, url = world.own) {
  const context = await world.browser.newContext({ reducedMotion: 'reduce', ...options });
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

export async function logIn(page, password = PASSWORD) {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.press('Log in');
}

export async function signedIn(world, options) {
  const page = await visitor(world, options);
  await logIn(page);
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await page.getByText('this one').waitFor();
  return page;
}

/** Nothing was wrong, and the visitor is gone. */
export async function leave(page) {
  assert.deepEqual(page.mistakes, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  await page.context().close();
}

export async function accessible(page, what) {
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
