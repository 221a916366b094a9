// Takes the pictures of the demo that docs/demo.md shows.
import { fileURLToPath } from 'node:url';
import { PASSWORD, world } from '../browser/world.js';

const w = await world({ alone: true });
try {
  for (const colorScheme of ['light', 'dark']) {
    const context = await w.browser.newContext({
      colorScheme,
      viewport: { width: 1280, height: 2620 },
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    const page = await context.newPage();
    await page.goto(w.own);
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
    await page.getByText('this one').waitFor();
    const attack = (name) => page.getByRole('article', { name }).getByRole('button').click();
    await attack(/CSRF header/);
    await page.getByLabel(/for attacks/).fill(PASSWORD);
    await attack(/another session/);
    await page.getByText('is not this session').first().waitFor();
    await attack(/stolen/);
    await page.getByText('refresh_token_reused, at try').waitFor();
    await page.getByRole('button', { name: 'Clear the list' }).click();
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.getByText('Both tokens are new').waitFor();
    await page.locator('#requests summary').first().click();
    await page.evaluate(() => (document.activeElement.blur(), scrollTo(0, 0)));
    await page.screenshot({
      path: fileURLToPath(new URL(`../../../docs/demo-${colorScheme}.png`, import.meta.url)),
    });
    // Otherwise the next picture has this session in its list.
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await context.close();
  }
} finally {
  await w.stop();
}
