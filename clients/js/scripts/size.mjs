// Prints how large the main entry is for a browser, minified and compressed, and fails when that is
// too much. With a file name it also writes the minified module there.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

// 4 KB were enough for the session alone. Each further endpoint of the server's costs some 40
// bytes, those of second factors 190; passkeys, with what browsers need that know no JSON of
// theirs, some 800; files of one sitting's reading, with names instead of one closure's letters,
// some 300; that nothing late counts (another process's refresh, a session before, a closed client)
// some 120.
const LIMIT = 6750;

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('../src/index.js', import.meta.url))],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  write: false,
});
const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(
  `main entry: ${bytes} of ${LIMIT} bytes, minified and compressed ` +
    `(${outputFiles[0].contents.length} before compression)`,
);
if (process.argv[2]) writeFileSync(process.argv[2], outputFiles[0].contents);
if (bytes >= LIMIT) process.exit(1);
