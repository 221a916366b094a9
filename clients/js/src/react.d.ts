import type { Client, State, User } from './index.js';

/**
 * The client's state; renders anew when it changes. A client of which nothing is known yet is
 * restored when the component is there: in the browser, and never while a server renders.
 */
export function useSession<U extends User = User>(client: Client<U>): State<U>;
