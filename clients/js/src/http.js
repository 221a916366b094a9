// One request to the server's own endpoints, and what can go wrong with it.

/** An error that the server, or a proxy before it, has answered. */
export class CountersignError extends Error {
  /**
   * @param {Response} response
   * @param {any} problem the document that came with it, if it was one
   * @param {number} now the device's time, for a `Retry-After` that is a date
   */
  constructor(response, problem, now) {
    super(problem.detail || `The server answered ${response.status}.`);
    this.name = 'CountersignError';
    this.status = response.status;
    /** @type {import('./codes.js').Code | undefined} */
    this.code = problem.code;
    /** @type {import('./codes.js').Reason | undefined} */
    this.reason = problem.reason;
    /** @type {Record<string, string[]>} */
    this.errors = problem.errors || {};
    const wait = response.headers.get('Retry-After');
    /** @type {number | undefined} */
    this.retryAfter = wait
      ? Math.max(0, isNaN(+wait) ? (Date.parse(wait) - now) / 1000 : +wait) || 0
      : undefined;
  }
}

/**
 * @typedef {object} Call
 * @property {string} [method] POST unless it says otherwise
 * @property {object} [json]
 * @property {string} [access]
 * @property {string} [csrf]
 * @property {AbortSignal | null} [signal]
 */

/**
 * Sends one request, and answers with its JSON.
 *
 * Redirects are refused: a 307 would send a password on to wherever it points. An answer that
 * breaks off, or is no JSON (a hotel's page that wants a click first), throws as a lost connection
 * does: it says nothing about the session.
 *
 * @param {import('./index.js').Environment} env
 * @param {string} url
 * @param {RequestCredentials} credentials
 * @param {Call} call
 * @returns {Promise<any>}
 */
export async function send(env, url, credentials, { method = 'POST', json, access, csrf, signal }) {
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  const timer = env.setTimeout(
    () => stop.abort(new DOMException('The server did not answer in time.', 'TimeoutError')),
    TIMEOUT,
  );
  /** @type {Record<string, string>} */
  const headers = {};
  if (json) headers['Content-Type'] = 'application/json';
  if (access) headers.Authorization = 'Bearer ' + access;
  if (csrf) headers[CSRF_HEADER] = csrf;
  try {
    const response = await env.fetch(url, {
      method,
      headers,
      credentials,
      body: json && JSON.stringify(json),
      cache: 'no-store',
      redirect: 'error',
      signal: stop.signal,
    });
    if (!response.ok) throw await failure(env, response);
    return response.status === 204 ? undefined : await response.json();
  } finally {
    env.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * What an answer that is not ok says.
 *
 * @param {import('./index.js').Environment} env
 * @param {Response} response
 */
export async function failure(env, response) {
  const problem = await response.json().catch(() => 0);
  return new CountersignError(response, problem || {}, env.wall());
}

/** The header that carries the CSRF token. */
export const CSRF_HEADER = 'X-CSRFTOKEN';

/**
 * How long one of our own requests may take. A later answer counts as lost, which the server
 * forgives.
 */
const TIMEOUT = 30_000;
