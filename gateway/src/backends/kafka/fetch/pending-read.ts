// One read until it is answered: its promise, its time, its abort, and how it is to be asked for. Knows nothing of brokers.
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import type { ReadRequest, ReadResult } from 'distributedlog/server';
import { keyOf } from './fetch-session.ts';

/** 'wait': until there is something. 'now': there should be something. 'alone': the first batch may be too large for an answer that others share. */
export type HowToAsk = 'wait' | 'now' | 'alone';

export interface PendingReadOptions {
  readonly clock: Clock;
  /** What it resolves with when its time is over, or it was aborted. */
  readonly nothing: () => ReadResult;
  /** A read that does not wait is still not answered after so long: REQUEST_TIMED_OUT. */
  readonly timeoutMs: number;
}

export class PendingRead {
  readonly request: ReadRequest;
  readonly key: string;
  readonly startedAt: number;
  readonly result: Promise<ReadResult>;
  how: HowToAsk;
  /** Of the partition, as of the last look at who leads it. */
  leaderEpoch = -1;
  /** What kept it from being answered; the read goes on as long as its time allows. */
  failure: LogError | undefined;
  failures = 0;
  /** In a request that is under way. */
  underWay = false;
  over = false;
  readonly #clock: Clock;
  readonly #nothing: () => ReadResult;
  readonly #cancelTimer: () => void;
  #settle: { resolve(result: ReadResult): void; reject(error: unknown): void } | undefined;
  readonly #onAbort = () => this.resolve(this.#nothing());

  constructor(request: ReadRequest, { clock, nothing, timeoutMs }: PendingReadOptions) {
    this.request = request;
    this.key = keyOf(request);
    this.startedAt = clock.now();
    this.#clock = clock;
    this.#nothing = nothing;
    this.how = this.waits ? 'wait' : 'now';
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#cancelTimer = this.waits
      ? clock.after(request.maxWaitMs, () => this.#expire())
      : clock.after(timeoutMs, () => {
          const late = `Nothing was answered within ${timeoutMs} ms.`;
          this.reject(this.failure ?? new LogError('REQUEST_TIMED_OUT', late));
        });
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (request.signal?.aborted === true) this.#onAbort();
  }

  get waits(): boolean {
    return this.request.maxWaitMs > 0 && this.request.minBytes > 0;
  }
  /** Answered with the first bytes there are. */
  get patient(): boolean {
    return this.waits && this.request.minBytes > 1;
  }
  get remainingMs(): number {
    return Math.max(0, this.startedAt + this.request.maxWaitMs - this.#clock.now());
  }

  resolve(result: ReadResult): void {
    this.#end()?.resolve(result);
  }
  reject(error: LogError): void {
    this.#end()?.reject(error);
  }
  /** With nothing. */
  giveUp(): void {
    if (this.failure !== undefined) this.reject(this.failure);
    else this.resolve(this.#nothing());
  }

  #expire(): void {
    // The request that it is in ends now as well, and brings less than was asked for, if anything.
    if (!this.patient || !this.underWay) this.giveUp();
  }

  #end() {
    const settle = this.#settle;
    this.#settle = undefined;
    this.over = true;
    this.#cancelTimer();
    this.request.signal?.removeEventListener('abort', this.#onAbort);
    return settle;
  }
}
