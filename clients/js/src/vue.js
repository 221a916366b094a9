// Vue: the session as a ref.
import { getCurrentScope, onScopeDispose, shallowReadonly, shallowRef } from 'vue';

/** @type {typeof import('./vue.js').useSession} */
export function useSession(client) {
  const state = shallowRef(client.state);
  const stop = client.onChange(() => {
    state.value = client.state;
  });
  // Outside a component it lives as long as the client.
  if (getCurrentScope()) onScopeDispose(stop);
  return shallowReadonly(state);
}
