// Second factors: the second step of a login, and what a user has.
import { complain, inWords } from './accounts.js';
import { element } from './requests.js';
import { moment } from './tokens.js';

const at = (id) => document.getElementById(id);
const hasPasskeys = Boolean(globalThis.PublicKeyCredential && navigator.credentials);

/**
 * @param {object} world
 * @param {import('./client/index.js').Client} world.client
 * @param {string} world.base
 * @param {(button: Element, doing: () => Promise<string | void>) => void} world.work
 * @param {(id: string, hasFocus?: boolean) => void} world.open shows a form to who is signed out
 */
export function factors({ client, base, work, open }) {
  /** The login that waits for a second factor. */
  let pending_token;
  /** Whether the user has one by now. */
  let hasOne = false;

  at('passkey-login').hidden = !hasPasskeys;
  at('add-passkey').hidden = !hasPasskeys;

  press('passkey-login', at('login'), async () => {
    const user = await client.passkeys.login();
    return `Signed in as ${user.username}, with a passkey alone.`;
  });

  press('factor-passkey', at('factor'), async () => {
    const user = await client.passkeys.login({ pending_token, ...remembered() });
    return `Signed in as ${user.username}, with a passkey.`;
  });

  send('factor', async ({ code }) => {
    const user = await client.loginWithFactor({ pending_token, ...remembered(), ...read(code) });
    return `Signed in as ${user.username}, with a second factor.`;
  });

  send('prove-again', async ({ proof }) => {
    await client.stepUp(hasOne ? read(proof) : { password: proof });
    at('prove-again').hidden = true;
    at('factors-title').focus();
    return 'Thank you. Now do it again.';
  });

  press('add-app', at('prove-again'), async () => {
    const { secret, qr } = await ask('POST', '/factors/totp');
    at('app-secret').textContent = secret;
    at('app-picture').src = `data:image/svg+xml,${encodeURIComponent(qr)}`;
    at('app').hidden = false;
    at('app-code').focus();
  });

  send('app', async ({ code }) => {
    await added(await ask('POST', '/factors/totp/confirm', { code }));
    at('app').hidden = true;
    return 'The app is a second factor from now on.';
  });

  press('add-passkey', at('prove-again'), async () => {
    await added(await client.passkeys.register());
    return 'The passkey logs in from now on, and is a second factor.';
  });

  press('new-codes', at('prove-again'), async () => {
    await added(await ask('POST', '/factors/recovery-codes'));
    return 'The old recovery codes are good no more.';
  });

  return {
    /** Whether an error asks for a second factor: then the form for it is open. */
    asks(error) {
      if (error.code !== 'second_factor_required') return false;
      pending_token = error.problem.pending_token;
      at('factor-passkey').hidden = !(hasPasskeys && error.problem.factors.includes('passkey'));
      complain(at('factor'), '');
      at('factor').reset();
      open('factor');
      at('factor-code').focus();
      return true;
    },
    list,
    /** Nobody is signed in any more. */
    leave() {
      pending_token = undefined;
      for (const id of ['app', 'prove-again', 'codes']) at(id).hidden = true;
      for (const id of ['factor', 'app', 'prove-again']) at(id).reset();
      at('app-secret').textContent = '';
      at('app-picture').removeAttribute('src');
      at('codes-text').textContent = '';
      at('codes-file').removeAttribute('href');
    },
  };

  /** What the user has. */
  async function list() {
    const found = await ask('GET', '/factors').catch(() => undefined);
    if (!found) return;
    hasOne = found.factors.length > 0;
    at('factors').replaceChildren(...found.factors.map(one));
    at('no-factors').hidden = hasOne;
    at('codes-left').textContent = hasOne
      ? `${found.recovery_codes_left} recovery codes are left.`
      : '';
    at('new-codes').hidden = !hasOne;
    at('proof-again-label').textContent = hasOne
      ? 'Is it you? The code of your app, or a recovery code'
      : 'Is it you? Your password';
    at('proof-again').autocomplete = hasOne ? 'one-time-code' : 'current-password';
  }

  function one({ id, kind, name, created_at, last_used_at, is_backed_up }) {
    const what = kind === 'passkey' ? 'A passkey' : 'An authenticator app';
    const used = last_used_at ? `last used ${moment(last_used_at)}` : 'never used to log in';
    const copies = { true: ' · its provider has a copy', false: ' · on one device alone' };
    const text = element(
      'div',
      {},
      element('p', {}, name ?? what),
      element(
        'p',
        { class: 'muted' },
        `since ${moment(created_at)} · ${used}${copies[is_backed_up] ?? ''}`,
      ),
    );
    const remove = element('button', { 'aria-label': `Remove ${name ?? what}` }, 'Remove');
    press(remove, at('prove-again'), async () => {
      await ask('DELETE', `/factors/${id}`);
      await list();
      at('factors-title').focus();
      return 'It is removed, and every other device is logged out.';
    });
    return element('li', {}, text, remove);
  }

  /** A factor or codes have come: the token says so, and what is shown once is shown. */
  async function added({ recovery_codes }) {
    await client.refresh();
    if (recovery_codes) {
      const text = recovery_codes.join('\n');
      at('codes-text').textContent = text;
      at('codes-file').href = `data:text/plain;charset=utf-8,${encodeURIComponent(`${text}\n`)}`;
      at('codes').hidden = false;
    }
    await list();
    at('factors-title').focus();
  }

  /** One of the endpoints that the client has no word for, as the user. */
  async function ask(method, path, json) {
    const headers = json && { 'Content-Type': 'application/json' };
    const body = json && JSON.stringify(json);
    const response = await client.fetch(base + path, { method, headers, body });
    const answer = response.status === 204 ? undefined : await response.json();
    if (response.ok) return answer;
    throw Object.assign(new Error(answer.detail), { code: answer.code, errors: answer.errors });
  }

  function remembered() {
    return at('factor-remember').checked ? { remember_device: true } : {};
  }

  /** Does what a button says; what is wrong stands in this form. */
  function press(button, form, doing) {
    const target = typeof button === 'string' ? at(button) : button;
    target.addEventListener('click', () => attempt(target, form, doing));
  }

  function send(id, doing) {
    at(id).addEventListener('submit', (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      attempt(event.submitter, form, async () => {
        const said = await doing(Object.fromEntries(new FormData(form)));
        form.reset();
        return said;
      });
    });
  }

  function attempt(button, form, doing) {
    complain(form, '');
    work(button, async () => {
      try {
        return await doing();
      } catch (error) {
        if (error.code === 'pending_token_invalid') open('login', true);
        if (['recent_login_required', 'factor_required'].includes(error.code)) {
          at('prove-again').hidden = false;
          at('proof-again').focus();
          return 'This needs a fresh login: prove that it is you, and do it again.';
        }
        if (form.hidden) throw error;
        complain(form, inWords(error));
      }
    });
  }
}

/** What somebody typed: six digits are an app's. */
const read = (text) => (/^[\d ]+$/.test(text) ? { code: text } : { recovery_code: text });
