// One request to the server's own endpoints, and what can go wrong with it.
import { reasonOf } from './clock.js';

/**
 * Whatever went wrong: an answer of the server's, or of a proxy before it, or none at all.
 *
 * @typedef {object} Particulars
 * @property {number} [status] nothing where there was no answer
 * @property {any} [code]
 * @property {any} [problem] the document that came with it
 * @property {number} [retryAfter]
 * @property {unknown} [cause]
 */
export class CountersignError extends Error {
  /**
   * @param {string} message
   * @param {Particulars} [particulars]
   */
  constructor(message, { status = 0, problem = {}, code = problem.code, retryAfter, cause } = {}) {
    super(message, { cause });
    this.name = 'CountersignError';
    this.status = status;
    /** @type {import('./index.js').CountersignError['code']} */
    this.code = code;
    /** @type {import('./codes.js').Reason | undefined} */
    this.reason = problem.reason;
    /** @type {Record<string, string[]>} */
    this.errors = problem.errors || {};
    /** @type {Record<string, unknown>} */
    this.problem = problem;
    this.retryAfter = retryAfter;
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
  const timer = env.setTimeout(() => stop.abort(), TIMEOUT);
  /** @type {Record<string, string>} */
  const headers = {};
  if (json) headers['Content-Type'] = 'application/json';
  if (access) headers.Authorization = 'Bearer ' + access;
  if (csrf && method !== 'GET') headers[CSRF_HEADER] = csrf;
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
  } catch (error) {
    if (error instanceof CountersignError) throw error;
    if (signal?.aborted) throw reasonOf(signal);
    throw noAnswer(
      stop.signal.aborted
        ? 'The server did not answer in time.'
        : 'The server cannot be reached, or what came was not its answer.',
      error,
    );
  } finally {
    env.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Nothing was answered that could be the server's.
 *
 * @param {string} message
 * @param {unknown} [cause]
 */
export const noAnswer = (message, cause) =>
  new CountersignError(message, { code: 'no_answer', cause });

/**
 * What an answer that is not ok says.
 *
 * @param {import('./index.js').Environment} env
 * @param {Response} response
 */
export async function failure(env, response) {
  const { status, headers } = response;
  const problem = (await response.json().catch(() => 0)) || {};
  const wait = headers.get('Retry-After');
  return new CountersignError(problem.detail || `The server answered ${status}.`, {
    status,
    problem,
    retryAfter: wait
      ? Math.max(0, isNaN(+wait) ? (Date.parse(wait) - env.wall()) / 1000 : +wait) || 0
      : undefined,
  });
}

/** The header that carries the CSRF token. */
export const CSRF_HEADER = 'X-CSRFTOKEN';

/**
 * How long one of our own requests may take. A later answer counts as lost, which the server
 * forgives.
 */
const TIMEOUT = 30_000;

/** An answer with tokens. Whatever else has come with a 200, a proxy has made up. */
export function checked(/** @type {any} */ answer) {
  if (!answer?.access_token || !(answer.expires_in > 0))
    throw noAnswer('The answer is not from Countersign.');
  return answer;
}
