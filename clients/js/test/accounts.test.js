import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountersignError } from '../src/index.js';
import { createNativeClient } from '../src/native.js';
import { HOST, world } from './world.js';

const anna = { username: 'anna', email: 'anna@example.com', password: 'tin kettle 14' };
const bodies = (tab, path) =>
  Promise.all(
    tab.seen
      .filter(({ url }) => url === HOST + path)
      .map(async (request) => JSON.parse(await request.text())),
  );

/** A tab whose requests are kept with their bodies, which the server reads. */
function watched(w, how = {}) {
  const seen = [];
  const tab = w.tab({
    ...how,
    env: {
      fetch: (input, init) => {
        const request = new Request(input, init);
        seen.push(request.clone());
        return w.server.fetch(request, w.browser.jar, init?.credentials);
      },
    },
  });
  return { ...tab, seen };
}

test('who_registers_is_signed_in_in_all_tabs', async () => {
  const w = world();
  const other = w.tab();
  await w.settle(other.client.restore());
  const tab = watched(w);
  const user = await w.settle(tab.client.register(anna));
  assert.equal(user.username, 'anna');
  assert.equal(tab.client.state.status, 'signed_in');
  assert.equal(other.client.user.username, 'anna');
  assert.deepEqual(await bodies(tab, '/accounts/register'), [anna]);
  assert.equal((await w.settle(tab.client.fetch(`${HOST}/api/x`, { method: 'POST' }))).status, 200);
});

test('where_the_address_is_proved_first_nobody_is_signed_in_before_it_is', async () => {
  const w = world();
  w.server.mustProve = true;
  const { client, changes } = w.tab();
  assert.equal(await w.settle(client.register(anna)), null);
  assert.equal(client.state.status, 'unknown');
  assert.deepEqual(changes, []);
  await assert.rejects(w.settle(client.verifyEmail({ token: 'bad' })), { code: 'link_invalid' });
  const user = await w.settle(client.verifyEmail({ token: 'good' }));
  assert.equal(user.username, 'anna');
  assert.deepEqual(changes, [{ type: 'signed_in', user }]);
});

test('an_address_proved_elsewhere_signs_nobody_in_and_one_proved_here_is_seen_in_the_user', async () => {
  const w = world();
  const nobody = w.tab();
  assert.equal(await w.settle(nobody.client.verifyEmail({ token: 'good' })), null);
  const { client, changes } = await w.signedIn();
  assert.equal(client.user.email_verified, undefined);
  const user = await w.settle(client.verifyEmail({ token: 'good' }));
  assert.deepEqual([user.username, user.email_verified], ['alice', true]);
  assert.equal(client.user, user);
  assert.equal(changes.at(-1).type, 'user');
});

test('what_is_wrong_with_a_registration_comes_by_fields', async () => {
  const w = world();
  const { client } = w.tab();
  await assert.rejects(w.settle(client.register({ ...anna, username: 'taken' })), (error) => {
    assert.ok(error instanceof CountersignError);
    assert.deepEqual(error.errors, { username: ['Taken.'] });
    assert.deepEqual(error.problem.errors, error.errors);
    return true;
  });
  assert.equal(w.server.count('/accounts/register'), 1);
});

test('asking_for_a_mail_tells_nothing', async () => {
  const w = world();
  const tab = watched(w);
  const email = 'anna@example.com';
  assert.equal(await w.settle(tab.client.resendVerification({ email })), undefined);
  assert.equal(await w.settle(tab.client.requestPasswordReset({ username: 'anna' })), undefined);
  assert.deepEqual(await bodies(tab, '/accounts/email/verify/resend'), [{ email }]);
  assert.deepEqual(await bodies(tab, '/accounts/password/reset'), [{ username: 'anna' }]);
  assert.equal(tab.client.state.status, 'unknown');
});

test('a_password_chosen_anew_ends_the_session_of_who_is_signed_in_here_and_asks_nothing_else', async () => {
  const w = world();
  const { client } = w.tab();
  const fields = { token: 'good', new_password: 'copper lantern 27' };
  await w.settle(client.resetPassword(fields));
  assert.equal(w.server.requests.length, 1);
  const tab = await w.signedIn();
  await assert.rejects(w.settle(tab.client.resetPassword({ ...fields, token: 'bad' })), {
    code: 'link_invalid',
  });
  assert.equal(tab.client.state.status, 'signed_in');
  await w.settle(tab.client.resetPassword(fields));
  assert.deepEqual(tab.changes.at(-1), {
    type: 'signed_out',
    code: 'session_revoked',
    reason: 'password_changed',
  });
});

test('a_changed_password_keeps_the_session_and_a_wrong_one_is_said_once', async () => {
  const w = world();
  const { client } = await w.signedIn();
  await w.settle(client.changePassword({ old_password: 'right', new_password: 'x' }));
  await assert.rejects(
    w.settle(client.changePassword({ old_password: 'wrong', new_password: 'x' })),
    { code: 'validation_error', errors: { old_password: ['Wrong.'] } },
  );
  assert.equal(w.server.count('/accounts/password'), 2);
  assert.equal(client.state.status, 'signed_in');
});

test('another_address_is_the_users_in_all_tabs_once_it_is_confirmed', async () => {
  const w = world();
  const other = w.tab();
  const { client } = await w.signedIn();
  await w.settle(other.client.restore());
  const email = 'alice@example.org';
  assert.equal(await w.settle(client.changeEmail({ email, password: 'right' })), undefined);
  assert.deepEqual(w.server.wanted, { email, password: 'right' });
  assert.equal(client.user.email, 'alice@example.com');
  await assert.rejects(w.settle(client.confirmEmailChange({ token: 'bad' })), {
    code: 'link_invalid',
  });
  assert.equal(await w.settle(client.confirmEmailChange({ token: 'good' })), undefined);
  assert.equal(client.user.email, email);
  assert.equal(other.client.user.email, email);
});

test('an_undo_ends_the_session_of_who_is_signed_in_here', async () => {
  const w = world();
  const { client, changes } = await w.signedIn();
  await w.settle(client.undo({ token: 'good' }));
  assert.deepEqual(
    changes.map(({ type, reason }) => [type, reason]),
    [
      ['signed_in', undefined],
      ['signed_out', 'password_changed'],
    ],
  );
});

test('who_deletes_the_account_is_signed_out_in_all_tabs_and_a_wrong_password_does_nothing', async () => {
  const w = world();
  const other = w.tab();
  const { client } = await w.signedIn();
  await w.settle(other.client.restore());
  await assert.rejects(w.settle(client.deleteAccount({ password: 'wrong' })), {
    code: 'validation_error',
    errors: { password: ['Wrong.'] },
  });
  assert.equal(client.state.status, 'signed_in');
  assert.equal(await w.settle(client.deleteAccount({ password: 'right' })), undefined);
  assert.equal(client.state.status, 'signed_out');
  assert.equal(other.client.state.status, 'signed_out');
});

test('what_is_kept_about_the_user_can_be_exported', async () => {
  const w = world();
  const { client } = await w.signedIn();
  const { user, sessions } = await w.settle(client.exportProfile());
  assert.deepEqual([user.username, sessions], ['alice', []]);
});

test('a_code_logs_in_as_a_password_does', async () => {
  const w = world();
  const tab = watched(w);
  const email = 'alice@example.com';
  assert.equal(await w.settle(tab.client.requestLoginCode({ email })), undefined);
  assert.deepEqual(await bodies(tab, '/accounts/login/code'), [{ email }]);
  assert.equal(tab.client.state.status, 'unknown');
  await assert.rejects(w.settle(tab.client.loginWithCode({ email, code: '0000 0000' })), {
    code: 'link_invalid',
  });
  const proof = { email, code: '1234 5678', device_name: 'a telephone' };
  const user = await w.settle(tab.client.loginWithCode(proof));
  assert.equal(user.username, 'alice');
  assert.equal(tab.client.state.status, 'signed_in');
  assert.equal([...w.server.sessions.values()].at(-1).device_name, 'a telephone');
});

test('a_login_that_waits_goes_on_with_a_code_and_a_code_proves_again_who_it_is', async () => {
  const w = world();
  const tab = watched(w);
  const factor = { pending_token: 'a.b.c', code: '123456', remember_device: true };
  const user = await w.settle(tab.client.loginWithFactor(factor));
  assert.equal(user.username, 'alice');
  assert.equal(tab.client.state.status, 'signed_in');
  const { path, json } = w.server.asked.at(-1);
  assert.deepEqual([path, json], ['/login/factor', factor]);
  const before = tab.client.csrfToken && (await tab.client.accessToken());
  await w.settle(tab.client.stepUp({ recovery_code: 'abcde-fghjk' }));
  const again = w.server.asked.at(-1);
  assert.deepEqual([again.path, again.json], ['/step-up', { recovery_code: 'abcde-fghjk' }]);
  assert.notEqual(await tab.client.accessToken(), before, 'the token says so from now on');
});

test('a_401_that_is_about_a_password_is_not_tried_again', async () => {
  const w = world();
  const { client } = await w.signedIn();
  for (const code of ['invalid_credentials', 'recent_login_required']) {
    w.server.next('/accounts/password', () => w.server.problem(401, code));
    await assert.rejects(w.settle(client.changePassword({ old_password: 'right' })), { code });
  }
  assert.equal(w.server.count('/accounts/password'), 2);
  assert.equal(w.server.count('/accounts/refresh'), 0);
});

test('an_access_token_that_is_over_costs_a_request_of_the_users_one_refresh', async () => {
  const w = world();
  const { client } = await w.signedIn();
  w.server.tokens.clear();
  await w.settle(client.changePassword({ old_password: 'right', new_password: 'x' }));
  assert.equal(w.server.count('/accounts/refresh'), 1);
  assert.equal(w.server.count('/accounts/password'), 2);
});

test('a_changed_profile_is_the_user_in_all_tabs', async () => {
  const w = world();
  const other = w.tab();
  const { client } = await w.signedIn();
  await w.settle(other.client.restore());
  const user = await w.settle(client.updateProfile({ first_name: 'Alice' }));
  assert.equal(user.first_name, 'Alice');
  assert.equal(client.user, user);
  assert.equal(other.client.user.first_name, 'Alice');
});

test('the_sessions_are_all_of_them_and_each_can_be_named_and_ended', async () => {
  const w = world();
  for (let i = 0; i < 4; i++) (await w.signedIn()).client.close();
  const { client } = await w.signedIn();
  const sessions = await w.settle(client.sessions());
  assert.equal(sessions.length, 5);
  assert.equal(w.server.count('/accounts/sessions'), 3, 'two a page');
  const [{ id }] = sessions;
  assert.equal((await w.settle(client.nameSession(id, 'the old one'))).device_name, 'the old one');
  await w.settle(client.endSession(id));
  await assert.rejects(w.settle(client.endSession(id)), { code: 'not_found' });
  await assert.rejects(w.settle(client.endSession('../logout-all')), { code: 'not_found' });
  assert.equal((await w.settle(client.sessions())).length, 4);
});

test('whoever_is_signed_out_hears_that_they_are', async () => {
  const w = world();
  const { client } = await w.signedIn();
  await w.settle(client.logout());
  for (const work of [
    () => client.sessions(),
    () => client.updateProfile({ first_name: 'x' }),
    () => client.changePassword({ old_password: 'right', new_password: 'x' }),
    () => client.logoutAll(),
  ])
    await assert.rejects(w.settle(work()), { code: 'not_authenticated', status: 401 });
  assert.equal(await w.settle(client.loadUser()), null);
});

test('a_native_client_registers_and_says_which_device_it_is', async () => {
  const w = world();
  const kept = new Map();
  const storage = {
    get: (name) => kept.get(name),
    set: (name, value) => kept.set(name, value),
    remove: (name) => kept.delete(name),
  };
  const make = { make: createNativeClient, options: { storage, deviceName: 'Ada\'s phone' } };
  const tab = watched(w, make);
  await w.settle(tab.client.register(anna));
  assert.ok(kept.has('countersign.refresh_token'));
  const [{ transport, device_name }] = await bodies(tab, '/accounts/register');
  assert.deepEqual([transport, device_name], ['body', 'Ada\'s phone']);
  await w.settle(tab.client.changePassword({ old_password: 'right', new_password: 'x' }));
  assert.equal(w.server.password.device_token, 'device-of-anna');
  const confirm = tab.client.confirmEmailChange({ token: 'bad', password: 'right' });
  await assert.rejects(w.settle(confirm), { code: 'link_invalid' });
  assert.equal(w.server.confirmed.device_token, 'device-of-anna');
  await w.settle(tab.client.logout());
  await w.settle(tab.client.login({ username: 'alice', password: 'right' }));
  assert.equal([...w.server.sessions.values()].at(-1).device_name, 'Ada\'s phone');
});

test('a_ticket_is_asked_for_with_what_it_is_for', async () => {
  const w = world();
  const { client } = await w.signedIn();
  assert.equal(await w.settle(client.ticket({ for: 'chat' })), 'a-ticket');
  assert.deepEqual(w.server.ticketFor, { for: 'chat' });
  await w.settle(client.ticket());
  assert.deepEqual(w.server.ticketFor, {});
});
