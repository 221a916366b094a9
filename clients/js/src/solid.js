// Solid: the session as a signal.
import { createSignal, getOwner, onCleanup, onMount } from 'solid-js';

/** @type {typeof import('./solid.js').useSession} */
export function useSession(client) {
  const [state, set] = createSignal(client.state);
  const stop = client.onChange(() => set(() => client.state));
  // Outside a component it lives as long as the client.
  if (getOwner()) {
    onCleanup(stop);
    // A server that renders pages mounts nothing. No answer is no ending: the client goes on
    // trying, and the state says when it has succeeded.
    onMount(() => {
      if (client.state.status === 'unknown') client.restore().catch(() => {});
    });
  }
  return state;
}
