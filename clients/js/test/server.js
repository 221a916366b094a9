// A server in memory, as much of it as a client can see. Sessions are named by their CSRF tokens.

// Its own, whatever a test puts in their place.
const { Response, URL } = globalThis;

export const HOST = 'https://api.example.com';

/** Makes one, whose access tokens live for `lifetime` seconds. */
export function makeServer(clock, lifetime) {
  const sessions = new Map();
  const tokens = new Map();
  let serial = 0;
  const script = [];

  const problem = (status, code, more = {}, headers = {}) =>
    new Response(JSON.stringify({ status, code, detail: `about ${code}`, ...more }), {
      status,
      headers: { 'Content-Type': 'application/problem+json', ...headers },
    });
  const json = (body) =>
    new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } });
  const user = (name) => ({ id: name.length, username: name, email: `${name}@example.com` });
  const mint = (session) => {
    const access = `access-${++serial}`;
    tokens.set(access, { session, until: clock.real + lifetime * 1000 });
    return { access_token: access, token_type: 'Bearer', expires_in: lifetime };
  };
  const sessionOf = (request) =>
    tokens.get(request.headers.get('Authorization').slice(7)).session;
  const begin = (user, transport, jar, status = 200, more = {}) => {
    const id = `session-${++serial}`;
    const isBody = transport === 'body';
    const session = { id, user, csrf: isBody ? undefined : `csrf-of-${id}`, ...more };
    sessions.set(id, session);
    if (!isBody) jar.session = session;
    const own = isBody
      ? { refresh_token: `${id}/${serial}`, device_token: `device-of-${user.username}` }
      : { csrf_token: session.csrf };
    return new Response(JSON.stringify({ ...mint(session), ...own, user }), { status });
  };
  const ending = (session) => {
    if (!session) return problem(401, 'refresh_token_missing');
    if (session.ended)
      return problem(
        401,
        session.ended.code,
        session.ended.reason ? { reason: session.ended.reason } : {},
      );
  };
  const refused = (request) => {
    const word = request.headers.get('Authorization')?.replace('Bearer ', '');
    if (!word) return problem(401, 'not_authenticated');
    const token = tokens.get(word);
    if (!token) return problem(401, 'token_invalid');
    if (token.session.ended) return problem(401, 'session_revoked');
    if (clock.real >= token.until) return problem(401, 'token_expired');
    if (
      !/GET|HEAD/.test(request.method) &&
      token.session.csrf &&
      request.headers.get('X-CSRFTOKEN') !== token.session.csrf
    )
      return problem(403, 'csrf_failed');
  };

  /** What is kept of a request about passkeys. */
  const noted = async (request) => {
    const path = new URL(request.url).pathname.replace('/accounts', '');
    server.asked.push({ path, json: await request.json() });
  };

  const routes = {
    async '/accounts/login'(request, jar) {
      const { username, password, transport, device_token, device_name } = await request.json();
      if (password !== 'right') return problem(401, 'invalid_credentials');
      return begin(user(username), transport, jar, 200, { device_token, device_name });
    },
    async '/accounts/refresh'(request, jar) {
      const body = await request.text();
      if (body) {
        const session = sessions.get(JSON.parse(body).refresh_token.split('/')[0]);
        return (
          ending(session) ??
          json({
            ...mint(session),
            refresh_token: `${session.id}/${serial}`,
            user: session.user,
          })
        );
      }
      const session = jar.session;
      if (session && request.headers.get('X-CSRFTOKEN') !== session.csrf)
        return problem(403, 'csrf_failed');
      return (
        ending(session) ??
        json({ ...mint(session), csrf_token: session.csrf, user: session.user })
      );
    },
    '/accounts/csrf': (request, jar) =>
      ending(jar.session) ?? json({ csrf_token: jar.session.csrf }),
    async '/accounts/session'(request, jar) {
      const over = ending(jar.session);
      if (!over) return json({ csrf_token: jar.session.csrf });
      const { code, reason } = await over.json();
      return json({ user: null, code, reason });
    },
    async '/accounts/logout'(request, jar) {
      const access = request.headers.get('Authorization')?.slice(7);
      const named = tokens.get(access)?.session;
      if (access && !named && !jar.session) return problem(401, 'token_invalid');
      // With an access token the body is not even read.
      const body = access ? '' : await request.text();
      const stored = body && sessions.get(JSON.parse(body).refresh_token?.split('/')[0]);
      const other = jar.session ?? stored;
      const isSigned = !other?.csrf || request.headers.get('X-CSRFTOKEN') === other.csrf;
      if (!named && !isSigned) return problem(403, 'csrf_failed');
      for (const session of [named, isSigned && other])
        if (session) session.ended ??= { code: 'session_revoked', reason: 'logout' };
      jar.session = undefined;
      return new Response(null, { status: 204 });
    },
    async '/accounts/logout-all'(request, jar) {
      const no = refused(request);
      if (no) return no;
      const mine = sessionOf(request);
      const { keep_current } = await request.json();
      for (const session of sessions.values())
        if (!keep_current || session !== mine)
          session.ended ??= { code: 'session_revoked', reason: 'logout_all' };
      if (!keep_current) jar.session = undefined;
      return new Response(null, { status: 204 });
    },
    async '/accounts/profile'(request) {
      const no = refused(request);
      if (no) return no;
      const mine = sessionOf(request);
      if (request.method === 'DELETE') {
        const { password } = await request.json();
        if (password !== 'right')
          return problem(400, 'validation_error', { errors: { password: ['Wrong.'] } });
        for (const session of sessions.values())
          session.ended ??= { code: 'user_inactive' };
        return new Response(null, { status: 204 });
      }
      if (request.method === 'PATCH') Object.assign(mine.user, await request.json());
      return json({ user: mine.user });
    },
    async '/accounts/tickets'(request) {
      const no = refused(request);
      if (no) return no;
      server.ticketFor = await request.json();
      return json({ ticket: 'a-ticket', expires_in: 30 });
    },
    '/accounts/profile/export'(request) {
      return refused(request) ?? json({ user: sessionOf(request).user, sessions: [] });
    },
    async '/accounts/register'(request, jar) {
      const { username, email, transport } = await request.json();
      if (username === 'taken')
        return problem(400, 'validation_error', { errors: { username: ['Taken.'] } });
      if (server.mustProve) {
        jar.registered = username;
        return new Response('{"detail":"A mail is on its way."}', { status: 202 });
      }
      return begin({ ...user(username), email }, transport, jar, 201);
    },
    async '/accounts/email/verify'(request, jar) {
      const { token } = await request.json();
      if (token !== 'good') return problem(400, 'link_invalid');
      for (const { user } of sessions.values()) user.email_verified = true;
      if (!jar.registered) return new Response(null, { status: 204 });
      return begin(user(jar.registered), undefined, jar);
    },
    '/accounts/email/verify/resend': () => new Response('{"detail":"Perhaps."}', { status: 202 }),
    '/accounts/password/reset': () => new Response('{"detail":"Perhaps."}', { status: 202 }),
    async '/accounts/password/reset/confirm'(request) {
      const { token } = await request.json();
      if (token !== 'good') return problem(400, 'link_invalid');
      for (const session of sessions.values())
        session.ended ??= { code: 'session_revoked', reason: 'password_changed' };
      return new Response(null, { status: 204 });
    },
    async '/accounts/password'(request) {
      const no = refused(request);
      if (no) return no;
      const { old_password, device_token } = await request.json();
      server.password = { device_token };
      return old_password === 'right'
        ? new Response(null, { status: 204 })
        : problem(400, 'validation_error', { errors: { old_password: ['Wrong.'] } });
    },
    async '/accounts/email/change'(request) {
      const no = refused(request);
      if (no) return no;
      server.wanted = await request.json();
      return new Response('{"detail":"Perhaps."}', { status: 202 });
    },
    async '/accounts/email/change/confirm'(request) {
      const { token, device_token } = await request.json();
      server.confirmed = { device_token };
      if (token !== 'good') return problem(400, 'link_invalid');
      for (const { user } of sessions.values()) user.email = server.wanted.email;
      return new Response(null, { status: 204 });
    },
    async '/accounts/passkeys/register/begin'(request) {
      return refused(request) ?? json({ options: server.passkeys.options });
    },
    async '/accounts/passkeys/register/finish'(request) {
      const no = refused(request);
      if (no) return no;
      await noted(request);
      const factor = { id: '1', kind: 'passkey', name: null };
      return json({ factor, ...mint(sessionOf(request)) });
    },
    async '/accounts/login/passkey/begin'(request) {
      await noted(request);
      return json({ options: server.passkeys.options });
    },
    async '/accounts/login/passkey/finish'(request, jar) {
      await noted(request);
      return begin(user('alice'), undefined, jar);
    },
    async '/accounts/login/factor'(request, jar) {
      await noted(request);
      return begin(user('alice'), undefined, jar);
    },
    async '/accounts/step-up'(request) {
      const no = refused(request);
      if (no) return no;
      await noted(request);
      return json(mint(sessionOf(request)));
    },
    async '/accounts/undo'(request) {
      const { token } = await request.json();
      if (token !== 'good') return problem(400, 'link_invalid');
      for (const session of sessions.values())
        session.ended ??= { code: 'session_revoked', reason: 'password_changed' };
      return new Response(null, { status: 204 });
    },
    '/accounts/login/code': () => new Response('{"detail":"Perhaps."}', { status: 202 }),
    async '/accounts/login/code/confirm'(request, jar) {
      const { code, transport, device_name } = await request.json();
      if (code !== '1234 5678') return problem(400, 'link_invalid');
      return begin(user('alice'), transport, jar, 200, { device_name });
    },
    '/accounts/sessions'(request) {
      const no = refused(request);
      if (no) return no;
      const mine = [...sessions.values()].filter(({ ended }) => !ended);
      const from = Number(new URL(request.url).searchParams.get('cursor') ?? 0);
      return json({
        sessions: mine.slice(from, from + 2).map(({ id }) => ({ id })),
        next: from + 2 < mine.length ? String(from + 2) : null,
      });
    },
  };

  /** One of the user's sessions: named, or ended. */
  async function oneSession(request, id) {
    const no = refused(request);
    if (no) return no;
    const session = sessions.get(id);
    if (!session || session.ended) return problem(404, 'not_found');
    if (request.method === 'DELETE') {
      session.ended = { code: 'session_revoked', reason: 'logout' };
      return new Response(null, { status: 204 });
    }
    return json(Object.assign(session, await request.json()));
  }

  const server = {
    /** What was sent about passkeys. */
    asked: [],
    requests: [],
    sessions,
    tokens,
    problem,
    json,
    /** How many requests there were to a path. */
    count: (path) => server.requests.filter((request) => request.path === path).length,
    /**
     * What happens to the next requests to a path, instead of what would: one function for each.
     */
    next(path, ...steps) {
      script.push(...steps.map((step) => ({ path, step })));
    },
    /** What happens to all requests to a path, until it is taken back by calling the answer. */
    always(path, step) {
      const entry = { path, step, stays: true };
      script.push(entry);
      return () => script.splice(script.indexOf(entry), 1);
    },
    async fetch(request, jar, credentials) {
      const { pathname: path, origin } = new URL(request.url);
      const signal = request.signal;
      signal.throwIfAborted();
      server.requests.push({
        path,
        origin,
        method: request.method,
        headers: request.headers,
        at: clock.monotonic,
      });
      const handle = async () => {
        const [, id] = /^\/accounts\/sessions\/(.+)/.exec(path) ?? [];
        if (id) return oneSession(request, decodeURIComponent(id));
        if (path.startsWith('/accounts/'))
          return routes[path](request, credentials === 'include' ? jar : {});
        if (origin !== HOST && !origin.endsWith('.trusted.example'))
          return new Response('elsewhere');
        const no = request.headers.has('Authorization')
          ? refused(request)
          : problem(401, 'not_authenticated');
        return no ?? json({ path, body: await request.text() });
      };
      // A network is slower than a message between two tabs.
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
      const entry = script.find((one) => one.path === path);
      if (entry && !entry.stays) script.splice(script.indexOf(entry), 1);
      const answer = entry ? entry.step(request, handle) : handle();
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        Promise.resolve(answer).then(resolve, reject);
      });
    },
    /** Ends a session as the server would for another reason. */
    end: (session, code, reason) => (session.ended = { code, reason }),
  };
  return server;
}
