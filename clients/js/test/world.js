// A world in memory: time that passes when told to, a network that can fail, a server, and a
// browser with tabs.
import { createClient } from '../src/index.js';
import { HOST, makeServer } from './server.js';

export { HOST };

// Its own, whatever a test puts in their place.
const { Event, Request } = globalThis;

export const BASE = `${HOST}/accounts`;

/** Makes one. */
export function world({ lifetime = 300 } = {}) {
  const clock = makeClock();
  const server = makeServer(clock, lifetime);
  const browser = makeBrowser();
  const clients = [];

  return {
    clock,
    server,
    browser,
    /** Lets `ms` milliseconds go by, and everything happen that is due in them. */
    run: (ms = 0) => clock.run(ms),
    /** Waits for a promise while time goes by. */
    async settle(promise, limit = 120_000) {
      let done = false;
      const seen = promise.then(
        (value) => ({ value }),
        (error) => ({ error }),
      );
      seen.then(() => (done = true));
      const end = clock.monotonic + limit;
      await clock.run(0);
      while (!done && clock.monotonic < end) await clock.run(10);
      if (!done) throw new Error('it does not end');
      const { value, error } = await seen;
      if (error) throw error;
      return value;
    },
    /**
     * Opens a tab, with a client in it. `env` replaces parts of its surroundings, `real` leaves
     * parts as they are, `options` are the client's.
     */
    tab({ env = {}, real = [], options = {}, make = createClient } = {}) {
      const events = new EventTarget();
      const tab = { events, visible: true, changes: [], seen: [] };
      const surroundings = {
        fetch: (input, init) => {
          const request = new Request(input, init);
          tab.seen.push(request);
          return server.fetch(request, browser.jar, init?.credentials);
        },
        monotonic: () => clock.monotonic,
        wall: () => clock.wall,
        random: () => 0.5,
        setTimeout: clock.setTimeout,
        clearTimeout: clock.clearTimeout,
        BroadcastChannel: browser.BroadcastChannel,
        locks: browser.locks,
        visible: () => tab.visible,
        events: [events],
        ...env,
      };
      for (const name of real) delete surroundings[name];
      tab.client = make({ baseUrl: BASE, ...options, env: surroundings });
      tab.client.onChange((change) => tab.changes.push(change));
      tab.show = (visible) => {
        tab.visible = visible;
        events.dispatchEvent(new Event('visibilitychange'));
      };
      clients.push(tab.client);
      return tab;
    },
    /** A tab in which alice has logged in. */
    async signedIn(how) {
      const tab = this.tab(how);
      await this.settle(tab.client.login({ username: 'alice', password: 'right' }));
      return tab;
    },
  };
}

function makeClock() {
  const timers = new Map();
  let last = 0;
  const breathe = async () => {
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const clock = {
    monotonic: 1000,
    wall: Date.UTC(2026, 0, 1),
    setTimeout: (callback, ms) => {
      timers.set(++last, { at: clock.monotonic + Math.max(0, ms), callback });
      return last;
    },
    clearTimeout: (id) => timers.delete(id),
    get pending() {
      return timers.size;
    },
    async run(ms) {
      const end = clock.monotonic + ms;
      await breathe();
      for (;;) {
        const next = [...timers]
          .filter(([, { at }]) => at <= end)
          .sort(([, a], [, b]) => a.at - b.at)[0];
        if (!next) break;
        const [id, { at, callback }] = next;
        timers.delete(id);
        clock.pass(Math.max(0, at - clock.monotonic));
        callback();
        await breathe();
      }
      clock.pass(end - clock.monotonic);
      await breathe();
    },
    /** Time goes by and nothing happens: the page is frozen. */
    pass(ms) {
      clock.monotonic += ms;
      clock.wall += ms;
      clock.real += ms;
    },
    /** The machine sleeps: the monotonic clock stands still meanwhile. */
    sleep(ms) {
      clock.wall += ms;
      clock.real += ms;
    },
    /** What the server goes by. */
    real: 0,
  };
  return clock;
}

function makeBrowser() {
  const channels = new Set();
  const queues = new Map();
  const browser = {
    jar: {},
    /** Messages that were sent, as others saw them. */
    messages: [],
    BroadcastChannel: class {
      constructor(name) {
        this.name = name;
        this.onmessage = null;
        channels.add(this);
      }
      postMessage(message) {
        if (!channels.has(this)) throw new DOMException('is closed', 'InvalidStateError');
        const data = structuredClone(message);
        browser.messages.push(data);
        for (const other of channels) {
          if (other !== this && other.name === this.name)
            setImmediate(
              () => channels.has(other) && other.onmessage?.({ data: structuredClone(data) }),
            );
        }
      }
      close() {
        channels.delete(this);
      }
    },
    locks: {
      request(name, { signal }, work) {
        const before = queues.get(name) ?? Promise.resolve();
        const turn = new Promise((resolve, reject) => {
          let gone = false;
          signal.addEventListener('abort', () => {
            gone = true;
            reject(signal.reason);
          });
          before.then(() =>
            gone ? undefined : Promise.resolve(work({ name })).then(resolve, reject),
          );
        });
        queues.set(
          name,
          turn.then(
            () => {},
            () => {},
          ),
        );
        return turn;
      },
    },
    /** A frozen tab that holds the lock for ever. */
    jam(name) {
      queues.set(name, new Promise(() => {}));
    },
  };
  return browser;
}
