// The real server, the real Chromium, and between them a front door that serves pages and can fail.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

export const PASSWORD = 'tin kettle 14';
const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Starts everything. `cross` puts the API on a host of its own, beside the pages' one. `alone`
 * leaves the server its own address, `w.own`, with nothing before it. `at` is an origin of an app's
 * own, which hands on to the front door. `users` are there from the start; `settings` are the
 * server's flags.
 *
 * Hosts below `localhost` lead to this machine by themselves, and behave like others:
 * `app.example.localhost` and `api.example.localhost` are one site and two origins,
 * `evil.localhost` is another site.
 */
export async function world({
  cross = false,
  alone = false,
  at = undefined,
  users = ['alice', 'bertha'],
  settings = [],
} = {}) {
  const bin = process.env.COUNTERSIGN_BIN;
  if (!bin) throw new Error('set COUNTERSIGN_BIN to the server: target/release/countersign');
  const dir = mkdtempSync(join(tmpdir(), 'countersign-browser-'));
  const front = await makeFront();
  let server, browser;
  const stop = async () => {
    await browser?.close();
    if (server?.exitCode === null) {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
    front.close();
    rmSync(dir, { recursive: true, force: true });
    // Whoever waits for something that never comes has tested nothing.
    if (front.faults.length)
      throw new Error(`no request came for: ${front.faults.map(({ path }) => path).join(', ')}`);
  };
  try {
    return await open();
  } catch (error) {
    await stop();
    throw error;
  }

  async function open() {
    const origin = (name) => `http://${name}:${front.port}`;
    const app = at ?? origin('app.example.localhost');
    const api = cross ? origin('api.example.localhost') : app;

    // The server would take COUNTERSIGN_BIN for a setting that it does not know, so it gets an
    // environment of its own.
    const data = ['--data-dir', join(dir, 'data')];
    const cli = (...args) => {
      const ran = spawnSync(bin, [...args, ...data], {
        env: { COUNTERSIGN_PASSWORD: PASSWORD },
        encoding: 'utf8',
      });
      if (ran.status !== 0) throw new Error(ran.stderr);
      return ran.stdout;
    };
    for (const username of users) {
      const email = `${username}@example.com`;
      cli('user', 'create', '--username', username, '--email', email, '--noinput');
    }
    const args = [
      'serve',
      '--listen',
      '127.0.0.1:0',
      ...(alone ? [] : ['--public-url', api]),
      ...data,
      ...(cross ? ['--allow-origin', app] : []),
      ...settings,
    ];
    server = spawn(bin, args, { env: {}, stdio: ['ignore', 'pipe', 'ignore'] });
    const said = [];
    const lines = createInterface({ input: server.stdout });
    front.backend = await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        said.push(line);
        const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
        if (found) resolve(Number(found[1]));
      });
      server.once('exit', () =>
        reject(new Error(`the server does not start:\n${said.join('\n')}`)),
      );
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

    const w = {
      app,
      api,
      front,
      browser,
      evil: origin('evil.localhost'),
      sibling: origin('other.example.localhost'),
      direct: `http://127.0.0.1:${front.backend}`,
      own: `http://localhost:${front.backend}`,
      /** Where the server's data is. */
      data: join(dir, 'data'),
      /** What a command prints. */
      cli,
      /**
       * The newest mail to an address whose subject is like that, as the demo's mailbox has it,
       * with its link and its code. It is waited for.
       */
      async mail(to, subject) {
        for (;;) {
          const { mails } = await (await fetch(`${w.own}/demo/mail.json`)).json();
          const found = mails.find((mail) => mail.to === to && subject.test(mail.subject));
          if (found) {
            const first = (pattern) => pattern.exec(found.text)?.[1];
            return { ...found, link: first(/^(https?:.*)$/m), code: first(/^ {2}(\d{4} \d{4})$/m) };
          }
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      /** A browser of somebody, with nothing in it. */
      async visitor() {
        const context = await browser.newContext();
        const visitor = {
          context,
          /**
           * Opens a tab with a client in it, `client`; `env` is code for parts of its surroundings.
           */
          async tab({ url = `${app}/`, env = '{}' } = {}) {
            const page = await context.newPage();
            page.mistakes = [];
            page.on('pageerror', (error) => page.mistakes.push(String(error)));
            page.on(
              'console',
              (message) =>
                /Content.Security.Policy/i.test(message.text()) &&
                page.mistakes.push(message.text()),
            );
            await page.goto(url);
            await visitor.client(page, env);
            return page;
          },
          /** Makes the client of a page; again after a reload. */
          client: (page, env = '{}') =>
            page.evaluate(
              async ([baseUrl, env]) => {
                const { createClient } = await import('/src/index.js');
                window.client = createClient({ baseUrl, env: (0, eval)(`(${env})`) });
                window.changes = [];
                window.client.onChange((change) => window.changes.push(change));
              },
              [`${api}/accounts`, env],
            ),
          login: (page, username = 'alice') =>
            page.evaluate((credentials) => window.client.login(credentials), {
              username,
              password: PASSWORD,
            }),
          /** The value of a cookie, `HttpOnly` or not. */
          cookie: async (name) =>
            (await context.cookies(`${api}/accounts`)).find((cookie) => cookie.name === name)
              ?.value,
        };
        return visitor;
      },
      stop,
    };
    return w;
  }
}

/** Bundles a module for the browser, with what it imports. */
export async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'jsx' },
    alias: {
      '@countersign/client': join(root, 'src/index.js'),
      '@countersign/client/axios': join(root, 'src/axios.js'),
      '@countersign/client/react': join(root, 'src/react.js'),
      '@countersign/client/solid': join(root, 'src/solid.js'),
      '@countersign/client/svelte': join(root, 'src/svelte.js'),
      '@countersign/client/vue': join(root, 'src/vue.js'),
    },
    define: { 'process.env.NODE_ENV': '"production"' },
    jsx: 'automatic',
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'silent',
  });
  return outputFiles[0].text;
}

/** Serves pages, hands the server's endpoints on to it, and fails when told to. */
async function makeFront() {
  const faults = [];
  const front = {
    /** What has not met its request yet. */
    faults,
    backend: 0,
    /** What came to the server's endpoints, and what was answered. */
    log: [],
    /** Further pages: path to [type, text]. */
    pages: new Map(),
    count: (path) => front.log.filter((entry) => entry.path === path).length,
    /**
     * What happens to the next requests to a path: `offline`, `cut`, `torn`, a function that is
     * waited for before the answer goes on, or a status.
     */
    next(path, ...kinds) {
      faults.push(...kinds.map((kind) => ({ path, kind })));
    },
  };

  const server = createServer((request, response) => {
    const { pathname: path } = new URL(request.url, 'http://x');
    if (/^\/(accounts|manage)\//.test(path)) return pass(request, response, path);
    const page = front.pages.get(path);
    if (typeof page === 'function') return page(request, response);
    if (page) return serve(response, page[0], page[1]);
    if (path === '/')
      return serve(response, 'text/html', '<!doctype html><title>An app</title><p id="root"></p>');
    if (/^\/src\/\w+\.js$/.test(path))
      return serve(response, 'text/javascript', readFileSync(join(root, path)));
    response.writeHead(404).end();
  });

  function serve(response, type, text) {
    response
      .writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-store' })
      .end(text);
  }

  function pass(request, response, path) {
    const found = faults.findIndex((fault) => fault.path === path && request.method !== 'OPTIONS');
    const kind = found < 0 ? undefined : faults.splice(found, 1)[0].kind;
    const entry = { method: request.method, path, headers: request.headers, status: 0 };
    if (request.method !== 'OPTIONS') front.log.push(entry);
    if (kind === 'offline') return request.socket.destroy();
    if (typeof kind === 'number') {
      response.writeHead(kind, {
        'Access-Control-Allow-Origin': request.headers.origin ?? '*',
        'Access-Control-Allow-Credentials': 'true',
      });
      return response.end('<h1>A proxy</h1>');
    }
    const onward = httpRequest(
      {
        host: '127.0.0.1',
        port: front.backend,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      async (answer) => {
        entry.status = answer.statusCode;
        entry.answer = answer.headers;
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        entry.body = body.toString();
        if (kind === 'cut') return request.socket.destroy();
        if (typeof kind === 'function') await kind();
        response.writeHead(answer.statusCode, answer.rawHeaders.length ? answer.headers : {});
        if (kind === 'torn') {
          response.write(body.subarray(0, body.length / 2));
          return setTimeout(() => request.socket.destroy(), 50);
        }
        response.end(body);
      },
    );
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  front.port = server.address().port;
  front.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return front;
}
