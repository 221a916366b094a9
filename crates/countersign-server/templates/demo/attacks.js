// Four attacks, really tried. Each answers with what came of it: whether the server held, and in
// which words.
import { claimsOf } from './tokens.js';
import { show } from './requests.js';

/** What stands beside this file, wherever that is. */
const beside = (name) => new URL(name, import.meta.url).pathname;

/**
 * @param {object} world
 * @param {import('./client/index.js')} world.client
 * @param {typeof fetch} world.send a `fetch` that adds nothing, and shows what it does
 * @param {string} world.base
 * @param {Element} world.list where requests are shown
 */
export function attacks({ client, send, base, list }) {
  const json = { 'Content-Type': 'application/json' };

  return { forged, foreign, theft, jar };

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
    const response = await send(beside('theft'), {
      method: 'POST',
      credentials: 'omit',
      headers: json,
      body: JSON.stringify({ username: client.user.username, password, transport: 'body' }),
    });
    if (!response.ok) return refusedLogin(response);
    const { steps } = await response.json();
    steps.forEach(tell);
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

  /** The server plays a thief who has copied the browser's jar. */
  async function jar() {
    const [own] = (await client.sessions()).filter(({ current }) => current);
    const headers = { 'X-CSRFTOKEN': client.csrfToken };
    const response = await send(beside('jar'), { method: 'POST', headers });
    if (!response.ok) return verdict(response, '');
    const { steps } = await response.json();
    steps.forEach(tell);
    const { status, code } = steps.at(-1);
    // The owner, a moment later.
    await client.refresh();
    if (status === 200)
      return { held: false, text: `It went through (200). ${whyUnbound(own?.device_bound)}` };
    const whole = steps.length > 1 && steps[0].status === 200;
    return {
      held: status === 401 && Boolean(client.user),
      text:
        `Refused: ${status} ${code}. The session is bound to a key of this machine, and curl has ` +
        'not the key. ' +
        (whole
          ? 'With the ticket of the jar it went through (200): that is good until 330 seconds ' +
            'after your browser last proved its key. '
          : '') +
        'You are still logged in, and your own refresh a moment later was answered as ever.',
    };
  }

  /** Shows what the server has sent for somebody. */
  function tell({ who, method, path, token, status, code, reason }) {
    const outcome = [status, code, reason && `(${reason})`].filter(Boolean).join(' ');
    const why = `With ${token}.`;
    show(list, { who: WHO[who], method, path, status: outcome, why, refused: status >= 400 });
  }
}

const WHO = { phone: 'The phone', thief: 'The thief', curl: 'curl' };

/** Why the copy worked, where it did. */
function whyUnbound(isBound) {
  const { binding } = document.body.dataset;
  if (location.protocol !== 'https:')
    return (
      `This page is at ${location.origin}, and over http no browser binds a session to its ` +
      'machine: the copy is as good as the original. Over https, Chrome on Windows and macOS ' +
      'does it by itself; docs/demo.md tells how to try it here.'
    );
  if (binding !== 'enforce')
    return `The setting device_binding is ${binding}: with enforce the copy would be refused.`;
  return isBound
    ? 'That must not happen: please report it.'
    : 'This session is not bound to this machine: the browser cannot do it, or it has logged in ' +
        'just now. A key counts 150 seconds after the login; refresh then, and try again.';
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
