import type { ShallowRef } from 'vue';
import type { Client, State } from './index.js';

/** The client's state, as a ref that cannot be written. Listening ends with the component or scope. */
export function useSession(client: Client): Readonly<ShallowRef<State>>;
