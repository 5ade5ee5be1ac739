// The shapes records are read in: poll, async iterator, observables, forEach, all over one Reader. Knows nothing of where records come from.
import { Observable, type Subscriber } from 'rxjs';
import type { ConsumerRecord } from '../protocol/index.ts';
import { checkOptions, must } from './checks.ts';
import { isFunction } from './config.ts';
import { checkCount } from './consumer-arguments.ts';
import { type Reader, throwIfAborted } from './consumer-reader.ts';
import { nextTask } from './consumer-task.ts';
import { checkSignal } from './wait-options.ts';

export interface PollOptions {
  /** How long to wait for the first record, ms. Default 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Default: maxPollRecords. */
  readonly maxRecords?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
export interface StreamOptions {
  /** A record is processed when it is acknowledged (ack(), acknowledge()), not when `next` returns. Default false. */
  readonly manualAck?: boolean | undefined;
  /** With manualAck: records handed out and not acknowledged. Default 500. */
  readonly maxInFlight?: number | undefined;
}
export interface ForEachOptions {
  /** Records worked on at once; 1 keeps the order of each partition. Default 1. */
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
const DEFAULT_POLL_TIMEOUT_MS = 1_000;
const DEFAULT_MAX_IN_FLIGHT = 500;

export async function poll<K, V>(reader: Reader<K, V>, options: PollOptions = {}): Promise<ConsumerRecord<K, V>[]> {
  checkOptions('poll', options, ['timeoutMs', 'maxRecords', 'signal']);
  const { clock, maxPollRecords } = reader.host;
  const { timeoutMs = DEFAULT_POLL_TIMEOUT_MS, signal } = options;
  must(typeof timeoutMs === 'number' && timeoutMs >= 0, 'poll', 'timeoutMs', 'a number of at least 0 (ms)', timeoutMs);
  const max = options.maxRecords ?? maxPollRecords;
  checkCount('poll', 'maxRecords', max, 1);
  checkSignal('poll', signal);
  throwIfAborted(signal);
  reader.lock('poll');
  // Whatever this call comes to, what the one before returned is processed.
  reader.settle();
  try {
    reader.host.check();
  } catch (error) {
    reader.unlock(false);
    throw error;
  }
  try {
    const deadline = clock.now() + timeoutMs;
    await reader.breathe();
    for (let last = false; ; last = clock.now() >= deadline) {
      throwIfAborted(signal);
      reader.host.checkAlive();
      const records = reader.takeAll(max);
      if (records.length > 0 || last) return records;
      // A poll that does not wait lets data in all the same, or a loop of them would never see any.
      await (timeoutMs === 0 ? nextTask() : reader.wait(deadline, signal));
    }
  } finally {
    reader.unlock(false);
    reader.busy();
  }
}

/** A record counts as processed when the next one is asked for. */
export class RecordIterator<K, V> implements AsyncIterator<ConsumerRecord<K, V>, undefined> {
  readonly #reader: Reader<K, V>;
  readonly #group: boolean;
  #state: 'new' | 'reading' | 'done' = 'new';
  /** A `next` that waits; another one queues behind it. */
  #pending: Promise<unknown> | undefined;

  constructor(reader: Reader<K, V>, group: boolean) {
    this.#reader = reader;
    this.#group = group;
  }

  next(): Promise<IteratorResult<ConsumerRecord<K, V>, undefined>> {
    const reader = this.#reader;
    if (this.#pending === undefined && this.#state === 'reading') {
      reader.processed();
      reader.recheck();
      const value = reader.next();
      if (value !== undefined) {
        if (this.#group) reader.busy();
        return Promise.resolve({ done: false, value });
      }
    }
    const refill = () => this.#refill();
    const result = this.#pending?.then(refill, refill) ?? refill();
    const settled = (): void => {
      if (this.#pending === result) this.#pending = undefined;
    };
    this.#pending = result;
    result.then(settled, settled);
    return result;
  }
  async return(): Promise<IteratorResult<ConsumerRecord<K, V>, undefined>> {
    if (this.#state === 'reading') {
      this.#state = 'done';
      this.#reader.unlock(false);
    }
    this.#state = 'done';
    return { done: true, value: undefined };
  }
  async #refill(): Promise<IteratorResult<ConsumerRecord<K, V>, undefined>> {
    const reader = this.#reader;
    const { host } = reader;
    if (this.#state === 'done') return { done: true, value: undefined };
    try {
      if (this.#state === 'new') {
        host.check();
        reader.lock('iterator');
        reader.settle();
        this.#state = 'reading';
      }
      reader.settle();
      for (;;) {
        await reader.breathe();
        if (this.#isDone()) return { done: true, value: undefined };
        if (host.closed) break;
        host.checkAlive();
        if (reader.fill(host.maxPollRecords)) {
          const value = reader.next();
          if (value !== undefined) {
            if (this.#group) reader.busy();
            return { done: false, value };
          }
        } else {
          await reader.wait();
        }
      }
    } catch (error) {
      await this.return();
      throw error;
    }
    return this.return();
  }
  #isDone(): boolean {
    return this.#state === 'done';
  }
}

/** Cold: each subscription reads on from the positions; one at a time. */
export function observe<K, V, T>(
  reader: Reader<K, V>,
  call: string,
  options: StreamOptions,
  emit: (reader: Reader<K, V>, max: number, subscriber: Subscriber<T>) => boolean,
): Observable<T> {
  checkOptions(call, options, ['manualAck', 'maxInFlight']);
  const { manualAck = false, maxInFlight = DEFAULT_MAX_IN_FLIGHT } = options;
  must(typeof manualAck === 'boolean', call, 'manualAck', 'true or false', manualAck);
  checkCount(call, 'maxInFlight', maxInFlight, 1);
  return new Observable<T>((subscriber) => {
    try {
      reader.host.check();
      reader.lock('stream', manualAck);
      reader.settle();
    } catch (error) {
      if (reader.host.closed) subscriber.complete();
      else subscriber.error(error);
      return undefined;
    }
    let reading = true;
    const leave = (): void => {
      if (!reading) return;
      reading = false;
      reader.unlock(!manualAck);
    };
    const run = async (): Promise<void> => {
      // Not before subscribe() has returned, so that whoever subscribes can unsubscribe.
      await undefined;
      while (reading && !reader.host.closed) {
        reader.host.checkAlive();
        const room = manualAck ? maxInFlight - reader.unacked() : reader.host.maxPollRecords;
        const some = room > 0 && emit(reader, Math.min(room, reader.host.maxPollRecords), subscriber);
        if (!reading) return;
        await (some ? reader.breathe() : reader.wait());
      }
    };
    run().then(
      () => {
        leave();
        subscriber.complete();
      },
      (error: unknown) => {
        leave();
        subscriber.error(error);
      },
    );
    return leave;
  });
}
export function emitRecords<K, V>(
  reader: Reader<K, V>,
  max: number,
  subscriber: Subscriber<ConsumerRecord<K, V>>,
): boolean {
  if (!reader.fill(max)) return false;
  let count = 0;
  for (let record = reader.next(); record !== undefined; record = reader.next()) {
    subscriber.next(record);
    if (subscriber.closed) break;
    reader.processed();
    // Slow work: heartbeats and the rest have their turn, and what is left is taken anew. Looking at the clock for each would cost more.
    if (++count % 16 === 0 && reader.late) break;
  }
  return true;
}
export function emitBatch<K, V>(
  reader: Reader<K, V>,
  max: number,
  subscriber: Subscriber<readonly ConsumerRecord<K, V>[]>,
): boolean {
  const records = reader.takeAll(max);
  if (records.length === 0) return false;
  subscriber.next(records);
  if (!reader.manual && !subscriber.closed) reader.settle();
  return true;
}

/** At least once: a record whose work failed, and those after it, are read again by the next reader. */
export async function forEach<K, V>(
  reader: Reader<K, V>,
  work: (record: ConsumerRecord<K, V>) => void | Promise<void>,
  options: ForEachOptions,
  ack: (record: ConsumerRecord<K, V>) => void,
): Promise<void> {
  checkOptions('forEach', options, ['concurrency', 'signal']);
  const { concurrency = 1, signal } = options;
  must(isFunction(work), 'forEach', 'work', 'a function', work);
  checkCount('forEach', 'concurrency', concurrency, 1);
  checkSignal('forEach', signal);
  throwIfAborted(signal);
  reader.host.check();
  reader.lock('forEach', true);
  let failed: { readonly error: unknown } | undefined;
  let atWork = 0;
  const begin = async (record: ConsumerRecord<K, V>): Promise<void> => {
    atWork++;
    try {
      await work(record);
      ack(record);
    } catch (error) {
      failed ??= { error };
    }
    atWork--;
    reader.wake();
  };
  try {
    reader.settle();
    while (failed === undefined && !reader.host.closed && !signal?.aborted) {
      reader.host.checkAlive();
      reader.recheck();
      const record =
        atWork < concurrency
          ? (reader.next() ?? (reader.fill(reader.host.maxPollRecords) ? reader.next() : undefined))
          : undefined;
      if (record === undefined) await reader.wait(undefined, signal);
      else if (concurrency === 1) await begin(record);
      else void begin(record);
      await reader.breathe();
    }
  } catch (error) {
    failed ??= { error };
  }
  while (atWork > 0) await reader.wait();
  reader.unlock(false);
  if (failed !== undefined) throw failed.error;
  throwIfAborted(signal);
}
