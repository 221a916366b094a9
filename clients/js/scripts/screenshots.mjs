// Takes the pictures of the demo that docs/demo.md shows.
import { demo } from '../browser/bound-demo.js';
import { boundWorld, pause, SETTLED } from '../browser/tls.js';
import { fileURLToPath } from 'node:url';
import { PASSWORD, world } from '../browser/world.js';

const w = await world({ alone: true });
try {
  for (const colorScheme of ['light', 'dark']) {
    const context = await w.browser.newContext({
      colorScheme,
      viewport: { width: 1280, height: 4000 },
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    const page = await context.newPage();
    await page.goto(w.own);
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
    await page.getByText('this one').waitFor();
    const attack = (name) => page.getByRole('article', { name }).getByRole('button').click();
    await attack(/CSRF header/);
    await page.getByLabel(/for attacks/).fill(PASSWORD);
    await attack(/another session/);
    await page.getByText('is not this session').first().waitFor();
    await attack(/stolen/);
    await page.getByText('refresh_token_reused, at try').waitFor();
    // Over http no session is bound, and this one goes through.
    await attack(/copied to curl/);
    await page.locator('#jar-verdict').filter({ hasText: /./ }).waitFor();
    await page.getByRole('button', { name: 'Clear the list' }).click();
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.getByText('Both tokens are new').waitFor();
    await page.locator('#requests summary').first().click();
    const { bottom } = await page.evaluate(() => {
      document.activeElement.blur();
      scrollTo(0, 0);
      return document.getElementById('attacks-title').closest('.card').getBoundingClientRect();
    });
    await page.screenshot({
      path: fileURLToPath(new URL(`../../../docs/demo-${colorScheme}.png`, import.meta.url)),
      clip: { x: 0, y: 0, width: 1280, height: Math.ceil(bottom) + 16 },
    });
    // Otherwise the next picture has this session in its list.
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await context.close();
  }
} finally {
  await w.stop();
}

const bound = await boundWorld({ settings: ['--demo', 'on'] });
try {
  const { page, attack, tryIt } = await demo(bound);
  await page.setViewportSize({ width: 1280, height: 900 });
  await pause(SETTLED);
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await page.getByText('Both tokens are new').waitFor();
  await page.getByRole('button', { name: 'Clear the list' }).click();
  await tryIt();
  await attack.getByText(/^Refused/).waitFor();
  await page.evaluate(() => {
    document.activeElement.blur();
    const [attack, requests] = ['attack-4', 'requests'].map((id) => document.getElementById(id));
    const card = requests.closest('.card');
    // Beside each other, as a picture has them.
    attack.closest('article').scrollIntoView({ block: 'center' });
    card.style.position = 'sticky';
    card.style.top = '0';
  });
  await page.screenshot({
    path: fileURLToPath(new URL('../../../docs/demo-jar.png', import.meta.url)),
  });
} finally {
  await bound.stop();
}
