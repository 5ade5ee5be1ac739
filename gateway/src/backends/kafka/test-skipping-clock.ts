// Real time that a test can move forward: what waits for a moment that is skipped goes on at once; brokers know nothing of it.
import { type Clock, systemClock } from 'distributedlog/core';

interface Timer {
  readonly dueAt: number;
  readonly run: () => void;
}

export class SkippingClock implements Clock {
  #skippedMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return systemClock.now() + this.#skippedMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const cancel = () => {
      stop();
      this.#timers.delete(timer);
    };
    const run = () => {
      cancel();
      callback();
    };
    const timer: Timer = { dueAt: this.now() + delayMs, run };
    const stop = systemClock.after(delayMs, run);
    this.#timers.add(timer);
    return cancel;
  }

  advance(ms: number): void {
    this.#skippedMs += ms;
    const due = [...this.#timers].filter(({ dueAt }) => dueAt <= this.now()).sort((a, b) => a.dueAt - b.dueAt);
    for (const timer of due) if (this.#timers.has(timer)) timer.run();
  }
}
