// The one demand that poll, iterator, streams and forEach share: who reads, the slice at hand, waiting for more. Knows nothing of their shapes.
import { type ConsumerRecord, LogError } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import { MAX_DELAY_MS } from './config.ts';
import type { Fetcher } from './consumer-fetcher.ts';
import type { HandGate } from './consumer-gate.ts';
import type { Hand } from './consumer-hand.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { nextTask } from './consumer-task.ts';
import { aborted } from './session-requests.ts';

export type ReaderKind = 'poll' | 'iterator' | 'stream' | 'forEach';
/** After so much work in one go, other tasks of the runtime get a turn. */
const TURN_MS = 8;

export interface ReaderHost<K, V> {
  readonly fetcher: Fetcher<K, V>;
  readonly gate: HandGate<K, V>;
  readonly clock: Clock;
  readonly maxPollRecords: number;
  /** Throws what keeps a read from beginning: no subscription, and all that ends one. */
  check(): void;
  /** Throws what ends every read: closed, a terminal error, a listener's error. */
  checkAlive(): void;
  /** What was taken may be another member's by now. */
  lapsed(): boolean;
  readonly closed: boolean;
  /** After positions moved. */
  moved(): void;
}

export class Reader<K, V> {
  recordsConsumed = 0;
  readonly host: ReaderHost<K, V>;
  #kind: ReaderKind | undefined;
  #latest: ReaderKind | undefined;
  /** Acknowledged one by one: what is handed out is processed only when acknowledged. */
  #manual = false;
  #hand: Hand<K, V> | undefined;
  /** The partition whose record the application works on, where records go out one by one. */
  #current: ConsumerPartition<K, V> | undefined;
  #waiter: (() => void) | undefined;
  /** Since when the application has been at work; undefined: idle. */
  #busySince: number | undefined;
  #turnBegan = 0;

  constructor(host: ReaderHost<K, V>) {
    this.host = host;
  }

  /** The latest reader is poll: a call between two polls means that what was handed out is processed. */
  get polled(): boolean {
    return this.#latest === 'poll';
  }
  get manual(): boolean {
    return this.#manual;
  }

  /** One reader at a time: throws ILLEGAL_STATE naming the other. */
  lock(kind: ReaderKind, manual = false): void {
    if (this.#kind !== undefined) {
      throw new LogError(
        'ILLEGAL_STATE',
        this.#kind === 'poll' && kind === 'poll'
          ? 'a poll is under way already; await it first'
          : `the consumer is being read by ${nameOf(this.#kind)}; one reader at a time`,
      );
    }
    this.#kind = kind;
    this.#latest = kind;
    this.#manual = manual;
    this.#turnBegan = this.host.clock.now();
  }
  /** The reader leaves; what it did not take is there for the next one. `finished`: what it was handed is processed. */
  unlock(finished: boolean): void {
    this.giveBack();
    if (this.#manual) this.#rewind();
    else if (finished) this.settle();
    this.#current = undefined;
    this.#busySince = undefined;
    this.#kind = undefined;
    this.#manual = false;
    this.#waiter?.();
    this.host.gate.check();
  }
  /** Back to the first record of each partition that was not acknowledged. */
  #rewind(): void {
    const { fetcher } = this.host;
    for (const partition of fetcher.partitions.values()) {
      const { first } = partition.acks;
      if (first !== undefined) fetcher.seek(partition, first.offset);
    }
  }

  // ── what is in hand ──────────────────────────────────────────────────────────────────────────────────────────────
  /** Everything handed out so far is processed. */
  settle(): void {
    for (const { at } of this.host.fetcher.partitions.values()) at.processed = at.position;
    this.#current = undefined;
    this.#busySince = undefined;
    this.host.gate.check();
  }
  /** Between two records: whatever was decoded ahead goes back, so that a seek, pause or revocation counts at once. */
  giveBack(): void {
    this.#hand?.giveBack();
    this.#hand = undefined;
  }
  unacked(): number {
    let sum = 0;
    for (const { acks } of this.host.fetcher.partitions.values()) sum += acks.unacked;
    return sum;
  }
  /** ms the application has been at its present work, undefined when idle. */
  busyMs(): number | undefined {
    const now = this.host.clock.now();
    if (this.#manual) {
      let oldest: number | undefined;
      for (const { acks } of this.host.fetcher.partitions.values()) {
        const at = acks.first?.at;
        if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
      }
      return oldest === undefined ? undefined : now - oldest;
    }
    return this.#busySince === undefined ? undefined : now - this.#busySince;
  }
  /** The application works from now on until the next `settle`. */
  busy(): void {
    this.#busySince = this.host.clock.now();
  }

  // ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────
  /** All records that can be had at once, at most `max`; throws as Fetcher.take. */
  takeAll(max: number): ConsumerRecord<K, V>[] {
    this.giveBack();
    const hand = this.host.fetcher.take(max);
    if (hand.done) return [];
    const records = hand.all();
    if (this.#manual) this.#await(records);
    this.recordsConsumed += records.length;
    this.host.fetcher.grantCredit();
    this.host.moved();
    return records;
  }
  #await(records: readonly ConsumerRecord<K, V>[]): void {
    const now = this.host.clock.now();
    for (const { topic, partition, offset } of records) {
      const of = this.host.fetcher.get(topic, partition);
      if (of === undefined) continue;
      of.acks.handOut(offset, now);
      of.at.processed = of.at.position;
    }
  }
  /** Cuts a slice for `next`; false: there is nothing at present. */
  fill(max: number): boolean {
    const { fetcher } = this.host;
    this.giveBack();
    fetcher.grantCredit();
    const hand = fetcher.take(max);
    this.host.moved();
    if (hand.done) return false;
    this.#hand = hand;
    return true;
  }
  /** Where the application takes its time for each record, a slice may outlive what allowed it. */
  recheck(): void {
    if (this.#hand !== undefined && this.host.lapsed()) this.giveBack();
  }
  /** The next record of the slice. */
  next(): ConsumerRecord<K, V> | undefined {
    const hand = this.#hand;
    if (hand === undefined) return undefined;
    const from = hand.partition;
    const record = hand.next();
    if (record === undefined || from === undefined) {
      this.#hand = undefined;
      return undefined;
    }
    this.recordsConsumed++;
    if (this.#manual) {
      from.acks.handOut(record.offset, this.host.clock.now());
      from.at.processed = from.at.position;
    } else {
      this.#current = from;
    }
    return record;
  }
  /** The record `next` handed out last is processed. */
  processed(): void {
    const current = this.#current;
    if (current === undefined) return;
    current.at.processed = current.at.position;
    this.#current = undefined;
    this.host.gate.check();
  }

  // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────
  wake(): void {
    this.#waiter?.();
  }
  /** Until there may be something to take, or `deadline` (ms on the clock), or the signal. */
  wait(deadline = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<void> {
    const { clock } = this.host;
    return new Promise((resolve) => {
      const cancel =
        deadline === Number.POSITIVE_INFINITY
          ? undefined
          : clock.after(Math.min(MAX_DELAY_MS, Math.max(0, deadline - clock.now())), () => done());
      const done = (): void => {
        cancel?.();
        signal?.removeEventListener('abort', done);
        if (this.#waiter === done) this.#waiter = undefined;
        this.#turnBegan = clock.now();
        resolve();
      };
      this.#waiter = done;
      signal?.addEventListener('abort', done, { once: true });
      // A seek may have taken what was in hand.
      this.host.gate.check();
    });
  }
  /** Has been at it for a while. */
  get late(): boolean {
    return this.host.clock.now() - this.#turnBegan >= TURN_MS;
  }
  /** Lets other tasks run when this one is late: data, timers, rendering. */
  breathe(): Promise<void> | undefined {
    if (!this.late) return undefined;
    return nextTask().then(() => {
      this.#turnBegan = this.host.clock.now();
    });
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

function nameOf(kind: ReaderKind): string {
  return kind === 'iterator' ? 'an async iterator' : kind === 'stream' ? 'a stream' : `${kind}()`;
}
