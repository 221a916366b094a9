// Vue: the session as a ref.
import {
  getCurrentInstance,
  getCurrentScope,
  onMounted,
  onScopeDispose,
  shallowReadonly,
  shallowRef,
} from 'vue';

/** @type {typeof import('./vue.js').useSession} */
export function useSession(client) {
  const state = shallowRef(client.state);
  const stop = client.onChange(() => {
    state.value = client.state;
  });
  // Outside a component it lives as long as the client.
  if (getCurrentScope()) onScopeDispose(stop);
  const restore = () => {
    // No answer is no ending: the client goes on trying, and the state says when it has succeeded.
    if (client.state.status === 'unknown') client.restore().catch(() => {});
  };
  // A server that renders pages mounts nothing.
  if (getCurrentInstance()) onMounted(restore);
  return shallowReadonly(state);
}
