import adapter from '@sveltejs/adapter-node';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  server: { port: 3000 },
  plugins: [
    sveltekit({
      adapter: adapter(),
      // As browsers have it. SvelteKit refuses what comes from elsewhere, and behind a proxy it
      // would take its own pages for elsewhere.
      paths: { origin: process.env.ORIGIN ?? 'http://localhost:3000' },
    }),
  ],
});
