// A bounded memory: when its young half is full, the old half goes.

/** @template T */
export class Recent {
  /** @type {Map<string, T>} */
  #young = new Map();
  /** @type {Map<string, T>} */
  #old = new Map();
  #inserted = 0;
  #half;

  /** @param {number} most how many letters the keys may have together */
  constructor(most) {
    this.#half = most / 2;
  }

  /** @param {string} key */
  get(key) {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /**
   * @param {string} key
   * @param {T} value
   */
  set(key, value) {
    if (key.length > this.#half) return;
    if (this.#inserted + key.length > this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#inserted = 0;
    }
    this.#inserted += key.length;
    this.#young.set(key, value);
  }

  clear() {
    this.#young.clear();
    this.#old.clear();
    this.#inserted = 0;
  }

  get size() {
    return this.#young.size + this.#old.size;
  }
}
