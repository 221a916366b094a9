// Takes the pictures of mails that docs/mail.md shows: as a mail program renders them, narrow and
// wide, light and dark. With a folder and further names it takes those of all languages, to look
// at.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const bin = process.env.COUNTERSIGN_BIN;
if (!bin) throw new Error('set COUNTERSIGN_BIN to the server: target/release/countersign');
const preview = (...args) => {
  const { status, stdout, stderr } = spawnSync(bin, ['mail', 'preview', ...args], {
    env: {},
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
};

const [folder, ...languages] = process.argv.slice(2);
const to = folder ?? fileURLToPath(new URL('../../../docs/mail/', import.meta.url));
const names = folder ? preview().trim().split('\n') : ['verify', 'reset', 'session_stolen'];
mkdirSync(to, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  for (const language of languages.length > 0 ? languages : ['en'])
    for (const name of names) {
      const html = preview(name, '--html', '--language', language);
      for (const colorScheme of ['light', 'dark'])
        for (const width of [360, 800]) {
          const context = await browser.newContext({
            colorScheme,
            viewport: { width, height: 320 },
            javaScriptEnabled: false,
          });
          const page = await context.newPage();
          await page.setContent(html);
          const which = language === 'en' ? name : `${name}-${language}`;
          const path = join(to, `${which}-${width}-${colorScheme}.png`);
          await page.screenshot({ path, fullPage: true });
          await context.close();
        }
    }
} finally {
  await browser.close();
}
