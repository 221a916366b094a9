import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BASE, HOST, world } from './world.js';

const API = `${HOST}/api/x`;
const REFRESH = '/accounts/refresh';
const types = (tab) => tab.changes.map(({ type }) => type);

test('a_new_tab_gets_its_token_from_another_one', async () => {
  const w = world();
  const first = await w.signedIn();
  const second = w.tab();
  assert.equal((await w.settle(second.client.restore())).username, 'alice');
  assert.equal(w.server.count(REFRESH), 0);
  assert.equal(w.server.count('/accounts/profile'), 0);
  assert.equal(await second.client.accessToken(), await first.client.accessToken());
  assert.equal(second.client.csrfToken, first.client.csrfToken);
  assert.deepEqual(types(second), ['signed_in']);
  assert.deepEqual(types(first), ['signed_in']);
});

test('a_login_in_one_tab_is_a_login_in_all', async () => {
  const w = world();
  const other = w.tab();
  await w.settle(other.client.restore());
  const tab = await w.signedIn();
  assert.equal(other.client.user.username, 'alice');
  assert.deepEqual(types(other), ['signed_out', 'signed_in']);
  assert.equal(await other.client.accessToken(), await tab.client.accessToken());
});

test('a_refresh_in_one_tab_serves_all', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  await w.settle(tab.client.refresh());
  assert.equal(await other.client.accessToken(), await tab.client.accessToken());
  assert.deepEqual(types(other), ['signed_in', 'refreshed']);
  assert.deepEqual(types(tab), ['signed_in', 'refreshed']);
});

test('logout_in_one_tab_is_logout_in_all_and_says_why', async () => {
  for (const [how, reason] of [
    ['logout', 'logout'],
    ['logoutAll', 'logout_all'],
  ]) {
    const w = world();
    const tab = await w.signedIn();
    const others = [w.tab(), w.tab()];
    for (const other of others) await w.settle(other.client.restore());
    await w.settle(tab.client[how]());
    const before = w.server.requests.length;
    for (const other of others) {
      assert.deepEqual(other.changes.at(-1), {
        type: 'signed_out',
        code: 'session_revoked',
        reason,
      });
      assert.equal(await other.client.accessToken(), undefined);
    }
    assert.equal(w.server.requests.length, before);
  }
});

test('an_ending_that_one_tab_hears_of_is_told_to_all', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  w.server.end([...w.server.sessions.values()][0], 'refresh_token_reused');
  await w.settle(tab.client.refresh());
  assert.deepEqual(other.changes.at(-1), {
    type: 'signed_out',
    code: 'refresh_token_reused',
    reason: undefined,
  });
});

test('a_changed_profile_is_seen_in_all_tabs', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  [...w.server.sessions.values()][0].user = { username: 'alice', first_name: 'Alice' };
  await w.settle(tab.client.loadUser());
  assert.equal(other.client.user.first_name, 'Alice');
  assert.equal(other.changes.at(-1).type, 'user');
});

test('clients_of_different_servers_do_not_mix', async () => {
  const w = world();
  await w.signedIn();
  const other = w.tab({ options: { baseUrl: `${HOST}/other-accounts` } });
  await w.run(1000);
  assert.equal(other.client.state.status, 'unknown');
  assert.deepEqual(other.changes, []);
});

test('five_tabs_that_wake_up_at_once_cost_one_refresh', async () => {
  const w = world();
  const tabs = [await w.signedIn()];
  for (let i = 0; i < 4; i++) {
    tabs.push(w.tab());
    await w.settle(tabs.at(-1).client.restore());
  }
  w.clock.sleep(400_000);
  w.server.next(REFRESH, async (request, handle) => {
    await new Promise((resolve) => w.clock.setTimeout(resolve, 200));
    return handle();
  });
  const responses = await w.settle(Promise.all(tabs.map(({ client }) => client.fetch(API))));
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(w.server.count(REFRESH), 1);
});

test('a_refresh_that_brings_the_same_text_again_serves_the_waiting_tabs_too', async () => {
  const w = world();
  const tabs = [await w.signedIn()];
  for (let i = 0; i < 4; i++) {
    tabs.push(w.tab());
    await w.settle(tabs.at(-1).client.restore());
  }
  const held = await tabs[0].client.accessToken();
  const csrf = tabs[0].client.csrfToken;
  // Two tokens that are signed in one second differ in nothing.
  for (let i = 0; i < tabs.length; i++) {
    w.server.next(REFRESH, async () => {
      await new Promise((resolve) => w.clock.setTimeout(resolve, 200));
      return new Response(
        JSON.stringify({ access_token: held, csrf_token: csrf, expires_in: 300 }),
        { headers: { 'Content-Type': 'application/json' } },
      );
    });
  }
  const tokens = await w.settle(Promise.all(tabs.map(({ client }) => client.refresh())));
  assert.deepEqual(tokens, Array(5).fill(held));
  assert.equal(w.server.count(REFRESH), 1);
});

test('a_message_that_comes_a_moment_after_the_lock_is_waited_for', async () => {
  for (const [late, requests] of [
    [190, 1],
    [210, 2],
  ]) {
    const w = world();
    let behind = 0;
    class Late extends w.browser.BroadcastChannel {
      postMessage(message) {
        if (!behind) super.postMessage(message);
        else w.clock.setTimeout(() => super.postMessage(message), behind);
      }
    }
    const env = { BroadcastChannel: Late };
    const tabs = [await w.signedIn({ env }), w.tab({ env })];
    await w.settle(tabs[1].client.restore());
    behind = late;
    w.server.next(REFRESH, async (request, handle) => {
      await new Promise((resolve) => w.clock.setTimeout(resolve, 200));
      return handle();
    });
    const before = w.server.count(REFRESH);
    await w.settle(Promise.all(tabs.map(({ client }) => client.refresh())));
    assert.equal(w.server.count(REFRESH) - before, requests, `${late} ms late`);
  }
});

test('without_locks_and_channels_five_tabs_are_all_right_as_well', async () => {
  const w = world();
  const env = { locks: undefined, BroadcastChannel: undefined };
  const tabs = [await w.signedIn({ env })];
  for (let i = 0; i < 4; i++) {
    tabs.push(w.tab({ env }));
    await w.settle(tabs.at(-1).client.restore());
  }
  const before = w.server.count(REFRESH);
  w.clock.sleep(400_000);
  const responses = await w.settle(Promise.all(tabs.map(({ client }) => client.fetch(API))));
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(w.server.count(REFRESH) - before, 5);
  assert.ok(tabs.every((tab) => tab.client.state.status === 'signed_in'));
});

test('a_frozen_tab_that_holds_the_lock_holds_nobody_up_for_long', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.clock.sleep(400_000);
  w.browser.jam(`countersign:${BASE}`);
  const response = client.fetch(API);
  await w.run(9_000);
  assert.equal(w.server.count(REFRESH), 0);
  assert.equal((await w.settle(response, 5_000)).status, 200);
});

test('locks_that_are_refused_are_done_without', async () => {
  const w = world();
  const locks = {
    request: () => Promise.reject(new DOMException('no storage here', 'SecurityError')),
  };
  const { client } = await w.signedIn({ env: { locks } });
  assert.ok(await w.settle(client.refresh()));
});

test('an_error_under_the_lock_does_not_do_the_work_twice', async () => {
  const w = world();
  const { client } = w.tab();
  await assert.rejects(w.settle(client.login({ username: 'alice', password: 'wrong' })), {
    code: 'invalid_credentials',
  });
  assert.equal(w.server.count('/accounts/login'), 1);
});

test('an_answer_that_comes_after_the_logout_signs_nobody_in', async () => {
  const w = world();
  const tab = await w.signedIn();
  // Without locks the two tabs do not wait for each other.
  const other = w.tab({ env: { locks: undefined } });
  await w.settle(other.client.restore());
  let release;
  w.server.next(REFRESH, async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => (release = resolve));
    return answer;
  });
  const late = other.client.refresh();
  await w.run(0);
  await w.settle(tab.client.logout());
  release();
  assert.equal(await w.settle(late), undefined);
  assert.equal(other.client.state.status, 'signed_out');
  assert.equal(tab.client.state.status, 'signed_out');
  assert.deepEqual(types(tab), ['signed_in', 'signed_out']);
});

test('a_restore_whose_session_another_tab_ends_meanwhile_signs_nobody_in', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab({ env: { locks: undefined } });
  // So that it does not get the token from the tab.
  const { BroadcastChannel } = w.browser;
  const channel = new BroadcastChannel(`countersign:${BASE}`);
  tab.client.close();
  let release;
  w.server.next(REFRESH, async (request, handle) => {
    const answer = await handle();
    await new Promise((resolve) => (release = resolve));
    return answer;
  });
  const late = other.client.restore();
  await w.run(0);
  channel.postMessage({
    type: 'signed_out',
    csrf: w.browser.jar.session.csrf,
    code: 'session_revoked',
    reason: 'logout',
  });
  await w.run(0);
  release();
  assert.equal(await w.settle(late), null);
  assert.deepEqual(other.changes, [
    { type: 'signed_out', code: 'session_revoked', reason: 'logout' },
  ]);
});

test('a_late_message_about_an_ended_session_counts_for_nothing', async () => {
  const w = world();
  const tab = await w.signedIn();
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  const old = {
    type: 'refreshed',
    access: 'dead',
    csrf: tab.client.csrfToken,
    user: tab.client.user,
    left: 290_000,
    at: w.clock.wall,
  };
  await w.settle(tab.client.logout());
  channel.postMessage(old);
  await w.run(100);
  assert.equal(tab.client.state.status, 'signed_out');
});

test('a_late_message_of_the_session_before_a_login_takes_no_tab_back_to_its_user', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  const now = { left: 290_000, at: w.clock.wall, user: tab.client.user };
  const old = { ...now, access: 'dead', csrf: tab.client.csrfToken };
  for (const username of ['bertha', 'alice']) {
    await w.settle(tab.client.login({ username, password: 'right' }));
    const access = await tab.client.accessToken();
    for (const type of ['refreshed', 'signed_in']) channel.postMessage({ ...old, type });
    await w.run(100);
    for (const { client } of [tab, other]) {
      assert.equal(client.user.username, username);
      assert.equal(await client.accessToken(), access);
    }
  }
});

test('a_late_message_of_the_session_before_the_cookie_changed_counts_for_nothing', async () => {
  const w = world();
  const tab = await w.signedIn();
  const old = { csrf: tab.client.csrfToken, user: tab.client.user };
  const silent = w.tab({ env: { BroadcastChannel: undefined } });
  await w.settle(silent.client.login({ username: 'bertha', password: 'right' }));
  await w.settle(tab.client.refresh());
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  const late = { type: 'refreshed', access: 'dead', left: 290_000, at: w.clock.wall };
  channel.postMessage({ ...late, ...old });
  await w.run(100);
  assert.equal(tab.client.user.username, 'bertha');
});

test('a_session_that_the_server_gives_again_is_heard_of_again', async () => {
  const w = world();
  const tab = await w.signedIn();
  const other = w.tab();
  await w.settle(other.client.restore());
  const { session } = w.browser.jar;
  // Two logins at once: the message of one that has lost comes last.
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  channel.postMessage({
    type: 'signed_in',
    access: 'lost',
    csrf: 'lost',
    user: { id: 6, username: 'bertha' },
    left: 290_000,
    at: w.clock.wall,
  });
  await w.run(0);
  assert.equal(tab.client.user.username, 'bertha');
  assert.equal(w.browser.jar.session, session);
  for (const { client } of [tab, other]) {
    await w.settle(client.refresh());
    assert.equal(client.user.username, 'alice');
  }
  // Each hears of the other's refresh again.
  const before = w.server.count(REFRESH);
  await w.settle(tab.client.refresh());
  await w.run(0);
  assert.equal(await other.client.accessToken(), await tab.client.accessToken());
  assert.equal(w.server.count(REFRESH), before + 1);
});

test('a_sign_out_of_an_older_session_does_not_end_the_new_one', async () => {
  const w = world();
  const tab = await w.signedIn();
  const old = tab.client.csrfToken;
  await w.settle(tab.client.login({ username: 'bertha', password: 'right' }));
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  channel.postMessage({ type: 'signed_out', csrf: old, code: 'session_revoked', reason: 'logout' });
  await w.run(100);
  assert.equal(tab.client.user.username, 'bertha');
  assert.equal(tab.client.state.status, 'signed_in');
});

test('an_ending_of_the_old_session_that_comes_after_a_login_elsewhere_ends_nothing', async () => {
  const w = world();
  const tab = await w.signedIn({ env: { locks: undefined } });
  let release;
  w.server.next(REFRESH, async () => {
    await new Promise((resolve) => (release = resolve));
    return w.server.problem(401, 'session_revoked', { reason: 'logout' });
  });
  const late = tab.client.refresh();
  await w.run(0);
  const other = w.tab({ env: { locks: undefined } });
  await w.settle(other.client.login({ username: 'bertha', password: 'right' }));
  release();
  await w.settle(late);
  assert.equal(tab.client.user.username, 'bertha');
  assert.deepEqual(types(tab), ['signed_in', 'signed_out', 'signed_in']);
  assert.equal(tab.changes[1].code, 'session_changed');
});

test('a_message_that_waited_for_a_frozen_tab_is_as_old_as_the_tabs_sleep', async () => {
  const w = world();
  const tab = await w.signedIn();
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  const message = {
    type: 'refreshed',
    access: 'theirs',
    csrf: tab.client.csrfToken,
    user: tab.client.user,
    left: 290_000,
    at: w.clock.wall,
  };
  tab.show(false);
  w.clock.pass(400_000);
  channel.postMessage(message);
  await w.run(0);
  assert.equal(tab.client.expiresIn, 0);
  assert.equal((await w.settle(tab.client.fetch(API))).status, 200);
});

test('an_older_token_does_not_take_the_place_of_a_newer_one', async () => {
  const w = world();
  const tab = await w.signedIn();
  const channel = new w.browser.BroadcastChannel(`countersign:${BASE}`);
  const old = {
    type: 'refreshed',
    access: await tab.client.accessToken(),
    csrf: tab.client.csrfToken,
    user: tab.client.user,
    left: 200_000,
    at: w.clock.wall,
  };
  const now = await w.settle(tab.client.refresh());
  channel.postMessage(old);
  await w.run(0);
  assert.equal(await tab.client.accessToken(), now);
});

test('a_page_that_comes_back_from_the_browsers_history_looks_whether_it_is_still_signed_in', async () => {
  const w = world();
  const tab = await w.signedIn();
  w.server.end([...w.server.sessions.values()][0], 'session_revoked', 'logout');
  tab.events.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
  await w.run(0);
  assert.equal(tab.client.state.status, 'signed_in');
  tab.events.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await w.run(0);
  assert.equal(tab.client.state.status, 'signed_out');
});

test('a_client_that_is_made_where_pages_are_rendered_shares_nothing', async () => {
  // Node has channels, and no location: one visitor's tokens must not reach the next.
  const w = world();
  const heard = [];
  const spy = new globalThis.BroadcastChannel(`countersign:${BASE}`);
  spy.onmessage = ({ data }) => heard.push(data);
  await w.signedIn({ real: ['BroadcastChannel', 'locks'] });
  await new Promise((resolve) => setTimeout(resolve, 50));
  spy.close();
  assert.deepEqual(heard, []);
});
