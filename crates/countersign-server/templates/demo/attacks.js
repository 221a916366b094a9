// Three attacks, really tried. Each answers with what came of it: whether the server held, and in
// which words.
import { claimsOf } from './tokens.js';
import { show } from './requests.js';

/**
 * @param {object} world
 * @param {import('./client/index.js')} world.client
 * @param {typeof fetch} world.send a `fetch` that adds nothing, and shows what it does
 * @param {string} world.base
 * @param {Element} world.list where requests are shown
 */
export function attacks({ client, send, base, list }) {
  const json = { 'Content-Type': 'application/json' };

  return { forged, foreign, theft };

  /** What a form on another site would send: the cookie and nothing else. */
  async function forged() {
    const response = await send(`${base}/logout`, { method: 'POST' });
    return verdict(response, 'You are still logged in.');
  }

  /**
   * A second session's CSRF token in the first session's request. The second login leaves no
   * cookie: it is sent without credentials, so nothing of it is kept.
   */
  async function foreign(password) {
    const login = await send(`${base}/login`, {
      method: 'POST',
      credentials: 'omit',
      headers: json,
      body: JSON.stringify({ username: client.user.username, password }),
    });
    if (!login.ok) return refusedLogin(login);
    const other = await login.json();
    try {
      const headers = {
        ...json,
        Authorization: `Bearer ${await client.accessToken()}`,
        'X-CSRFTOKEN': other.csrf_token,
      };
      const response = await send(`${base}/profile`, { method: 'PATCH', headers, body: '{}' });
      return await verdict(response, 'Nothing was written.');
    } finally {
      // Tidied away, with its own token, which is good for itself.
      await client.fetch(`${base}/sessions/${claimsOf(other.access_token).sid}`, {
        method: 'DELETE',
      });
    }
  }

  /** The server plays a phone and its thief, and tells what happened. */
  async function theft(password) {
    const response = await send('/demo/theft', {
      method: 'POST',
      credentials: 'omit',
      headers: json,
      body: JSON.stringify({ username: client.user.username, password, transport: 'body' }),
    });
    if (!response.ok) return refusedLogin(response);
    const { steps } = await response.json();
    for (const { who, method, path, token, status, code, reason } of steps) {
      const outcome = [status, code, reason && `(${reason})`].filter(Boolean).join(' ');
      show(list, {
        who: who === 'thief' ? 'The thief' : 'The phone',
        method,
        path,
        status: outcome,
        why: `With ${token}.`,
        refused: status >= 400,
      });
    }
    const tries = steps.filter(({ who }) => who === 'thief');
    const last = tries.at(-1);
    if (last?.code !== 'refresh_token_reused')
      return {
        held: false,
        text:
          `It was not found out after ${tries.length} tries: ${last?.status} ` +
          `${last?.code ?? ''}`,
      };
    const dead = steps.slice(-2).map(({ status, code }) => `${status} ${code}`);
    return {
      held: true,
      text:
        `Refused: ${last.status} ${last.code}, at try ${tries.length}. The first ` +
        `${tries.length - 1} were forgiven, because right after a refresh an old token may be a ` +
        `slow second tab's; ` +
        `the server counts them, and outside that window it forgives none. Two parties had the ` +
        `session, so it is ended for both: the phone's access token is dead too (${dead[0]}), ` +
        `and so is its refresh token (${dead[1]}). The user logs in again, and the thief cannot.`,
    };
  }
}

async function verdict(response, kept) {
  if (response.ok)
    return {
      held: false,
      text: `It went through (${response.status}). That must not happen: please report it.`,
    };
  const { code, detail } = await response.json();
  return { held: true, text: `Refused: ${response.status} ${code}. ${detail} ${kept}` };
}

/** The attack did not begin: the password was wrong, or there were too many. */
async function refusedLogin(response) {
  const { code, detail } = await response.json().catch(() => ({}));
  return {
    error:
      `${detail ?? 'The server did not answer as expected.'} (${response.status} ` +
      `${code ?? ''})`,
  };
}
