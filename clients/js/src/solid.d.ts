import type { Client, State, User } from './index.js';

/**
 * The client's state as a signal: `session().user`. Listening ends with the component. In a
 * component, a client of which nothing is known yet is restored when it is mounted.
 */
export function useSession<U extends User = User>(client: Client<U>): () => State<U>;
