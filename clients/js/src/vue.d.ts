import type { ShallowRef } from 'vue';
import type { Client, State, User } from './index.js';

/**
 * The client's state, as a ref that cannot be written. Listening ends with the component or scope.
 * In a component, a client of which nothing is known yet is restored when it is mounted.
 */
export function useSession<U extends User = User>(
  client: Client<U>,
): Readonly<ShallowRef<State<U>>>;
