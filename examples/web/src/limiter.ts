// Decides how many records a deliberately slow reader may take now. Knows nothing of consumers or timers.

/** Allows `perSecond` records a second on average, at most a tenth of a second's worth at once; null: no limit. */
export class RateLimiter {
  #perSecond: number | null;
  #available = 0;
  #at: number;

  constructor(perSecond: number | null, nowMs: number) {
    this.#perSecond = perSecond;
    this.#at = nowMs;
  }

  setRate(perSecond: number | null, nowMs: number): void {
    this.#perSecond = perSecond;
    this.#available = 0;
    this.#at = nowMs;
  }

  /** Records that may be taken now, at most `most`. 0: ask again after `waitMs()`. */
  allowance(nowMs: number, most: number): number {
    if (this.#perSecond === null) return most;
    const burst = Math.max(1, this.#perSecond / 10);
    this.#available = Math.min(burst, this.#available + ((nowMs - this.#at) * this.#perSecond) / 1000);
    this.#at = nowMs;
    return Math.min(most, Math.floor(this.#available + 1e-6));
  }

  /** Milliseconds until at least one record is allowed. */
  waitMs(): number {
    if (this.#perSecond === null || this.#available >= 1) return 0;
    return ((1 - this.#available) * 1000) / this.#perSecond;
  }

  spend(records: number): void {
    if (this.#perSecond !== null) this.#available -= records;
  }
}
