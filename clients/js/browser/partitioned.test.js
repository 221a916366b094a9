// A front end in a frame of another site, in a real Chromium that keeps other sites' cookies from
// frames, over TLS.
import assert from 'node:assert/strict';
import test from 'node:test';
import { boundWorld, REFRESH } from './tls.js';
import { PASSWORD } from './world.js';

const NONE = ['--same-site', 'none'];

const framed = (name, settings, promise) =>
  test(name, { timeout: 180_000 }, async () => {
    const w = await boundWorld({ settings });
    try {
      const around = await w.browser.newPage();
      await around.goto(`${w.api.replace('api.example.com', 'app.other.test')}/page`);
      await around.evaluate((url) => {
        const frame = document.createElement('iframe');
        frame.src = url;
        document.body.append(frame);
        return new Promise((resolve) => (frame.onload = resolve));
      }, `${w.api}/page`);
      const frame = around.frames().find((one) => one.url() === `${w.api}/page`);
      await promise(w, frame);
    } finally {
      await w.stop();
    }
  });

const who = (page) =>
  page.evaluate(async () => {
    const answer = await fetch('/accounts/session', { credentials: 'include' });
    const { csrf_token, code } = await answer.json();
    return csrf_token ? 'somebody' : code;
  });
/** A call as a page in the frame makes it, which is kept from every storage. */
const call = (frame, path, body) =>
  frame.evaluate(
    async ([url, sent]) => {
      const answer = await fetch(url, {
        method: 'POST',
        credentials: 'include',
        headers: { 'content-type': 'application/json', 'x-csrftoken': window.csrf ?? '' },
        body: sent,
      });
      const told = await answer.json().catch(() => ({}));
      window.csrf = told.csrf_token ?? window.csrf;
      return answer.status;
    },
    [`/accounts${path}`, body && JSON.stringify(body)],
  );
const alice = { username: 'alice', password: PASSWORD };

framed(
  'a_front_end_in_a_frame_is_signed_in_by_partitioned_cookies_and_there_alone',
  [...NONE, '--partitioned', 'on'],
  async (w, frame) => {
    assert.equal(await call(frame, '/login', alice), 200);
    assert.equal(await who(frame), 'somebody');
    for (let i = 0; i < 3; i++) assert.equal(await call(frame, '/refresh'), 200);
    const kept = await w.browser.cookies(w.api);
    assert.ok(kept.some(({ name, partitionKey }) => name === REFRESH && partitionKey));
    assert.ok(kept.every(({ partitionKey }) => partitionKey), JSON.stringify(kept));
    // In a tab of its own it is another visitor.
    assert.equal(await who(w.page), 'refresh_token_missing');
    assert.equal(await call(frame, '/logout'), 204);
    assert.equal(await who(frame), 'refresh_token_missing');
    const left = await w.browser.cookies(w.api);
    assert.deepEqual(
      left.filter(({ name }) => name === REFRESH || name === 'csrftoken'),
      [],
    );
  },
);

framed('without_the_setting_a_frame_keeps_no_cookie', NONE, async (w, frame) => {
  assert.equal(await call(frame, '/login', alice), 200);
  assert.equal(await who(frame), 'refresh_token_missing');
});
