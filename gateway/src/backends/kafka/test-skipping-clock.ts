// Real time that a test can move forward: what waits for a moment that is skipped goes on at once; brokers know nothing of it.
import { type Clock, systemClock } from 'distributedlog/core';

interface Timer {
  /** When so much was skipped in all. */
  readonly dueAfterMs: number;
  readonly run: () => void;
}

export class SkippingClock implements Clock {
  skippedMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return systemClock.now() + this.skippedMs;
  }

  /** Either of the two is enough, but they do not add up: what a test skips to the millisecond stays exact. */
  after(delayMs: number, callback: () => void): () => void {
    const cancel = () => {
      stop();
      this.#timers.delete(timer);
    };
    const run = () => {
      cancel();
      callback();
    };
    const timer: Timer = { dueAfterMs: this.skippedMs + delayMs, run };
    const stop = systemClock.after(delayMs, run);
    this.#timers.add(timer);
    return cancel;
  }

  advance(ms: number): void {
    this.skippedMs += ms;
    const due = [...this.#timers].filter(({ dueAfterMs }) => dueAfterMs <= this.skippedMs);
    for (const timer of due.sort((a, b) => a.dueAfterMs - b.dueAfterMs)) if (this.#timers.has(timer)) timer.run();
  }
}
