// Bundles the app and serves it on http://localhost:3000; a reload shows what was changed. With
// `--build` it only bundles.
import { context } from 'esbuild';

const app = await context({
  entryPoints: ['src/main.jsx'],
  outdir: 'public',
  bundle: true,
  format: 'esm',
  jsx: 'automatic',
  // The client is a link to its directory, which may have a React of its own for its tests; two of
  // them do not work together.
  preserveSymlinks: true,
  define: { 'process.env.NODE_ENV': '"production"' },
});
if (process.argv.includes('--build')) {
  await app.rebuild();
  await app.dispose();
} else {
  const { port } = await app.serve({ host: '127.0.0.1', port: 3000, servedir: 'public' });
  console.log(`http://localhost:${port}`);
}
