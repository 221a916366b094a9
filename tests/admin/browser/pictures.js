// Takes the pictures of docs/admin.md: list, edit, session, audit log and dashboard, light and
// dark, in the real Chromium. With a folder it takes every page there instead, at 360, 1280 and
// 2560 pixels, to look at.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { first, pages, people, signIn, world } from './world.js';

const [everything] = process.argv.slice(2);
const folder = everything ?? fileURLToPath(new URL('../../../docs/admin/', import.meta.url));
const names = [
  'alice',
  'bertha',
  'carl',
  'dora',
  'emil',
  'frieda',
  'gustav',
  'hanna',
  'ivan',
  'jola',
  'karim',
  'lena',
  // Names that software makes up, and that people write.
  'maria.magdalena.100010',
  'user-5f0c3a9e7b',
];

// Days of use, which nobody wants to wait for.
const ACTIVITY = `
import math, sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], timeout=10)
hour = int(time.time()) // 3600
for h in range(hour - 720, hour):
    day = 1 + math.sin((h % 24 - 8) / 24 * 2 * math.pi)
    week = 0.4 if (h // 24 + 3) % 7 > 4 else 1
    failures = 7 * day + (40 if h == hour - 9 else 0)
    thefts = 1 if h in (hour - 5, hour - 100) else 0
    counts = [60 * day * week, failures, 2400 * day * week, thefts, 900 + 300 * day * week]
    for kind, n in enumerate(counts):
        c.execute('INSERT OR REPLACE INTO activity (hour, kind, n) VALUES (?, ?, ?)',
                  (h, kind + int(sys.argv[2]), int(n)))
c.commit()
`;

const w = await world();
try {
  const page = await (await w.browser.newContext({ javaScriptEnabled: false })).newPage();
  await first(page, w.link);
  const ids = await people(page, w.url, names);
  await page.goto(`${w.url}/admin/users/${ids.user}/access`);
  await page.getByLabel('Support').check();
  await page.getByRole('button', { name: 'Save' }).click();
  const added = spawnSync('python3', ['-c', ACTIVITY, w.database, '1'], { encoding: 'utf8' });
  if (added.status !== 0) throw new Error(added.stderr);

  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    const page = await (
      await w.browser.newContext({
        javaScriptEnabled: false,
        colorScheme,
        viewport: { width: 1280, height: 860 },
      })
    ).newPage();
    await signIn(page, w.url);
    if (everything) {
      for (const width of [360, 1280, 2560])
        for (const [name, path] of Object.entries(pages(ids))) {
          await page.setViewportSize({ width, height: 860 });
          await page.goto(w.url + path);
          const file = `${name.replaceAll(' ', '-')}-${width}-${colorScheme}.png`;
          await page.screenshot({ path: join(folder, file), fullPage: true });
        }
      continue;
    }
    for (const [name, path] of Object.entries({
      dashboard: '/admin/',
      users: '/admin/users/',
      user: `/admin/users/${ids.user}/`,
      session: `/admin/sessions/${ids.session}/`,
      audit: '/admin/audit/?user=alice',
    })) {
      await page.goto(w.url + path);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    }
    if (colorScheme === 'light') {
      await page.setViewportSize({ width: 360, height: 740 });
      await page.goto(`${w.url}/admin/users/`);
      await page.screenshot({ path: join(folder, 'users-narrow.png') });
    }
  }
} finally {
  await w.stop();
}
