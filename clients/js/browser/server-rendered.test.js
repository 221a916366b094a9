// The examples of docs/server_rendered.md: pages that Next and SvelteKit render for who asks.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { notesApi } from './notes-api.js';
import { boundWorld, pause, SETTLED } from './tls.js';
import { PASSWORD, world } from './world.js';

const clients = fileURLToPath(new URL('../..', import.meta.url));

/** How each is built and started, and where it keeps what browsers get. */
const EXAMPLES = {
  next: {
    build: ['node_modules/next/dist/bin/next', 'build'],
    start: ['node_modules/next/dist/bin/next', 'start'],
    assets: '.next/static',
  },
  sveltekit: {
    build: ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'],
    start: ['build'],
    assets: 'build/client',
  },
};

for (const name of Object.keys(EXAMPLES))
  test(`the_pages_of_the_example_for_${name}_know_their_user`, async (t) => {
    const site = await open(t, name);
    await aVisitorIsSentToLogInAndBack(site);
    await whatLeadsElsewhereIsNotGoneTo(site);
    await whatABrowserSaysOfARequestIsHandedOn(site);
    await aRequestThatIsCutOffOrTooLongEndsNoServer(site);
    await theFirstAnswerKnowsTheUserAndRotatesNothing(site);
    await thePageAsksAnApiInTheNameOfItsUser(site);
    await whatALoginDoesNotMendIsShown(site);
    await noPageAndNoScriptHasAToken(site);
    await aLogoutIsOneInAllTabsAndOnTheNextPage(site);
    await whoWasDeactivatedIsOutOnTheNextPage(site);
    assert.deepEqual(site.mistakes, []);
    await noAnswerIsNotNobody(site);
  });

test('a_bound_session_that_a_page_does_not_see_is_found_again_by_the_browser', async (t) => {
  const w = await boundWorld({
    settings: ['--manage', 'on'],
    async pages({ api, dir }, port) {
      const args = ['token', 'create', 'pages', '--permission', 'countersign.introspect'];
      const data = ['--data-dir', join(dir, 'data')];
      const made = spawnSync(process.env.COUNTERSIGN_BIN, [...args, ...data], { env: {} });
      const token = String(made.stdout).trim();
      const auth = `http://127.0.0.1:${port}`;
      const own = await freePort();
      await run(t, 'sveltekit', own, { app: api, auth, notes: auth, token });
      return own;
    },
  });
  t.after(() => w.stop());
  const { page } = w;
  await page.goto(`${w.api}/login`);
  await logIn(page, 'alice');
  await page.getByRole('heading', { name: 'Hello alice' }).waitFor();
  await w.until(() => w.started().length > 0);
  await pause(SETTLED);
  // Its first refresh with the ticket confirms the key.
  await page.reload();
  await w.until(() => w.log.at(-1).path === '/accounts/refresh');
  await w.dropTicket();
  const first = await page.goto(`${w.api}/`);
  assert.match(await first.text(), /Hello stranger/);
  await page.getByRole('heading', { name: 'Hello alice' }).waitFor();
});

/** The example, before the real server and the API of the notes. */
async function open(t, name) {
  const port = await freePort();
  const app = `http://localhost:${port}`;
  const w = await world({ at: app, settings: ['--manage', 'on'] });
  t.after(() => w.stop());
  const api = await notesApi(w);
  t.after(() => api.stop());
  const door = await doorTo(api);
  t.after(() => door.close());
  const token = w.cli('token', 'create', 'pages', '--permission', 'countersign.introspect').trim();
  const auth = `http://127.0.0.1:${w.front.port}`;
  const { assets, pages } = await run(t, name, port, { app, auth, notes: door.url, token });
  const { context } = await w.visitor();
  context.setDefaultTimeout(15_000);
  const mistakes = [];
  const tab = async (path) => {
    const page = await context.newPage();
    page.on('pageerror', (error) => mistakes.push(String(error)));
    page.on('console', (message) => {
      // A refused request is one that the test makes; what it comes to is looked at.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        mistakes.push(message.text());
    });
    await page.goto(app + path);
    return page;
  };
  /** A page as the server answers it: no script runs. It is nobody's to keep. */
  const first = async (path, cookie) => {
    const headers = cookie ? { cookie } : {};
    const answer = await fetch(app + path, { headers, redirect: 'manual' });
    const { status } = answer;
    const to = answer.headers.get('location')?.replace(app, '');
    if (status < 300)
      for (const word of ['private', 'no-store'])
        assert.ok(answer.headers.get('cache-control')?.includes(word), `${path}: ${word}`);
    return { status, to, html: await answer.text() };
  };
  const cookies = async () =>
    (await context.cookies(app)).map(({ name, value }) => `${name}=${value}`).join('; ');
  return { w, api, door, app, token, tab, first, cookies, mistakes, assets, pages };
}

/** Before the API of the notes: it answers with the problem `instead` where there is one. */
async function doorTo(api) {
  const door = { instead: undefined };
  const server = createHttpServer((request, response) => {
    if (door.instead) {
      response.writeHead(door.instead.status, { 'content-type': 'application/problem+json' });
      return response.end(JSON.stringify(door.instead));
    }
    const { method, headers, url } = request;
    const onward = httpRequest(api.url + url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  door.url = `http://127.0.0.1:${server.address().port}`;
  door.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return door;
}

/** Builds and starts the example as its page says: the process, and where browsers' files are. */
async function run(t, name, port, { app, auth, notes, token }) {
  const { build, start, assets } = EXAMPLES[name];
  const dir = fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
  // They were copied when they were installed, and may have changed since.
  for (const [name, from] of [['client', 'js'], ['verify', 'verify-js']]) {
    const copy = join(dir, 'node_modules/@countersign', name);
    assert.ok(existsSync(copy), `scripts/test installs the packages of ${dir}`);
    for (const part of ['package.json', 'src'])
      cpSync(join(clients, from, part), join(copy, part), { recursive: true });
  }
  const env = {
    ...{ PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production' },
    ...{ NEXT_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
    ...{ AUTH_URL: auth, NOTES_URL: notes, ORIGIN: app },
    ...{ HOST: '127.0.0.1', HOSTNAME: '127.0.0.1', PORT: String(port) },
  };
  const node = (args, more, stdio) =>
    spawn(nodeFor(name), args, { cwd: dir, env: { ...env, ...more }, stdio });
  // No secret is in what is built.
  const [code] = await once(node(build, {}, ['ignore', 'ignore', 'inherit']), 'exit');
  assert.equal(code, 0, `${name} is not built`);
  const pages = node(start, { AUTH_TOKEN: token }, ['ignore', 'ignore', 'ignore']);
  t.after(() => pages.kill());
  while ((await fetch(`http://localhost:${port}`).catch(() => undefined))?.status !== 200) {
    assert.equal(pages.exitCode, null, `${name} does not start`);
    await pause(100);
  }
  return { pages, assets: join(dir, assets) };
}

async function aVisitorIsSentToLogInAndBack({ w, tab, first, app }) {
  const { html } = await first('/');
  assert.match(html, /<h1>Hello (<!-- -->)?stranger/);
  const sent = await first('/notes?page=2');
  assert.ok([303, 307].includes(sent.status), String(sent.status));
  assert.match(sent.to, /^\/login\?next=%2Fnotes/);
  assert.equal(w.front.count('/manage/v1/introspect'), 0, 'there is nobody to ask about');

  const page = await tab('/notes');
  assert.equal(page.url(), `${app}/login?next=%2Fnotes`);
  await logIn(page, 'alice', 'wrong');
  await page.getByRole('alert').getByText('No active user').waitFor();
  await logIn(page, 'alice');
  await page.getByRole('heading', { name: 'The notes of alice' }).waitFor();
  assert.equal(page.url(), `${app}/notes`);
  await page.close();
}

async function whatLeadsElsewhereIsNotGoneTo({ first, cookies }) {
  const cookie = await cookies();
  const to = async (next) => (await first(`/login?next=${encodeURIComponent(next)}`, cookie)).to;
  assert.equal(await to('/notes?page=2'), '/notes?page=2');
  for (const evil of [
    ...['https://evil.example', '//evil.example', '/\\evil.example', '\\\\evil.example'],
    ...['/.//evil.example', '/x/..//evil.example', '/\t/evil.example', '\n//evil.example'],
    ...['javascript:alert(1)', 'evil.example', 'http:evil.example', '', '//', '/%2e//evil.example'],
  ])
    assert.equal(await to(evil), '/', evil);
  assert.match((await first('/login?next=/a&next=//evil.example', cookie)).to, /^\/a?$/);
}

async function whatABrowserSaysOfARequestIsHandedOn({ w, app }) {
  // As it binds a session to a device. `fetch` would call it a script's.
  const headers = { origin: app, 'sec-fetch-mode': 'no-cors', 'secure-session-response': 'a.b.c' };
  const request = httpRequest(`${app}/accounts/device/start`, { method: 'POST', headers }).end();
  const [answer] = await once(request, 'response');
  answer.resume();
  assert.equal(answer.statusCode, 401);
  const handedOn = w.front.log.at(-1).headers;
  for (const [name, value] of Object.entries(headers)) assert.equal(handedOn[name], value);
}

async function aRequestThatIsCutOffOrTooLongEndsNoServer({ w, app, first, pages }) {
  const goesOn = async () => {
    await pause(500);
    assert.equal(pages.exitCode, null, 'the server of the pages goes on');
    assert.equal((await first('/')).status, 200);
  };
  const send = (length) => {
    const headers = { 'content-type': 'application/json', 'content-length': length };
    // On a connection of its own: the one of a refused request may be closed a moment later.
    const options = { method: 'POST', headers, agent: false };
    const request = httpRequest(`${app}/accounts/login`, options);
    request.on('response', (answer) => answer.resume());
    return request.on('error', () => {});
  };
  const over = (request, event) =>
    new Promise((resolve) => request.on(event, resolve).on('close', resolve));
  // Longer than SvelteKit takes, and longer than Countersign takes.
  const long = send(1024 * 1024);
  const answered = over(long, 'response');
  long.end(Buffer.alloc(1024 * 1024, 32));
  const answer = await answered;
  assert.ok(!(answer?.statusCode < 400), String(answer?.statusCode));
  await goesOn();

  const before = w.front.count('/accounts/login');
  const cut = send(2000);
  cut.write('{"username":');
  while (w.front.count('/accounts/login') === before) {
    assert.ok(!cut.destroyed, 'it is handed on before it is whole');
    await pause(50);
  }
  const closed = over(cut, 'close');
  cut.destroy();
  await closed;
  await goesOn();
}

async function theFirstAnswerKnowsTheUserAndRotatesNothing({ w, tab, first, cookies }) {
  const cookie = await cookies();
  const before = w.front.count('/manage/v1/introspect');
  for (let time = 0; time < 5; time += 1)
    assert.match((await first('/', cookie)).html, /<h1>Hello (<!-- -->)?alice/);
  assert.equal(w.front.count('/manage/v1/introspect'), before + 5, 'one question for a page');
  assert.match((await first('/notes', cookie)).html, /The notes of (<!-- -->)?alice/);
  assert.equal(await cookies(), cookie, 'the browser has what it had');
  // And goes on with it.
  const page = await tab('/');
  while ((await cookies()) === cookie) await page.waitForTimeout(50);
  await page.close();
  const refreshes = w.front.log.filter(({ path }) => path === '/accounts/refresh');
  assert.deepEqual(new Set(refreshes.map(({ status }) => status)), new Set([200]));
}

async function thePageAsksAnApiInTheNameOfItsUser({ w, api, tab, first, cookies }) {
  const page = await tab('/notes');
  await page.getByLabel('A note').fill('Buy <tea>');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByText('Buy <tea>').waitFor();
  await page.close();
  assert.match((await first('/notes', await cookies())).html, /Buy &lt;tea(&gt;|>)/);
  assert.ok(w.front.log.some(({ body }) => body?.includes('"expires_in":60')));
  assert.equal((await fetch(`${api.url}/notes`)).status, 401);
}

async function whatALoginDoesNotMendIsShown({ door, first, cookies }) {
  const cookie = await cookies();
  const answered = (code) => {
    door.instead = { status: 401, code, detail: `The word is ${code}.` };
    return first('/notes', cookie);
  };
  // `/login` would send who is signed in straight back.
  for (const code of ['recent_login_required', 'factor_required', 'token_invalid']) {
    const { status, html } = await answered(code);
    assert.equal(status, 200, code);
    assert.match(html, new RegExp(`cannot be had at the moment.*The word is ${code}`, 's'));
  }
  assert.match((await answered('session_revoked')).to, /^\/login\?next=%2Fnotes/);
  door.instead = undefined;
}

async function noPageAndNoScriptHasAToken({ w, token, first, cookies, assets }) {
  const cookie = await cookies();
  const texts = ['/', '/notes', '/notes/__data.json'].map(async (path) => {
    const { html } = await first(path, cookie);
    return html;
  });
  const files = readdirSync(assets, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  assert.ok(files.length > 3);
  for (const text of [...(await Promise.all(texts)), ...files]) {
    assert.ok(!text.includes(token), 'the service token');
    assert.ok(!/eyJ[\w-]+\.eyJ/.test(text), 'an access token or a refresh token');
    assert.ok(!text.includes('/manage/v1'), 'how the server asks');
    assert.ok(!text.includes(`127.0.0.1:${w.front.port}`), 'where the server asks');
  }
}

async function aLogoutIsOneInAllTabsAndOnTheNextPage({ tab, first, cookies }) {
  const old = await cookies();
  const [one, two] = [await tab('/notes'), await tab('/')];
  await two.getByRole('heading', { name: 'Hello alice' }).waitFor();
  await one.getByRole('button', { name: 'Log out' }).click();
  await one.getByRole('heading', { name: 'Log in' }).waitFor();
  await two.getByRole('heading', { name: 'Hello stranger' }).waitFor();
  assert.match((await first('/', old)).html, /Hello (<!-- -->)?stranger/);
  assert.match((await first('/notes', old)).to, /^\/login/);
  // A login in one is seen in the other, too.
  await logIn(one, 'bertha');
  await one.getByRole('heading', { name: 'The notes of bertha' }).waitFor();
  await two.getByRole('heading', { name: 'Hello bertha' }).waitFor();
  assert.equal(await one.getByRole('listitem').count(), 0);
  await one.close();
  await two.close();
}

async function whoWasDeactivatedIsOutOnTheNextPage({ w, tab, first, cookies }) {
  const before = await cookies();
  const page = await tab('/');
  await page.getByRole('heading', { name: 'Hello bertha' }).waitFor();
  while ((await cookies()) === before) await page.waitForTimeout(50);
  w.cli('user', 'deactivate', 'bertha');
  const cookie = await cookies();
  assert.match((await first('/', cookie)).html, /Hello (<!-- -->)?stranger/);
  assert.match((await first('/notes', cookie)).to, /^\/login/);
  // By the router, which makes no page anew that it need not.
  await page.getByRole('link', { name: 'Your notes' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.close();
}

async function noAnswerIsNotNobody({ w, api, tab, first, cookies }) {
  const page = await tab('/login?next=%2Fnotes');
  await logIn(page, 'alice');
  await page.getByRole('heading', { name: 'The notes of alice' }).waitFor();
  const cookie = await cookies();
  for (const fault of ['offline', 500, 401, 403]) {
    w.front.next('/manage/v1/introspect', fault);
    const { status, html } = await first('/', cookie);
    assert.ok(status >= 500, `${fault}: ${status}`);
    assert.doesNotMatch(html, /stranger/);
  }
  w.front.next('/manage/v1/introspect', 'offline');
  await page.goto(page.url().replace('/notes', '/'));
  await page.getByRole('heading', { name: 'One moment, please' }).waitFor();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Hello alice' }).waitFor();
  await page.close();
  // Without the API the page is there all the same.
  api.stop();
  const { status, html } = await first('/notes', cookie);
  assert.equal(status, 200);
  assert.match(html, /The notes of (<!-- -->)?alice.*cannot be had at the moment/s);
}

async function logIn(page, username, password = PASSWORD) {
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** SvelteKit wants a newer Node than Debian's; `scripts/test` brings one. */
function nodeFor(name) {
  const node = process.env.COUNTERSIGN_NEWER_NODE ?? process.execPath;
  const [major, minor] = process.versions.node.split('.').map(Number);
  const is_new = node !== process.execPath || major > 22 || (major === 22 && minor >= 17);
  if (name === 'sveltekit' && !is_new)
    throw new Error('SvelteKit needs Node 22.17: set COUNTERSIGN_NEWER_NODE, as scripts/test does');
  return node;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
