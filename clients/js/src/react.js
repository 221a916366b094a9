// React: the session as state.
import { useSyncExternalStore } from 'react';

/** @type {typeof import('./react.js').useSession} */
export function useSession(client) {
  const now = () => client.state;
  return useSyncExternalStore(client.onChange, now, now);
}
