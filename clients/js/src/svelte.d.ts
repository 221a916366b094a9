import type { Client, State, User } from './index.js';

/**
 * The client's state as a store of Svelte's: `$session.user`. A client of which nothing is known
 * yet is restored when somebody subscribes in a browser.
 */
export function sessionStore<U extends User = User>(
  client: Client<U>,
): { subscribe(run: (state: State<U>) => void): () => void };
