// The demo's fourth attack over TLS, in a Chromium that binds its session.
import assert from 'node:assert/strict';
import test from 'node:test';
import { demo } from './bound-demo.js';
import { boundWorld, pause, SETTLED, TICKET } from './tls.js';

test('the jar that is copied to curl is refused', { timeout: 120_000 }, async () => {
  const w = await boundWorld({ settings: ['--demo', 'on'] });
  try {
    const { page, attack, tryIt } = await demo(w);
    await tryIt();
    await attack.getByText(/^It went through \(200\)\. This session is not bound/).waitFor();
    await pause(SETTLED);
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.getByText('Both tokens are new').waitFor();
    await tryIt();
    const verdict = attack.locator('.verdict.held');
    await verdict.getByText(/^Refused: 401 session_unproved\./).waitFor();
    assert.match(await verdict.textContent(), /With the ticket of the jar it went through \(200\)/);
    const requests = await page.locator('#requests summary').allTextContents();
    const own = requests.find((text) => text.includes('POST /accounts/refresh'));
    assert.match(own, /^POST \/accounts\/refresh 200/, 'the owner goes on');
    assert.ok(requests.some((text) => /^curl: .*200.*with its ticket/.test(text)));
    assert.ok(requests.some((text) => /^curl: .*401 session_unproved.*without/.test(text)));
    // A jar whose ticket the browser has thrown away already.
    await w.browser.clearCookies({ name: TICKET });
    await tryIt();
    await page.waitForFunction(
      () => !/With the ticket/.test(document.getElementById('jar-verdict').textContent),
    );
    await verdict.getByText(/^Refused: 401 session_unproved\./).waitFor();
    assert.equal(await page.getByRole('heading', { name: 'Signed in as alice' }).count(), 1);
  } finally {
    await w.stop();
  }
});
