// Every page greets somebody: none is made ahead of time.
export const prerender = false;
