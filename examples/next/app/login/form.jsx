'use client';

import { useState } from 'react';
import { client } from '../../lib/client';
import { useReady } from '../../lib/ready';

export function LoginForm({ next }) {
  const [error, setError] = useState('');
  const ready = useReady();

  async function submit(event) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.currentTarget));
    try {
      await client().login({ username, password });
      // Not by the router: it may hold pages that were made for nobody.
      location.assign(next);
    } catch (error) {
      setError(error.message);
    }
  }

  // `post`: without the script a browser would put the password into an address.
  return (
    <form method="post" onSubmit={submit}>
      <h1>Log in</h1>
      <label>
        User name <input name="username" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button disabled={!ready}>Log in</button>
      <p role="alert">{error}</p>
    </form>
  );
}
