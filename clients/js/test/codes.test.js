import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { endings, text } from '../scripts/codes.mjs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the_codes_are_those_of_the_server', () => {
  assert.equal(read('../src/codes.d.ts'), text(), 'run `npm run codes`');
});

test('the_endings_are_the_401s_of_the_refresh_endpoint', () => {
  const page = read('../../../docs/flows/refresh.md');
  const documented = [...page.matchAll(/^\| 401 `([a-z_]+)`/gm)].map(([, code]) => code);
  assert.deepEqual(documented.toSorted(), endings().toSorted());
});
