// A clock that a test moves by hand. Knows nothing of what waits on it.
import { nextTask } from '../core/consumer-task.ts';
import type { Clock } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Turns of the runtime's task queue. One lets every promise run; the others are for code that gives way to other tasks. */
const SETTLED_AFTER_TASKS = 4;
const DEFAULT_AT_MOST_MS = 60_000;

/**
 * Time stands still until the test moves it: give the clock to a test gateway and to its clients, and nothing that waits does so for long.
 * Timers that fall due at the same moment run in the order they were set.
 *
 * ```ts
 * const clock = new ManualClock();
 * await using gateway = await createTestGateway({ clock, topics: [{ name: 'orders' }] });
 * await using consumer = new Consumer({ ...gateway.config, groupId: 'billing' });
 * await consumer.subscribe('orders'); // needs no time
 * const polled = consumer.poll({ timeoutMs: 1_000 });
 * await clock.tick(1_000);
 * expect(await polled).toEqual([]);
 * ```
 */
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
   * Lets everything happen that needs no time: promises, microtasks, what is on its way in memory. Compressed batches are the exception,
   * since the runtime inflates them in its own time: await the poll that returns their records.
   *
   * ```ts
   * const joined = consumer.subscribe('orders');
   * await clock.settle();
   * expect(consumer.assignment()).toEqual([{ topic: 'orders', partition: 0 }]);
   * ```
   */
  async settle(): Promise<void> {
    for (let i = 0; i < SETTLED_AFTER_TASKS; i++) await nextTask();
  }

  /**
   * Moves time forward by `ms`, from timer to timer, and lets everything settle before, in between and after: what a minute
   * of heartbeats, retries and auto-commits does has happened when it resolves.
   *
   * ```ts
   * await clock.tick(5_000); // autoCommitIntervalMs
   * expect(await consumer.committed(partition)).toEqual({ offset: 3, metadata: '' });
   * ```
   */
  async tick(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let due = this.#nextDue(); due !== undefined && due <= end; due = this.#nextDue()) {
      this.advance(Math.max(0, due - this.#now));
      await this.settle();
    }
    this.advance(end - this.#now);
  }

  /**
   * Moves time forward, from timer to timer, until `condition` holds; not at all where it holds already. Rejects with TIMED_OUT
   * where it does not within `atMostMs` (60,000) of the clock's time, or no timer is left.
   *
   * ```ts
   * await clock.until(() => consumer.assignment().length === 2);
   * ```
   */
  async until(condition: () => boolean, atMostMs: number = DEFAULT_AT_MOST_MS): Promise<void> {
    const end = this.#now + atMostMs;
    for (await this.settle(); !condition(); await this.settle()) {
      const due = this.#nextDue();
      if (due === undefined) {
        throw new LogError('TIMED_OUT', 'what is waited for does not happen: no timer is left on the clock');
      }
      if (due > end) {
        throw new LogError('TIMED_OUT', `what is waited for does not happen within ${atMostMs} ms of the clock's time`);
      }
      this.advance(Math.max(0, due - this.#now));
    }
  }

  /**
   * What `work` resolves to (or rejects with), however much of the clock's time that takes: moves it as {@link ManualClock.until}, and no further.
   *
   * ```ts
   * gateway.dropConnections();
   * await clock.run(consumer.commit()); // dials again, waits, tries again
   * ```
   */
  async run<T>(work: Promise<T>, atMostMs: number = DEFAULT_AT_MOST_MS): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    work.then(done, done);
    await this.until(() => settled, atMostMs);
    return work;
  }

  #nextDue(): number | undefined {
    let earliest: number | undefined;
    for (const { due } of this.#timers) if (earliest === undefined || due < earliest) earliest = due;
    return earliest;
  }

  /**
   * Moves time forward at once, running what falls due on the way in order of time, also timers set by those callbacks.
   * Each callback sees the time it was due at. Promises they settle run afterwards: see {@link ManualClock.tick}.
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
