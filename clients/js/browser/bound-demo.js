// The demo in a Chromium that binds its session.
import { PASSWORD } from './world.js';

/** Opens the demo and logs in. */
export async function demo(w) {
  const { page } = w;
  await page.goto(`${w.api}/`);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor();
  await w.until(() => w.started().length > 0);
  const attack = page.getByRole('article', { name: /copied to curl/ });
  return { page, attack, tryIt: () => attack.getByRole('button').click() };
}
