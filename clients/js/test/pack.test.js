import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the package contains what a user needs, and nothing else', (t) => {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(packed.status, 0, packed.stderr);
  const { exports, main, types } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  // The tools of React Native, and others, ask for it.
  assert.equal(exports['./package.json'], './package.json');
  delete exports['./package.json'];
  const entries = Object.values(exports)
    .flatMap(({ types, default: module }) => [types, module])
    .map((path) => path.slice(2));
  // What the entries import, besides.
  const inner = ['accounts.js', 'client.js', 'clock.js', 'codes.d.ts', 'device-key.js']
    .concat('factor-types.d.ts', 'factors.js', 'http.js', 'listeners.js', 'passkeys.js')
    .concat('retries.js', 'schedule.js', 'signer.js', 'surroundings.js', 'tabs.js', 'turns.js')
    .map((name) => 'src/' + name);
  // For who does not read `exports`: TypeScript's `node10`, older bundlers, Metro before 0.79.
  assert.deepEqual({ types, default: main }, exports['.']);
  const doors = Object.keys(exports)
    .filter((name) => name !== '.')
    .map((name) => `${name.slice(2)}/package.json`);
  for (const door of doors) {
    const { main, types, type } = JSON.parse(readFileSync(root + door, 'utf8'));
    const paths = { types: types.slice(1), default: main.slice(1) };
    assert.deepEqual(paths, exports[`./${door.split('/')[0]}`], door);
    assert.equal(type, 'module');
  }
  const around = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'];
  const [{ files, size, unpackedSize }] = JSON.parse(packed.stdout);
  t.diagnostic(`the package: ${size} bytes packed, ${unpackedSize} unpacked`);
  const wanted = [...entries, ...inner, ...doors, ...around];
  assert.deepEqual(files.map(({ path }) => path).sort(), wanted.sort());
});
