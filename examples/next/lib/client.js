import { createClient } from '@countersign/client';

let made;

/** The client of this page, in the browser. What is rendered on the server has none. */
export const client = () => (made ??= createClient());
