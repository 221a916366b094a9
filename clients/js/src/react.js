// React: the session as state.
import { useEffect, useSyncExternalStore } from 'react';

/** @type {typeof import('./react.js').useSession} */
export function useSession(client) {
  const now = () => client.state;
  useEffect(() => {
    // No answer is no ending: the client goes on trying, and the state says when it has succeeded.
    if (client.state.status === 'unknown') client.restore().catch(() => {});
  }, [client]);
  return useSyncExternalStore(client.onChange, now, now);
}
