'use client';

import { useEffect } from 'react';
import { client } from '../lib/client';

/**
 * From here on the browser keeps the session: it refreshes, and hears of logins and logouts in
 * other tabs. When somebody else is signed in than `sub`, for whom the server has made the page, it
 * asks for the page again.
 */
export function KeepSession({ sub = null }) {
  useEffect(() => {
    if (sub) sessionStorage.removeItem('reloaded');
    const stop = client().onChange(({ type, user }) => {
      if (type === 'signed_out' && sub) location.reload();
      if (type === 'signed_in' && user && String(user.id) !== sub) reloadOnce();
    });
    // No answer is no ending: the client goes on trying.
    client().restore().catch(() => {});
    return stop;
  }, [sub]);
  return null;
}

/** Where the server still sees nobody after that, another reload would change nothing. */
function reloadOnce() {
  const last = Number(sessionStorage.getItem('reloaded'));
  if (Date.now() - last < 10_000) return;
  sessionStorage.setItem('reloaded', String(Date.now()));
  location.reload();
}
