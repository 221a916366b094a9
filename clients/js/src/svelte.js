// Svelte: the session as a store, which Svelte 3 and newer subscribe to by `$`.

/** @type {typeof import('./svelte.js').sessionStore} */
export const sessionStore = (client) => ({
  subscribe(run) {
    run(client.state);
    const stop = client.onChange(() => run(client.state));
    // In the browser, and never while a server renders. No answer is no ending: the client goes on
    // trying, and the state says when it has succeeded.
    if (globalThis.window && client.state.status === 'unknown') client.restore().catch(() => {});
    return stop;
  },
});
