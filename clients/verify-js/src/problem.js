// Why a request is refused: problem details (RFC 9457), with the words of the server.

const FORGED = 'Bearer error="invalid_token"';
const WEAK = 'Bearer error="insufficient_user_authentication"';

/**
 * Status, title, usual detail and challenge of each code.
 *
 * @type {Map<string, {status: number, title: string, detail: string, challenge?: string}>}
 */
const PROBLEMS = new Map(
  Object.entries({
    not_authenticated: {
      status: 401,
      title: 'Not authenticated',
      detail: 'Log in, and send the access token as `Authorization: Bearer`.',
      challenge: 'Bearer',
    },
    token_invalid: {
      status: 401,
      title: 'Token invalid',
      detail: 'The access token is not valid.',
      challenge: FORGED,
    },
    token_expired: {
      status: 401,
      title: 'Token expired',
      detail: 'The access token has expired. Refresh, and try again.',
      challenge: `${FORGED}, error_description="the token has expired"`,
    },
    session_revoked: {
      status: 401,
      title: 'Session revoked',
      detail: 'This session was ended. Log in again.',
      challenge: FORGED,
    },
    recent_login_required: {
      status: 401,
      title: 'Recent login required',
      detail:
        'This needs a fresh login: ask for the password, log in again, and repeat the request ' +
        'with the new token.',
      challenge: WEAK,
    },
    factor_required: {
      status: 401,
      title: 'Factor required',
      detail:
        'This needs a second factor: prove one with a step-up, and repeat the request with the ' +
        'new token.',
      challenge: WEAK,
    },
    enrolment_required: {
      status: 403,
      title: 'Enrolment required',
      detail: 'This account must have a second factor. Enrol one first.',
    },
    permission_denied: {
      status: 403,
      title: 'Permission denied',
      detail: 'You may not do this.',
    },
    csrf_failed: {
      status: 403,
      title: 'CSRF check failed',
      detail: 'The CSRF check failed.',
    },
    unavailable: {
      status: 503,
      title: 'Temporarily unavailable',
      detail:
        'The server cannot do this now. Nothing was done; try again after `Retry-After` seconds.',
    },
  }),
);

export class Problem extends Error {
  /**
   * @param {import('./index.js').Code} code
   * @param {{detail?: string, challenge?: string, retryAfter?: number}} [more]
   */
  constructor(code, { detail, challenge, retryAfter } = {}) {
    const usual = PROBLEMS.get(code);
    if (!usual) throw new TypeError(`there is no code ${code}`);
    super(detail ?? usual.detail);
    this.name = 'Problem';
    this.code = code;
    this.status = usual.status;
    this.title = usual.title;
    this.detail = this.message;
    /** @type {string | undefined} */
    this.challenge = challenge ?? usual.challenge;
    /** @type {number | undefined} */
    this.retryAfter = retryAfter;
  }

  /** The headers of the answer. */
  get headers() {
    /** @type {Record<string, string>} */
    const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
    if (this.challenge !== undefined) headers['www-authenticate'] = this.challenge;
    if (this.retryAfter !== undefined) headers['retry-after'] = String(this.retryAfter);
    return headers;
  }

  /** The body of the answer. */
  toJSON() {
    const { title, status, detail, code } = this;
    return { type: `urn:countersign:problem:${code}`, title, status, detail, code };
  }

  /** The whole answer, for servers that speak of `Response`. */
  toResponse() {
    return new Response(JSON.stringify(this), { status: this.status, headers: this.headers });
  }
}

/** @param {string} detail */
export const invalid = (detail) => new Problem('token_invalid', { detail });

export const MALFORMED =
  'Send `Authorization: Bearer` and the access token as login or refresh returned it.';
