// Signing up, proving an address, and a forgotten password: what each form asks of the client.

const at = (id) => document.getElementById(id);

/**
 * @param {object} world
 * @param {import('./client/index.js').Client} world.client
 * @param {(button: Element, doing: () => Promise<string | void>) => void} world.work
 * @param {(error: any) => boolean} world.asks whether it asks for a second factor, and is shown
 */
export function accounts({ client, work, asks }) {
  const doors = [...document.querySelectorAll('form.door')];

  for (const button of document.querySelectorAll('[data-door]'))
    button.addEventListener('click', () => open(button.dataset.door, true));

  on('sign-up', async ({ username, email, password }) => {
    const user = await client.register({ username, email, password });
    expect(email);
    return user ? `Signed up, and in, as ${user.username}.` : 'Signed up. The address comes first.';
  });

  on('forgot', async ({ who }) => {
    await client.requestPasswordReset(who.includes('@') ? { email: who } : { username: who });
    open('choose', true);
    at('choose-email').value = who.includes('@') ? who : '';
    return 'If there is an account, a mail is on its way to its address.';
  });

  on('choose', async ({ email, code, new_password }) => {
    await client.resetPassword({ email, code, new_password });
    open('login', true);
    return 'The password is changed, and every session of the account is ended.';
  });

  on('prove', async ({ email, code }) => {
    await client.verifyEmail({ email, code });
    at('proof').hidden = true;
    return `${email} is proved to be yours.`;
  });

  on('by-code', async ({ email }) => {
    await client.requestLoginCode({ email });
    open('enter-code', true);
    at('enter-code-email').value = email;
    return 'If there is an account, a code is on its way to its address.';
  });

  on('enter-code', async ({ email, code }) => {
    const user = await client.loginWithCode({ email, code });
    return `Signed in as ${user.username}, without a password.`;
  });

  on('change', async ({ email, password }) => {
    await client.changeEmail({ email, password });
    at('confirm').hidden = false;
    at('confirm-email').value = email;
    at('confirm-code').focus();
    return 'If the address is free, a mail is on its way to it; the old one is told.';
  });

  on('confirm', async ({ email, code }) => {
    await client.confirmEmailChange({ email, code });
    at('confirm').hidden = true;
    at('change-title').focus();
    return `The address is ${client.user.email} now.`;
  });

  on('delete', async ({ password }) => {
    await client.deleteAccount({ password });
    return 'The account is out everywhere. A login that says so keeps it.';
  });

  at('resend')?.addEventListener('click', () =>
    work(at('resend'), async () => {
      await client.resendVerification({ email: at('prove-email').value });
      return 'If the address waits for a proof, another mail is on its way.';
    }),
  );

  return {
    open,
    /** Nobody is signed in any more: what was begun is forgotten. */
    leave() {
      open('login');
      for (const id of ['proof', 'confirm']) if (at(id)) at(id).hidden = true;
      for (const id of ['change', 'confirm', 'prove', 'delete']) at(id)?.reset();
    },
  };

  /** Shows one of the forms for who is signed out. */
  function open(id, hasFocus = false) {
    for (const form of doors) form.hidden = form.id !== id;
    for (const button of document.querySelectorAll('[data-door]'))
      button.hidden = button.dataset.door === id;
    at('out-title').textContent = at(id).dataset.title;
    if (hasFocus) at('out-title').focus();
  }

  /** A mail is on its way; its code can be entered here. */
  function expect(email) {
    const form = at('prove');
    if (!form) return;
    form.reset();
    complain(form, '');
    at('prove-email').value = email;
    at('proof').hidden = false;
    at('proof-title').focus();
  }

  function on(id, doing) {
    at(id)?.addEventListener('submit', (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      complain(form, '');
      work(event.submitter, async () => {
        try {
          const said = await doing(Object.fromEntries(new FormData(form)));
          form.reset();
          return said;
        } catch (error) {
          if (asks(error)) return;
          complain(form, inWords(error));
        }
      });
    });
  }
}

/** Says what is wrong with a form, and leads there. */
export function complain(form, text) {
  form.querySelector('[role=alert]').textContent = text;
  const inputs = [...form.querySelectorAll('input:not([type=checkbox])')];
  for (const input of inputs) {
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }
  if (text) inputs.at(-1).focus();
}

/** An error of the client's, for people. */
export function inWords(error) {
  if (error.code === 'throttled')
    return `Too many attempts. Try again in ${error.retryAfter} seconds.`;
  const fields = Object.values(error.errors ?? {}).flat();
  const said = fields.length > 0 ? fields.join(' ') : error.message;
  return [said, error.code && `(${error.code})`].filter(Boolean).join(' ');
}
