import type { Client, State } from './index.js';

/** The client's state; renders anew when it changes. */
export function useSession(client: Client): State;
