import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { dependencies, exports, main, types } = JSON.parse(
  readFileSync(`${root}package.json`, 'utf8'),
);

test('the package contains what a user needs, and nothing else', () => {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(packed.status, 0, packed.stderr);
  const [{ files }] = JSON.parse(packed.stdout);
  const around = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'];
  const sources = readdirSync(`${root}src`).map((name) => `src/${name}`);
  assert.deepEqual(files.map(({ path }) => path).sort(), [...around, ...sources].sort());
  assert.deepEqual(Object.keys(dependencies), ['jose']);
});

test('every entry is there, with types that name what it has', async () => {
  assert.deepEqual({ types, default: main }, exports['.']);
  for (const [entry, paths] of Object.entries(exports)) {
    if (typeof paths === 'string') continue;
    const names = Object.keys(await import(`@countersign/verify${entry.slice(1)}`));
    const declared = readFileSync(root + paths.types, 'utf8');
    assert.ok(names.length > 0, entry);
    for (const name of names)
      assert.match(declared, new RegExp(`export (const|function|class) ${name}\\b`), entry);
  }
});

test('no module but those of the framework is asked for', () => {
  for (const name of readdirSync(`${root}src`).filter((file) => file.endsWith('.js'))) {
    const source = readFileSync(`${root}src/${name}`, 'utf8');
    for (const [, from] of source.matchAll(/ from '([^']+)'/g))
      assert.ok(from === 'jose' || from.startsWith('./'), `${name}: ${from}`);
  }
});
