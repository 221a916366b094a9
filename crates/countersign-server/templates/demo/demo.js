// The page: what is shown when, and what the buttons do.
import { createClient } from './client/index.js';
import { accounts, inWords } from './accounts.js';
import { attacks } from './attacks.js';
import { factors } from './factors.js';
import { element, watched } from './requests.js';
import { MEANING, claimsOf, lives, moment, shown, span } from './tokens.js';

const at = (id) => document.getElementById(id);
const { base, origin, idle } = document.body.dataset;
const list = at('requests');
const send = watched(list);
const client = createClient({ baseUrl: base, env: { fetch: send } });
const attack = attacks({ client, send, base, list });
const doors = accounts({ client, work, asks: (error) => second.asks(error) });
const second = factors({ client, base, work, open: doors.open });

/** The current session's id and its end, in seconds since 1970. */
let session = {};
/** How much is left of both tokens. */
let left;

client.onChange((change) => {
  if (change.type === 'signed_out') leave(change);
  else if (change.type === 'refreshed') look();
  else enter();
});
setInterval(tick, 500);
document.addEventListener('visibilitychange', tick);

at('elsewhere').hidden = location.origin === origin;
start();

async function start() {
  const found = await client
    .restore()
    .catch((error) => void say(`${error.message} Trying again …`));
  if (found === null) at('out').hidden = false;
}

/** Somebody is signed in. */
async function enter() {
  const hadFocus = at('out').contains(document.activeElement);
  at('out').hidden = true;
  at('in').hidden = false;
  at('who').textContent = `Signed in as ${client.user?.username ?? '…'}`;
  // For password managers.
  for (const id of ['again-username', 'delete-username', 'prove-username'])
    at(id).value = client.user?.username ?? '';
  at('login').reset();
  at('keep').hidden = true;
  wrong('');
  // Keyboards and screen readers are in the form, which is gone.
  if (hadFocus) at('who').focus();
  await look();
  await sessions();
  await second.list();
}

/** Nobody is, and why. */
function leave({ code, reason }) {
  const hadFocus = at('in').contains(document.activeElement);
  at('in').hidden = true;
  at('out').hidden = false;
  doors.leave();
  second.leave();
  at('answer').hidden = true;
  at('with-password').reset();
  for (const verdict of document.querySelectorAll('.verdict')) verdict.textContent = '';
  session = {};
  left = undefined;
  // A first visit is no ending.
  const why =
    code === 'refresh_token_missing'
      ? ''
      : `${WHY[reason] ?? WHY[code] ?? 'The session has ended.'} ` +
        `(${[code, reason].filter(Boolean).join(', ')})`;
  at('why').textContent = why;
  if (why) say(why);
  if (hadFocus) at('out-title').focus();
}

/** Looks into the access token. */
async function look() {
  const token = await client.accessToken();
  if (!token) return;
  const claims = claimsOf(token);
  if (session.id !== claims.sid) session = { id: claims.sid };
  left = lives(claims, client.expiresIn, Number(idle), session.end);
  const rows = Object.entries(claims).map(([name, value]) =>
    element(
      'div',
      {},
      element('dt', {}, element('code', {}, name), ' ', element('code', {}, shown(name, value))),
      element('dd', {}, MEANING[name] ?? ''),
    ),
  );
  at('claims').replaceChildren(...rows);
  tick();
}

/** Counts down. */
function tick() {
  if (!left || document.visibilityState === 'hidden') return;
  for (const [name, life] of Object.entries(left())) {
    at(`${name}-left`).textContent = span(life.left);
    at(`${name}-of`).textContent = `of ${span(life.of)}`;
    at(`${name}-bar`).max = life.of;
    at(`${name}-bar`).value = life.left;
  }
}

/** The list of open sessions. */
async function sessions() {
  const found = await client.sessions().catch(() => undefined);
  if (!found) return;
  at('sessions').replaceChildren(...found.map(one));
  const own = found.find(({ current }) => current);
  if (!own) return;
  at('session-end').textContent = moment(own.expires_at);
  session = { id: own.id, end: Date.parse(own.expires_at) / 1000 };
  await look();
}

function one(session) {
  const { id, current, created_at, last_used_at, user_agent, ip, transport } = session;
  const device = session.device_name ?? (user_agent ? session.device : 'A client without a name');
  const what = element(
    'div',
    {},
    element('p', { title: user_agent }, device),
    element(
      'p',
      { class: 'muted' },
      `since ${moment(created_at)} · last used ${moment(last_used_at)} · ${ip} · token in ` +
        `${transport === 'body' ? 'the body' : 'a cookie'}`,
    ),
  );
  if (current) return element('li', {}, what, element('span', { class: 'badge' }, 'this one'));
  const end = element(
    'button',
    { 'aria-label': `End the session that began ${moment(created_at)}` },
    'End',
  );
  end.addEventListener('click', () =>
    work(end, async () => {
      await client.endSession(id);
      await sessions();
      at('sessions-title').focus();
      return 'The session was ended; its tokens are dead already.';
    }),
  );
  return element('li', {}, what, end);
}

at('login').addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.currentTarget));
  wrong('');
  work(event.submitter, async () => {
    try {
      const { username, password, restore, short } = fields;
      const owner = { username, password, remember: !short, ...(restore && { restore: true }) };
      const user = await client.login(owner);
      return `Signed in as ${user.username}.`;
    } catch (error) {
      if (second.asks(error)) return 'The password is right, and a second factor is asked for.';
      wrong(inWords(error));
      at('keep').hidden = error.code !== 'deletion_planned';
      at(at('keep').hidden ? 'password' : 'restore').focus();
    }
  });
});

/** What is wrong with a login. */
function wrong(text) {
  at('login-error').textContent = text;
  for (const id of ['username', 'password']) {
    if (text) at(id).setAttribute('aria-invalid', 'true');
    else at(id).removeAttribute('aria-invalid');
    at(id).setAttribute('aria-describedby', 'login-error');
  }
}

on('profile', async () =>
  answer(await client.fetch(`${base}/profile`), 'The profile was read with the access token.'),
);
on('write', async () => {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ first_name: client.user?.first_name ?? '' });
  const response = await client.fetch(`${base}/profile`, { method: 'PATCH', headers, body });
  return answer(
    response,
    'The profile was written, with the access token and the countersign. (To what it was before.)',
  );
});
on('refresh', async () => ((await client.refresh()) ? 'Both tokens are new.' : undefined));
on('logout', () => client.logout());
on('logout-all', () => client.logoutAll());
on('sessions-again', async () => {
  await sessions();
  return 'The list is up to date.';
});
at('clear').addEventListener('click', () => list.replaceChildren());

for (const name of ['forged', 'jar'])
  document
    .querySelector(`[data-attack=${name}]`)
    .addEventListener('click', ({ currentTarget }) => work(currentTarget, () => judge(name)));
at('with-password').addEventListener('submit', (event) => {
  event.preventDefault();
  const password = at('again').value;
  complain('');
  if (!password) return complain('Please give your password first: this attack logs in once more.');
  work(event.submitter, () => judge(event.submitter.dataset.attack, password));
});

async function judge(name, password) {
  const verdict = at(`${name}-verdict`);
  verdict.textContent = '';
  const { held, text, error } = await attack[name](password);
  if (error) return complain(error);
  verdict.className = held ? 'verdict held' : 'verdict broke';
  verdict.textContent = text;
  if (client.user) await sessions();
}

/** What is wrong with the password for the attacks. */
function complain(text) {
  at('again-error').textContent = text;
  if (!text) return at('again').removeAttribute('aria-invalid');
  at('again').setAttribute('aria-invalid', 'true');
  at('again').focus();
}

/** Shows an answer, unless it was the session's end: then that has been said already. */
async function answer(response, said) {
  if (!client.user) return;
  at('answer-text').textContent =
    `${response.status}\n${JSON.stringify(await response.json(), undefined, 2)}`;
  at('answer').hidden = false;
  return response.ok ? said : `Refused: ${response.status}`;
}

function on(id, doing) {
  at(id).addEventListener('click', () => work(at(id), doing));
}

/**
 * Does what a button is for, once at a time, and says how it went. The button stays where it is and
 * keeps the focus.
 */
async function work(button, doing) {
  if (button.hasAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  try {
    const text = await doing();
    if (text) say(text);
  } catch (error) {
    say(inWords(error));
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

function say(text) {
  at('said').textContent = text;
}

const WHY = {
  logout: 'You have logged out.',
  logout_all: 'You have logged out everywhere.',
  password_changed: 'The password was changed elsewhere.',
  admin: 'An operator has ended the session.',
  user_inactive: 'This account is not active.',
  token_theft: 'Two parties had this session, so it is ended for both.',
  replaced: 'Somebody has logged in in this browser.',
  session_limit: 'You have logged in elsewhere, and had too many sessions.',
  factor_removed: 'A second factor was removed in another session.',
  refresh_token_reused: 'Two parties had this session, so it is ended for both.',
  refresh_token_expired: 'The session was not used for too long.',
  session_expired: 'The session has had its time.',
  session_unproved: 'This session is bound to a machine, which has not shown that it is this one.',
  session_changed: 'Somebody else has logged in in this browser.',
};
