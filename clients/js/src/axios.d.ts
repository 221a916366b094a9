import type { AxiosInstance } from 'axios';
import type { Client } from './index.js';

/**
 * Makes an axios instance send the tokens as the client's `fetch` does: to trusted origins only,
 * refreshed in time, and with one more try after a 401. Answers with a function that takes it back.
 */
export function attach(axios: AxiosInstance, client: Client<any>): () => void;
