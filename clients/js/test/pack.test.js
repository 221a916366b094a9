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
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const entries = Object.values(exports)
    .flatMap(({ types, default: module }) => [types, module])
    .map((path) => path.slice(2));
  // What the entries import, besides.
  const inner = ['src/client.js', 'src/clock.js', 'src/codes.d.ts', 'src/http.js', 'src/turns.js'];
  const around = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'];
  const [{ files, size, unpackedSize }] = JSON.parse(packed.stdout);
  t.diagnostic(`the package: ${size} bytes packed, ${unpackedSize} unpacked`);
  assert.deepEqual(files.map(({ path }) => path).sort(), [...entries, ...inner, ...around].sort());
});
