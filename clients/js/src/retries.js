// How long to leave a server alone that did not answer.
import { deadline } from './clock.js';

/** @param {import('./index.js').Environment} env */
export function retries(env) {
  let pause = over;
  let failures = 0;
  /** @type {any} */
  let fault;
  return {
    /**
     * What to wait for until the next try; nothing when it may be at once. When it is too far off,
     * the last fault is told again.
     */
    wait() {
      const ms = pause();
      if (ms > PATIENCE) throw fault;
      if (ms > 0) return new Promise((/** @type {any} */ resolve) => env.setTimeout(resolve, ms));
    },
    /**
     * It failed again. How many milliseconds to wait, by the server's word or longer each time.
     *
     * @param {any} error
     */
    after(error) {
      fault = error;
      const seconds =
        error.retryAfter ?? Math.min(30, 0.5 * 2 ** failures) * (0.5 + env.random() / 2);
      failures++;
      pause = deadline(env, Math.min(seconds, 3600) * 1000);
      return pause();
    },
    /** The network is back: whether that is worth a try. The server's own word counts on. */
    isWorthATry() {
      if (!failures || fault.retryAfter) return false;
      pause = over;
      return true;
    },
    succeeded() {
      failures = 0;
      pause = over;
    },
    /** Another session need not wait. */
    forget: () => void (pause = over),
  };
}

const over = () => 0;

/**
 * Whoever asks for a token waits this many milliseconds for the next try, and is told of the fault
 * if it is further off.
 */
const PATIENCE = 2_000;
