// One read until it is answered: its promise, its time, its abort, and how it is to be asked for. Knows nothing of brokers.
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import type { ReadRequest, ReadResult } from 'distributedlog/server';
import { keyOf } from './fetch-session.ts';

/** 'wait': until there is something. 'now': there should be something. 'alone': the first batch may be too large for an answer that others share. */
export type HowToAsk = 'wait' | 'now' | 'alone';

export interface PendingReadOptions {
  readonly clock: Clock;
  /** What it resolves with where nothing came. */
  readonly nothing: () => ReadResult;
  /** A read that does not wait, or no longer, is still not answered after so long: REQUEST_TIMED_OUT. */
  readonly timeoutMs: number;
  /** It waited for more bytes than one and does so no longer: it is to be asked for anew, for what there is. */
  readonly onHurry: (read: PendingRead) => void;
}

export class PendingRead {
  readonly request: ReadRequest;
  readonly key: string;
  readonly startedAt: number;
  readonly result: Promise<ReadResult>;
  /** Bytes that it waits for: never more than it takes. */
  readonly minBytes: number;
  how: HowToAsk;
  /** Until there is something; false: for what there is. */
  waits: boolean;
  /** The broker that is to answer it, and the partition's epoch there; −1: none now. */
  leader = -1;
  leaderEpoch = -1;
  /** What the reader has read is there, also under the leader there is now. */
  checked = false;
  /** What kept it from being answered; the read goes on as long as its time allows. */
  failure: LogError | undefined;
  failures = 0;
  over = false;
  readonly #options: PendingReadOptions;
  #cancelTimer: () => void;
  #settle: { resolve(result: ReadResult): void; reject(error: unknown): void } | undefined;
  readonly #enough = () => this.#stopWaiting();

  constructor(request: ReadRequest, options: PendingReadOptions) {
    const { maxWaitMs, maxBytes, signal } = request;
    this.request = request;
    this.key = keyOf(request);
    this.startedAt = options.clock.now();
    this.#options = options;
    this.minBytes = Math.min(request.minBytes, maxBytes);
    this.waits = maxWaitMs > 0 && this.minBytes > 0;
    this.how = this.waits ? 'wait' : 'now';
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#cancelTimer = this.waits ? options.clock.after(maxWaitMs, this.#enough) : this.#timeOut();
    if (signal?.aborted === true) this.giveUp();
    else signal?.addEventListener('abort', this.#enough, { once: true });
  }

  /** It waits for more than the first bytes there are. */
  get patient(): boolean {
    return this.waits && this.minBytes > 1;
  }
  get remainingMs(): number {
    return Math.max(0, this.startedAt + this.request.maxWaitMs - this.#options.clock.now());
  }

  resolve(result: ReadResult): void {
    this.#end()?.resolve(result);
  }
  reject(error: LogError): void {
    this.#end()?.reject(error);
  }
  /** A broker has answered it, if only with nothing so far. */
  recovered(): void {
    this.failure = undefined;
    this.failures = 0;
  }
  /** With nothing, or with what went wrong. */
  giveUp(): void {
    if (this.failure !== undefined) this.reject(this.failure);
    else this.resolve(this.#options.nothing());
  }

  #stopWaiting(): void {
    if (this.over) return;
    // What waits for the first byte has been told of none.
    if (!this.patient) return this.giveUp();
    this.waits = false;
    this.how = 'now';
    this.#cancelTimer();
    this.#cancelTimer = this.#timeOut();
    this.#options.onHurry(this);
  }

  #timeOut(): () => void {
    const { clock, timeoutMs } = this.#options;
    return clock.after(timeoutMs, () => {
      this.reject(this.failure ?? new LogError('REQUEST_TIMED_OUT', `Nothing was answered within ${timeoutMs} ms.`));
    });
  }

  #end() {
    const settle = this.#settle;
    this.#settle = undefined;
    this.over = true;
    this.#cancelTimer();
    this.request.signal?.removeEventListener('abort', this.#enough);
    return settle;
  }
}
