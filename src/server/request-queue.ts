// Lets the requests of one socket run at their allowed rate: what comes faster waits its turn, in order. Knows nothing of what a request is.
import type { Clock } from '../core/index.ts';
import type { Limits } from './limits.ts';
import { TokenBucket } from './rate-limit.ts';

export interface RequestTask {
  /** Must not reject. */
  run(): Promise<void> | void;
  /** Waiting tasks of one key melt into the first of them. */
  readonly key?: string | undefined;
  /** Takes over what `later` wants. Returns whether that made this task any larger. */
  absorb?(later: RequestTask): boolean;
}
export interface RequestQueueOptions {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'requestsPerSecond' | 'requestBurst' | 'maxDelayedRequests'>;
  /** Whether answers can be sent now; call `resume` when that becomes true. */
  readonly hasRoom: () => boolean;
  /** At most once a second: how long the newest request will wait. */
  readonly onThrottled: (delayMs: number) => void;
  /** More requests wait than maxDelayedRequests. */
  readonly onFlood: () => void;
}

const THROTTLED_EVERY_MS = 1_000;

export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #bucket: TokenBucket;
  readonly #byKey = new Map<string, RequestTask>();
  #waiting: RequestTask[] = [];
  /** Requests that others have absorbed and that still want an answer. */
  #absorbed = new Map<RequestTask, number>();
  #absorbedTotal = 0;
  #running = 0;
  #cancelTimer: (() => void) | undefined;
  #throttledAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
    const { requestsPerSecond, requestBurst } = options.limits;
    this.#bucket = new TokenBucket(requestsPerSecond, requestBurst, options.clock.now());
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length + this.#absorbedTotal;
  }

  /** The waiting task of that key. */
  find(key: string): RequestTask | undefined {
    return this.#byKey.get(key);
  }

  submit(task: RequestTask): void {
    if (this.#closed) return;
    const earlier = task.key === undefined ? undefined : this.#byKey.get(task.key);
    if (earlier?.absorb !== undefined) {
      if (earlier.absorb(task)) {
        this.#absorbed.set(earlier, (this.#absorbed.get(earlier) ?? 0) + 1);
        this.#absorbedTotal++;
      }
    } else {
      this.#waiting.push(task);
      if (task.key !== undefined) this.#byKey.set(task.key, task);
    }
    this.resume();
    if (this.waiting > this.#options.limits.maxDelayedRequests) this.#options.onFlood();
  }

  /** Runs what may run now. */
  resume(): void {
    const { clock, limits, hasRoom } = this.#options;
    while (!this.#closed && this.#waiting.length > 0 && this.#cancelTimer === undefined) {
      // A client that does not read its answers, or a log that does not give any, must not pile up work here.
      if (!hasRoom() || this.#running >= limits.requestBurst) return;
      const delayMs = this.#bucket.take(clock.now());
      if (delayMs > 0) {
        this.#cancelTimer = clock.after(delayMs, () => {
          this.#cancelTimer = undefined;
          this.resume();
        });
        this.#sayThrottled();
        return;
      }
      this.#runNext();
    }
    if (this.#cancelTimer !== undefined && this.#waiting.length > 0) this.#sayThrottled();
  }

  /** Drops what waits. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#waiting = [];
    this.#byKey.clear();
    this.#absorbed.clear();
    this.#absorbedTotal = 0;
  }

  #runNext(): void {
    const task = this.#waiting.shift();
    if (task === undefined) return;
    if (task.key !== undefined) this.#byKey.delete(task.key);
    this.#absorbedTotal -= this.#absorbed.get(task) ?? 0;
    this.#absorbed.delete(task);
    const done = task.run();
    if (done === undefined) return;
    this.#running++;
    void done.then(() => {
      this.#running--;
      this.resume();
    });
  }

  #sayThrottled(): void {
    const now = this.#options.clock.now();
    if (now - this.#throttledAt < THROTTLED_EVERY_MS) return;
    this.#throttledAt = now;
    this.#options.onThrottled(Math.ceil((this.#waiting.length * 1000) / this.#options.limits.requestsPerSecond));
  }
}
