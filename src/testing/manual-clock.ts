// A clock that a test moves by hand. Knows nothing of what waits on it.
import type { Clock } from '../core/index.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Time stands still until `advance`. Timers that fall due at the same moment run in the order they were set. */
export class ManualClock implements Clock {
  #now: number;
  #timers: Timer[] = [];

  /** `startMs`: milliseconds since the epoch. */
  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { due: this.#now + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that are set and have neither run nor been cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  /**
   * Moves time forward, running what falls due on the way in order of time, also timers set by those callbacks.
   * Each callback sees the time it was due at. Promises they settle run afterwards: await something before looking.
   */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer;
      }
      if (next === undefined) break;
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.due);
      due.callback();
    }
    this.#now = end;
  }
}
