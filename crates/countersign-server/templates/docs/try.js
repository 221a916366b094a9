// "Try it": sends what a form says to this server, and shows what comes back. Tokens of a login
// that is made here are kept in this page's memory, and filled in.
const held = { access_token: '', csrf_token: '' };
const forms = [...document.querySelectorAll('form.try')];

for (const form of forms) {
  form.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(form);
  });
}

// One login fills everything in.
const login = document.getElementById('login');
if (login) {
  login.hidden = false;
  login.addEventListener('submit', (event) => {
    event.preventDefault();
    logIn();
  });
}

async function logIn() {
  const button = login.querySelector('button');
  if (button.hasAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  const { username, password } = login.elements;
  const said = document.getElementById('login-said');
  try {
    const response = await fetch(login.dataset.path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: username.value, password: password.value }),
      cache: 'no-store',
    });
    const answer = parsed(await response.text()) ?? {};
    if (response.ok) {
      hold(answer);
      password.value = '';
      said.textContent = `You are ${answer.user?.username}.`;
    } else {
      said.textContent = answer.detail ?? `${response.status} ${response.statusText}`;
    }
  } catch (error) {
    said.textContent = `Not answered: ${error.message}`;
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

document.getElementById('forget').addEventListener('click', () => {
  hold({ access_token: '', csrf_token: '' });
  if (login) document.getElementById('login-said').textContent = '';
  // The button is gone; the first heading is where the reader begins anew.
  const title = document.querySelector('h1');
  title.tabIndex = -1;
  title.focus();
});

/** One request at a time for each form; the button keeps the focus. */
async function attempt(form) {
  const button = form.querySelector('button');
  if (button.hasAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  try {
    const response = await fetch(...requestOf(form));
    const text = await response.text();
    const json = parsed(text);
    show(
      form,
      `${response.status} ` + `${response.statusText}`,
      headersOf(response),
      json ? JSON.stringify(json, undefined, 2) : text,
    );
    if (response.ok && json) hold(json);
  } catch (error) {
    // Nothing has come: no connection, or a header that cannot be sent.
    show(form, `Not answered: ${error.message}`, '', '');
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

/** What `fetch` takes. What was left empty is not sent. */
function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const { name, value, dataset } of form.querySelectorAll('input')) {
    if (!value) continue;
    if (dataset.in === 'path') path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (dataset.in === 'query') query.set(name, value);
    else headers.set(name, value);
  }
  const body = form.elements.body?.value.trim() || undefined;
  if (body) headers.set('Content-Type', 'application/json');
  return [
    query.size ? `${path}?${query}` : path,
    { method: form.dataset.method, headers, body, cache: 'no-store' },
  ];
}

/** An object or a list, if that is what it is. */
function parsed(text) {
  try {
    const json = JSON.parse(text);
    return typeof json === 'object' ? json : undefined;
  } catch {
    return undefined;
  }
}

const headersOf = (response) =>
  [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');

function show(form, status, headers, body) {
  form.querySelector('.came').hidden = false;
  for (const [name, text] of Object.entries({ status, headers, body })) {
    const place = form.querySelector(`.${name}`);
    place.textContent = text;
    place.hidden = !text;
  }
}

/** Keeps the tokens of an answer, if it has any, and fills them in wherever they are asked for. */
function hold(answer) {
  const fresh = Object.keys(held).filter((name) => typeof answer[name] === 'string');
  if (!fresh.length) return;
  for (const name of fresh) held[name] = answer[name];
  for (const form of forms) {
    const fill = (name, value) => form.elements[name] && (form.elements[name].value = value);
    fill('Authorization', held.access_token && `Bearer ${held.access_token}`);
    fill('X-CSRFTOKEN', held.csrf_token);
  }
  const names = [
    held.access_token && 'The access token',
    held.csrf_token && 'the CSRF token',
  ].filter(Boolean);
  document.getElementById('held').hidden = !names.length;
  const said =
    `${names.join(' and ')} of your last answer: filled in below, and kept in the ` +
    `memory of this page only.`;
  document.getElementById('tokens').textContent = names.length
    ? said[0].toUpperCase() + said.slice(1)
    : '';
}
