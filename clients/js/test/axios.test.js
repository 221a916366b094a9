import assert from 'node:assert/strict';
import { test } from 'node:test';
import axios, { AxiosHeaders, CanceledError } from 'axios';
import { attach } from '../src/axios.js';
import { HOST, world } from './world.js';

const REFRESH = '/accounts/refresh';

/** alice's tab, with an axios instance whose requests go to the world's server. */
async function attached(w, options = {}) {
  const tab = await w.signedIn(options.tab);
  const instance = axios.create({
    baseURL: HOST,
    ...options.axios,
    adapter: async (config) => {
      const request = new Request(axios.getUri(config), {
        method: config.method.toUpperCase(),
        body: config.data,
        headers: config.headers.toJSON(),
        signal: config.signal,
        ...(config.data?.getReader && { duplex: 'half' }),
      });
      tab.seen.push(request);
      const answer = await w.server.fetch(request, w.browser.jar);
      const text = await answer.text();
      const response = {
        data: text,
        status: answer.status,
        headers: AxiosHeaders.from(Object.fromEntries(answer.headers)),
        config,
        request,
      };
      if (config.validateStatus(answer.status)) return response;
      throw new axios.AxiosError('refused', undefined, config, request, response);
    },
  });
  return { ...tab, axios: instance, detach: attach(instance, tab.client) };
}

test('axios_sends_the_tokens_as_fetch_does', async () => {
  const w = world();
  const { axios, seen, client } = await attached(w);
  await w.settle(axios.get('/api/x'));
  assert.equal(seen.at(-1).headers.get('Authorization'), 'Bearer access-2');
  assert.equal(seen.at(-1).headers.get('X-CSRFTOKEN'), null);
  await w.settle(axios.patch('/api/x', { a: 1 }));
  assert.equal(seen.at(-1).headers.get('X-CSRFTOKEN'), client.csrfToken);
});

test('axios_sends_no_token_elsewhere', async () => {
  const w = world();
  const { axios, seen } = await attached(w, { axios: { baseURL: undefined } });
  for (const url of ['https://evil.example/x', '/accounts/x']) {
    await w.settle(axios.post(url, {}).catch(() => {}));
    assert.equal(
      seen
        .filter((request) => request.url.includes(url))
        .at(-1)
        ?.headers.get('Authorization') ?? null,
      null,
      url,
    );
  }
});

test('a_401_costs_one_refresh_and_one_replay_with_the_same_body', async () => {
  for (const validateStatus of [undefined, () => true]) {
    const w = world();
    const { axios } = await attached(w, { axios: validateStatus && { validateStatus } });
    w.server.tokens.clear();
    const response = await w.settle(axios.post('/api/x', { a: 'ä', b: [1] }));
    assert.equal(response.status, 200);
    assert.deepEqual(JSON.parse(response.data.body), { a: 'ä', b: [1] });
    assert.equal(w.server.count(REFRESH), 1);
    assert.equal(w.server.count('/api/x'), 2);
  }
});

test('ten_axios_requests_at_once_cost_one_refresh', async () => {
  const w = world();
  const { axios } = await attached(w);
  w.server.tokens.clear();
  await w.settle(Promise.all(Array.from({ length: 10 }, () => axios.get('/api/x'))));
  assert.equal(w.server.count(REFRESH), 1);
});

test('axios_never_loops', async () => {
  const w = world();
  const { axios } = await attached(w);
  w.server.always('/api/x', () => w.server.problem(401, 'token_invalid'));
  for (let i = 0; i < 5; i++)
    await assert.rejects(w.settle(axios.get('/api/x')), (error) => error.response.status === 401);
  assert.equal(w.server.count(REFRESH), 1);
  assert.equal(w.server.count('/api/x'), 6);
});

test('a_header_that_the_caller_of_axios_brings_is_left_alone', async () => {
  const w = world();
  const { axios, seen } = await attached(w);
  await assert.rejects(
    w.settle(axios.get('/api/x', { headers: { Authorization: 'Bearer mine' } })),
    (error) => error.response.status === 401,
  );
  assert.equal(seen.at(-1).headers.get('Authorization'), 'Bearer mine');
  assert.equal(w.server.count('/api/x'), 1);
});

test('a_stream_and_a_wanted_password_are_not_tried_again', async () => {
  const w = world();
  const { axios } = await attached(w);
  w.server.next('/api/x', () =>
    w.server.problem(
      401,
      'recent_login_required',
      {},
      { 'WWW-Authenticate': 'Bearer error="insufficient_user_authentication"' },
    ),
  );
  await assert.rejects(w.settle(axios.get('/api/x')), (error) => error.response.status === 401);
  w.server.tokens.clear();
  await assert.rejects(
    w.settle(axios.post('/api/x', new Blob(['x']).stream())),
    (error) => error.response.status === 401,
  );
  assert.equal(w.server.count(REFRESH), 0);
});

test('an_abort_is_axios_own_cancellation', async () => {
  const w = world();
  const { axios } = await attached(w);
  w.clock.sleep(400_000);
  w.server.next(REFRESH, () => new Promise(() => {}));
  const stop = new AbortController();
  const request = axios.get('/api/x', { signal: stop.signal });
  await w.run(0);
  stop.abort();
  await assert.rejects(w.settle(request), CanceledError);
  assert.equal(w.server.count('/api/x'), 0);
});

test('what_is_taken_back_sends_nothing_more', async () => {
  const w = world();
  const { axios, seen, detach } = await attached(w);
  detach();
  await assert.rejects(w.settle(axios.get('/api/x')), (error) => error.response.status === 401);
  assert.equal(seen.at(-1).headers.get('Authorization'), null);
});

test('axios_does_not_loop_either_when_there_is_a_new_token_each_time', async () => {
  const w = world();
  const { axios, client } = await attached(w);
  w.server.always('/api/x', async () => {
    if (w.server.count('/api/x') < 10) await client.refresh();
    return w.server.problem(401, 'token_invalid');
  });
  await assert.rejects(w.settle(axios.get('/api/x')), (error) => error.response.status === 401);
  assert.equal(w.server.count('/api/x'), 2);
});

test('an_abort_between_the_two_tries_is_axios_own_cancellation_too', async () => {
  const w = world();
  const { axios } = await attached(w);
  w.server.tokens.clear();
  w.server.next(REFRESH, () => new Promise(() => {}));
  const stop = new AbortController();
  const request = axios.get('/api/x', { signal: stop.signal });
  await w.run(0);
  stop.abort();
  await assert.rejects(w.settle(request), CanceledError);
  assert.equal(w.server.count('/api/x'), 1);
});
