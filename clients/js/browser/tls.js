// The real server behind TLS, and a real Chromium that binds its sessions to keys in software.
//
// Chromium binds over https with a certificate that it takes for good, and over nothing else. So
// there is a door with TLS before the server, whose key the browser is told to trust. The door
// keeps a log of what passed, and can lose answers or fail.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { createServer, request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { PASSWORD } from './world.js';

export const TICKET = '__Host-device';
export const REFRESH = '__Host-refreshtoken';

/** Chromium's switches for sessions bound to keys in software. */
const FEATURES = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting';

/** With a race window of 1 s, a key counts 5 s after it was offered. */
export const SETTLED = 6_000;

export const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/**
 * Starts everything. `cross` puts the pages on another origin: `origin` of the same site, `site` of
 * another, whose cookies the browser sends all the same. `pages` starts what stands between the
 * door and the server, and says on which port.
 */
export async function boundWorld({ cross = undefined, settings = [], pages = undefined } = {}) {
  const bin = process.env.COUNTERSIGN_BIN;
  if (!bin) throw new Error('set COUNTERSIGN_BIN to the server: target/release/countersign');
  const dir = mkdtempSync(join(tmpdir(), 'countersign-bound-'));
  const { key, cert, spki } = certificate(dir);
  const w = { log: [], fault: undefined, dir };
  let backend;
  const door = createServer({ key, cert }, (request, response) => pass(request, response));
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const { port } = door.address();
  w.api = `https://api.example.com:${port}`;
  const hosts = { origin: 'app.example.com', site: 'app.other.test' };
  w.app = cross ? `https://${hosts[cross]}:${port}` : w.api;

  function pass(request, response) {
    const path = request.url.split('?')[0];
    if (path === '/page') {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>page</title>');
      return;
    }
    const note = (status, body = '') => {
      let code;
      try {
        const told = JSON.parse(body);
        code = told.code ?? (told.continue === false ? 'ended' : undefined);
      } catch {}
      w.log.push({
        path,
        status,
        code,
        is_proof: 'secure-session-response' in request.headers,
        skipped: request.headers['secure-session-skipped'],
        site: request.headers['sec-fetch-site'],
      });
    };
    const fault = w.fault?.({ path, headers: request.headers });
    if (fault?.status) {
      note(fault.status);
      response.writeHead(fault.status).end();
      return;
    }
    const headers = { ...request.headers };
    const onward = plainRequest(
      { port: backend, path: request.url, method: request.method, headers },
      (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => {
          const body = Buffer.concat(parts);
          note(fault?.lost ? 'lost' : answer.statusCode, body.toString());
          if (fault?.lost) {
            request.socket.destroy();
            return;
          }
          response.writeHead(answer.statusCode, answer.headers).end(body);
        });
      },
    );
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  }

  const data = ['--data-dir', join(dir, 'data')];
  const args = ['user', 'create', '--username', 'alice', '--noinput', ...data];
  const made = spawnSync(bin, args, { env: { COUNTERSIGN_PASSWORD: PASSWORD }, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);

  let server;
  w.serve = async (env = {}) => {
    const flags = ['serve', '--listen', '127.0.0.1:0', '--public-url', w.api, ...data];
    flags.push('--device-binding', 'enforce', '--race-window', '1s');
    if (cross) flags.push('--allow-origin', w.app);
    if (cross === 'site') flags.push('--same-site', 'none');
    server = spawn(bin, [...flags, ...settings], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    backend = await new Promise((resolve, reject) => {
      createInterface({ input: server.stdout }).on('line', (line) => {
        const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
        if (found) resolve(Number(found[1]));
      });
      server.once('exit', () => reject(new Error('the server does not start')));
    });
    if (pages) backend = await pages(w, backend);
  };
  w.stopServer = async () => {
    if (server?.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGTERM');
    await once(server, 'exit');
  };

  const profile = join(dir, 'profile');
  if (cross === 'site') {
    // Chromium's own default is to keep them from pages of other sites.
    const cookies = { cookie_controls_mode: 0, block_third_party_cookies: false };
    mkdirSync(join(profile, 'Default'), { recursive: true });
    writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify({ profile: cookies }));
  }
  w.open = async () => {
    w.browser = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--host-resolver-rules=MAP *.example.com 127.0.0.1, MAP *.other.test 127.0.0.1',
        `--ignore-certificate-errors-spki-list=${spki}`,
        `--enable-features=${FEATURES}`,
      ],
    });
    w.page = await w.tab();
  };
  w.tab = async () => {
    const page = await w.browser.newPage();
    await page.goto(`${w.app}/page`);
    return page;
  };

  /** A call as a page makes it. The CSRF token is kept where every tab finds it. */
  w.call = (path, body, page = w.page) =>
    page.evaluate(
      async ([url, sent]) => {
        const csrf = localStorage.getItem('csrf');
        const headers = { 'content-type': 'application/json' };
        if (csrf) headers['x-csrftoken'] = csrf;
        const answer = await fetch(url, {
          method: 'POST',
          credentials: 'include',
          headers,
          body: sent,
        }).catch(() => ({ status: 0, json: async () => ({}) }));
        const told = await answer.json().catch(() => ({}));
        if (told.csrf_token) localStorage.setItem('csrf', told.csrf_token);
        return { status: answer.status, code: told.code };
      },
      [`${w.api}/accounts${path}`, body && JSON.stringify(body)],
    );
  w.login = () => w.call('/login', { username: 'alice', password: PASSWORD });
  w.refresh = (page) => w.call('/refresh', undefined, page);

  /** What passed the door since, as `path status code`. */
  w.since = (mark) =>
    w.log
      .slice(mark)
      .map(({ path, status, code }) =>
        [path.replace('/accounts', ''), status, code].filter(Boolean).join(' '),
      );
  w.until = async (what, millis = 10_000) => {
    for (let waited = 0; !what(); waited += 50) {
      if (waited > millis) throw new Error(`not seen:\n${w.since(0).join('\n')}`);
      await pause(50);
    }
  };
  w.started = () => w.log.filter((line) => line.path.endsWith('/start') && line.status === 200);

  /** Logs in, and binds the session. */
  w.bind = async () => {
    const before = w.started().length;
    const { status } = await w.login();
    if (status !== 200) throw new Error(`login: ${status}`);
    await w.until(() => w.started().length > before);
    await pause(SETTLED);
    const refreshed = await w.refresh();
    if (refreshed.status !== 200) throw new Error(JSON.stringify(refreshed));
  };

  w.jar = () => w.browser.cookies(w.api);
  w.dropTicket = async () => {
    await w.browser.clearCookies({ name: TICKET });
  };
  /** The same as from another machine: the cookies of a jar, and a client that has no key. */
  w.copied = async (jar, headers = {}) => {
    const cookie = jar.map(({ name, value }) => `${name}=${value}`).join('; ');
    const csrf = jar.find(({ name }) => name === 'csrftoken').value;
    const request = tlsRequest({
      host: '127.0.0.1',
      port,
      path: '/accounts/refresh',
      method: 'POST',
      rejectUnauthorized: false,
      headers: { host: `api.example.com:${port}`, cookie, 'x-csrftoken': csrf, ...headers },
    });
    request.end();
    const [answer] = await once(request, 'response');
    let body = '';
    for await (const part of answer) body += part;
    const told = JSON.parse(body);
    return { status: answer.statusCode, code: told.code, token: told.access_token };
  };

  w.stop = async () => {
    await w.browser?.close();
    await w.stopServer();
    door.closeAllConnections();
    door.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await w.serve();
    await w.open();
  } catch (error) {
    await w.stop();
    throw error;
  }
  return w;
}

/** A certificate, and what names its key to the browser. */
function certificate(dir) {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const made = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '30', '-subj', '/CN=api.example.com', '-keyout', key, '-out', cert],
      ...['-addext', 'subjectAltName=DNS:api.example.com,DNS:app.example.com,DNS:app.other.test'],
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(made.stderr);
  const { publicKey } = new X509Certificate(readFileSync(cert));
  const spki = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return { key: readFileSync(key), cert: readFileSync(cert), spki };
}
