// The API of docs/own-api.md, as the document shows it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs/own-api.md'), 'utf8');

/** The file that the document shows under this name. */
export function file(name) {
  const found = page.split(`\n\`${name}\`:\n\n`)[1];
  if (!found) throw new Error(`docs/own-api.md has no ${name}`);
  return /^```\w+\n(.*?)\n```/s.exec(found)[1];
}

/**
 * Starts it for the pages and the server of a world, with everything in its place: the packages
 * that `npm install` would bring are those of `clients/verify-js`.
 */
export async function notesApi(w) {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-own-api-'));
  const packages = join(root, 'clients/verify-js/node_modules');
  mkdirSync(join(dir, 'node_modules/@countersign'), { recursive: true });
  symlinkSync(join(root, 'clients/verify-js'), join(dir, 'node_modules/@countersign/verify'));
  for (const name of ['cors', 'express'])
    symlinkSync(join(packages, name), join(dir, 'node_modules', name));
  const issuer = `issuer: '${w.api}', url: 'http://127.0.0.1:${w.front.backend}'`;
  const source = file('app.mjs')
    .replace("issuer: 'http://localhost:8000'", issuer)
    .replace('http://localhost:3000', w.app)
    .replace('app.listen(9000)', 'const server = app.listen(0, announce)')
    .concat('\nfunction announce() { console.log(server.address().port) }\n');
  writeFileSync(join(dir, 'app.mjs'), source);
  const api = spawn(process.execPath, ['app.mjs'], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = () => {
    api.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  const ended = once(api, 'exit').then(() => {
    throw new Error('the API does not start');
  });
  try {
    const [said] = await Promise.race([once(api.stdout, 'data'), ended]);
    ended.catch(() => {});
    return { url: `http://localhost:${Number(said)}`, stop };
  } catch (error) {
    stop();
    throw error;
  }
}
