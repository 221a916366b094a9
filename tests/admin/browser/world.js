// The real server and the real Chromium.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

export const PASSWORD = 'tin kettle 14';

/** Every page of the site, by the ids of what `people` made. */
export const pages = (ids) => ({
  dashboard: '/admin/',
  week: '/admin/?span=week',
  users: '/admin/users/',
  'no users': '/admin/users/?q=nobody-is-like-that',
  'add a user': '/admin/users/add',
  user: `/admin/users/${ids.user}/`,
  access: `/admin/users/${ids.user}/access`,
  password: `/admin/users/${ids.user}/password`,
  groups: '/admin/groups/',
  'add a group': '/admin/groups/add',
  group: `/admin/groups/${ids.group}/`,
  permissions: '/admin/permissions/',
  permission: `/admin/permissions/${ids.permission}/`,
  sessions: '/admin/sessions/',
  'sessions of one': `/admin/sessions/?user=${ids.user}`,
  session: `/admin/sessions/${ids.session}/`,
  'audit log': '/admin/audit/',
  keys: '/admin/keys/',
  outbox: '/admin/outbox/',
  'service tokens': '/admin/tokens/',
  'make a token': '/admin/tokens/add',
  'web hooks': '/admin/hooks/',
  'messages of a hook': '/admin/hooks/messages?hook=crm',
  'not found': '/admin/nothing',
});

/**
 * Starts everything, in an empty directory. `settings` are the server's flags, `config` what is in
 * its configuration file.
 */
export async function world({ settings = [], config = '' } = {}) {
  const bin = process.env.COUNTERSIGN_BIN;
  if (!bin) throw new Error('set COUNTERSIGN_BIN to the server: target/debug/countersign');
  const dir = mkdtempSync(join(tmpdir(), 'countersign-admin-'));
  let browser;
  writeFileSync(join(dir, 'countersign.toml'), config);
  const args = [
    'serve',
    '--config',
    join(dir, 'countersign.toml'),
    '--listen',
    '127.0.0.1:0',
    '--data-dir',
    join(dir, 'data'),
    '--hash-memory-kib',
    '64',
    '--hash-passes',
    '1',
    ...settings,
  ];
  const server = spawn(bin, args, { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  createInterface({ input: server.stderr }).on('line', (line) => log.push(line));
  const said = [];
  const [port, link] = await new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      said.push(line);
      const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said[0])?.[1];
      const link = /(http:\S+\/admin\/first\/\S+)/.exec(line)?.[1];
      if (port && link) resolve([port, link]);
    });
    server.once('exit', () => reject(new Error(`the server does not start:\n${log.join('\n')}`)));
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    url: `http://localhost:${port}`,
    link,
    log,
    browser,
    database: join(dir, 'data', 'countersign.sqlite3'),
    async stop() {
      await browser.close();
      if (server.exitCode === null) {
        server.kill('SIGTERM');
        await once(server, 'exit');
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Makes the first superuser in a page. */
export async function first(page, link) {
  await page.goto(link);
  await page.getByLabel('User name').fill('root');
  await page.getByLabel('E-mail address').fill('root@example.com');
  await page.getByLabel('Password (required)', { exact: true }).fill(PASSWORD);
  await page.getByLabel('The same password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the superuser' }).click();
}

/** Signs in at the page's own form. */
export async function signIn(page, url, name = 'root') {
  await page.goto(`${url}/admin/`);
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** What users call their devices; not everybody does. */
const DEVICES = ["Ada's laptop, the one with the blue lid", 'Telefon', undefined];

/** A user, a group, a permission and some sessions, made by the forms of the site; their ids. */
export async function people(page, url, names = ['alice']) {
  const id = () => /\/(\d+)\//.exec(page.url())?.[1];
  await page.goto(`${url}/admin/permissions/`);
  await page.getByLabel('App').fill('shop');
  await page.getByLabel('Codename').fill('refund_order');
  await page.getByLabel('Name', { exact: true }).fill('Can refund orders');
  await page.getByRole('button', { name: 'Add the permission' }).click();
  await page.getByRole('link', { name: 'shop.refund_order' }).click();
  const permission = id();
  await page.goto(`${url}/admin/groups/add`);
  await page.getByLabel('Name').fill('Support');
  await page.getByLabel('shop.refund_order').check();
  await page.getByRole('button', { name: 'Save' }).click();
  const group = id();
  let user;
  for (const name of names) {
    await page.goto(`${url}/admin/users/add`);
    await page.getByLabel('User name').fill(name);
    await page.getByLabel('E-mail address').fill(`${name}@example.com`);
    await page.getByLabel('First name').fill(name[0].toUpperCase() + name.slice(1));
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByLabel('The same password again').fill(PASSWORD);
    await page.getByRole('button', { name: 'Add the user' }).click();
    user ??= id();
  }
  const sessions = [];
  for (const name of names) sessions.push(await logIn(url, name, DEVICES[sessions.length % 3]));
  const [session] = sessions;
  return { permission, group, user, session };
}

/**
 * Logs in to the API as an app does, refreshes twice, and fails to log in once; the session's id.
 */
export async function logIn(url, username, device_name) {
  const post = (path, body) =>
    fetch(`${url}/accounts/${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0',
      },
      body: JSON.stringify(body),
    }).then((response) => response.json());
  await post('login', { username, password: 'not it' });
  let tokens = await post('login', {
    username,
    password: PASSWORD,
    transport: 'body',
    ...(device_name && { device_name }),
  });
  for (let i = 0; i < 2; i++)
    tokens = await post('refresh', { refresh_token: tokens.refresh_token });
  return JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url')).sid;
}
