// The browser's client. What it promises is in index.d.ts; how it does so is in client.js.
import { build } from './client.js';

export { CountersignError } from './http.js';

/** @type {typeof import('./index.js').createClient} */
export const createClient = (options) => build(options);
