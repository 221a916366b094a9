'use client';

import { useState } from 'react';
import { client } from '../lib/client';
import { useReady } from '../lib/ready';

export function LogoutButton() {
  const [error, setError] = useState('');
  const ready = useReady();
  // `KeepSession` then asks for the page anew, here and in other tabs.
  const logOut = () => client().logout().catch((error) => setError(error.message));
  return (
    <>
      <button disabled={!ready} onClick={logOut}>
        Log out
      </button>
      <p role="alert">{error}</p>
    </>
  );
}
