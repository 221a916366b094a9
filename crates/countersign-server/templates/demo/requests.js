// The list of requests: what was sent, what was answered, and what each header is for.

/**
 * Makes an element with what is in it. Texts stay texts: nothing that a server or a user has said
 * becomes markup.
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A `fetch` that puts each of its requests on the list. */
export function watched(list) {
  return async (input, init) => {
    // One that is a request already is only looked at: to copy it would use it up.
    const request = input instanceof Request ? input : new Request(input, init);
    const sent = sentBy(request);
    let response;
    try {
      response = await fetch(input, init);
    } catch (error) {
      show(list, {
        method: request.method,
        path: pathOf(request),
        status: 'no answer',
        why: error.message,
        refused: true,
        sent,
      });
      throw error;
    }
    const problem = response.ok
      ? undefined
      : await response
          .clone()
          .json()
          .catch(() => undefined);
    show(list, {
      method: request.method,
      path: pathOf(request),
      status: [response.status, problem?.code].filter(Boolean).join(' '),
      why: problem?.detail ?? PURPOSE[`${request.method} ${endpoint(request)}`] ?? '',
      refused: !response.ok,
      sent,
      got: gotFrom(request, response),
    });
    return response;
  };
}

/** Puts a request on the list that somebody else has sent. */
export function show(list, { who, method, path, status, why, refused, sent = [], got = [] }) {
  const summary = element(
    'summary',
    {},
    ...(who ? [`${who}: `] : []),
    element('span', { class: 'method' }, `${method} ${path}`),
    ' ',
    element('span', { class: refused ? 'status refused' : 'status good' }, String(status)),
    element('small', {}, why),
  );
  const entry = element(
    'li',
    {},
    element('details', {}, summary, ...headers('Sent', sent), ...headers('Answered', got)),
  );
  list.prepend(entry);
  while (list.children.length > KEPT) list.lastElementChild.remove();
}

function headers(title, rows) {
  if (rows.length === 0) return [];
  const items = rows.map(([name, value, what]) =>
    element(
      'div',
      {},
      element('dt', {}, element('code', {}, name), ' ', element('code', {}, value)),
      element('dd', {}, what),
    ),
  );
  return [element('p', {}, element('b', {}, title)), element('dl', {}, ...items)];
}

function sentBy(request) {
  const rows = [];
  const add = (name, value, what) => rows.push([name, value, what]);
  const { headers, method, credentials } = request;
  if (headers.has('Authorization'))
    add(
      'Authorization',
      short(headers.get('Authorization')),
      'The access token: who is asking. It is only in this page’s memory, so no other page can ' +
        'send it.',
    );
  if (headers.has('X-CSRFTOKEN'))
    add(
      'X-CSRFTOKEN',
      short(headers.get('X-CSRFTOKEN')),
      'The countersign: only a page that could read the server’s answers has it. No browser ' +
        'adds it by itself, so a forged request comes without.',
    );
  if (headers.has('Content-Type'))
    add('Content-Type', headers.get('Content-Type'), 'What the body is.');
  if (credentials === 'omit')
    add(
      'Cookie',
      '(none)',
      'This request was sent without cookies on purpose, and whatever the answer sets is not kept.',
    );
  else
    add(
      'Cookie',
      '(added by the browser)',
      COOKIE[endpoint(request)] ??
        'The browser sends the refresh token along, but it counts for nothing here: the access ' +
          'token does.',
    );
  if (method !== 'GET' && method !== 'HEAD')
    add(
      'Origin',
      location.origin,
      'Where the request comes from. The browser says it, and no script can change it. The ' +
        'server refuses pages that it does not know.',
    );
  add('Sec-Fetch-Site', 'same-origin', 'The same in one word, for requests that have no Origin.');
  return rows;
}

function gotFrom(request, response) {
  const rows = [];
  const set = request.credentials !== 'omit' && response.ok && SET_COOKIE[endpoint(request)];
  if (set) rows.push(['Set-Cookie', '(no script can see it)', set]);
  for (const [name, what] of Object.entries(ANSWERED))
    if (response.headers.has(name)) rows.push([name, response.headers.get(name), what]);
  return rows;
}

const pathOf = (request) => new URL(request.url).pathname;

/** The path below the server's base path, without a session's id. */
const endpoint = (request) => {
  const { base } = document.body.dataset;
  const path = pathOf(request);
  return path.startsWith(`${base}/`)
    ? path.slice(base.length).replace(/(?<=\/sessions\/|\/factors\/)[\da-f]{16}$/, '')
    : path;
};

const short = (text) =>
  text.replace(/[\w.-]{24,}/, (token) => `${token.slice(0, 8)}…${token.slice(-4)}`);

const PURPOSE = {
  'POST /login': 'A name and a password become a session.',
  'POST /login/factor': 'The second factor, and the session begins.',
  'POST /login/passkey/begin': 'Asks what the passkey shall sign; it is good once.',
  'POST /login/passkey/finish': 'What the passkey has signed becomes a session.',
  'GET /factors': 'Which second factors have I?',
  'POST /factors/totp': 'Asks for a secret that an app shall know. It is shown this once.',
  'POST /factors/totp/confirm': 'A code shows that the app has it.',
  'POST /factors/recovery-codes': 'Makes new recovery codes in the place of the old ones.',
  'DELETE /factors/': 'Removes a second factor.',
  'POST /passkeys/register/begin': 'Asks what a new passkey shall sign.',
  'POST /passkeys/register/finish': 'What it has signed makes it a factor.',
  'POST /step-up': 'Proves again who it is; the session goes on.',
  'POST /register': 'A name, an address and a password become an account, and a mail goes out.',
  'POST /email/verify': 'What the mail said proves the address.',
  'POST /email/verify/resend': 'Asks for another mail. The answer never says whether one goes out.',
  'POST /email/change': 'Asks for another address, with the password once more.',
  'POST /email/change/confirm': 'What the mail to the new address said makes it the user’s.',
  'POST /login/code': 'Asks for a code by mail. The answer never says whether one goes out.',
  'POST /login/code/confirm': 'The code of a mail becomes a session.',
  'POST /password/reset':
    'Asks for a mail. The answer is the same whether there is an account or not.',
  'POST /password/reset/confirm':
    'What the mail said lets the password be chosen anew, and ends every session.',
  'POST /refresh': 'The refresh token becomes a new one, with a new access token.',
  'GET /session': 'Is anybody signed in? A visitor is refused nothing.',
  'GET /csrf': 'After a reload the page knows nothing: it asks for its CSRF token.',
  'POST /logout': 'Ends this session.',
  'POST /logout-all': 'Ends all of the user’s sessions.',
  'GET /profile': 'Who am I?',
  'PATCH /profile': 'Writes, so it needs the countersign as well.',
  'GET /sessions': 'Where am I logged in?',
  'DELETE /sessions/': 'Ends a session elsewhere.',
  'POST /demo/jar': 'The server refreshes with a copy of your cookies, as curl would: see above.',
  'POST /demo/theft':
    'The server plays a phone and its thief, and tells what they sent: the requests above.',
};

const REFRESH_COOKIE =
  'The refresh token, HttpOnly: no script can read it, and the browser sends it by itself. That ' +
  'is why it is not enough alone: the countersign has to come too.';

const COOKIE = {
  '/login':
    'The device token, if there is one: it says that this browser has logged in before, so that ' +
    'strangers’ failures do not slow you down.',
  '/refresh': REFRESH_COOKIE,
  '/logout': REFRESH_COOKIE,
  '/session':
    'The refresh token says which session. Nothing is rotated; who it is, the refresh tells.',
  '/csrf':
    'The refresh token says which session. Reading changes nothing, so no countersign is needed.',
};

const TOKENS =
  'The new refresh token (HttpOnly, SameSite: not for scripts, and not sent with other sites’ ' +
  'forms) and the CSRF token.';

const SET_COOKIE = {
  '/login': `${TOKENS} The device token too.`,
  '/refresh': TOKENS,
  '/csrf': 'The CSRF token once more.',
  '/session': 'The CSRF token once more.',
  '/logout': 'Clears the cookies.',
  '/logout-all': 'Clears the cookies.',
};

const ANSWERED = {
  'Cache-Control': 'no-store: no cache on the way may keep a token.',
  'Content-Type':
    'What the body is. Every error is application/problem+json (RFC 9457), with a code for ' +
    'programs and a sentence for people.',
  'WWW-Authenticate':
    'RFC 6750: what kind of credentials are wanted, and what was wrong with those that came.',
  'Retry-After': 'How many seconds to wait.',
  'X-Request-Id': 'Finds this request in the server’s log.',
};

/** As many requests are shown. */
const KEPT = 60;
