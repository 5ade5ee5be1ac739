// The producer the application sees: takes records, bounds what is buffered, and tells each its outcome. Leaves batches to PartitionSender and partitions to ProducerTopics.
import { type Observable, Subscription } from 'rxjs';
import { LogError } from '../protocol/index.ts';
import { earliestOf } from './accumulator.ts';
import { ByteArena } from './byte-arena.ts';
import { parseConfig } from './config.ts';
import {
  MAX_BATCH_BYTES,
  type ParsedProducerConfig,
  type ProducerConfig,
  type ProducerRecord,
  producerConfigSchema,
  type RecordMetadata,
} from './producer-config.ts';
import { type PartitionPort, PartitionSender, type ProducerIdentity } from './producer-partition.ts';
import { BATCH_OVERHEAD, type CheckedRecord, type Entry, readRecord } from './producer-record.ts';
import { ProducerTopics } from './producer-topics.ts';
import type { ConnectionStatus, Session, WithSession } from './session.ts';
import { sessionFor } from './session-for.ts';
import { checkWaitOptions, type WaitOptions, waitFor } from './wait-options.ts';

/** The records sent between two flushes. */
class Generation {
  #pending = 0;
  #listeners: (() => void)[] = [];

  get isSettled(): boolean {
    return this.#pending === 0;
  }
  begin(): void {
    this.#pending++;
  }
  settle(): void {
    if (--this.#pending === 0) for (const listener of this.#listeners.splice(0)) listener();
  }
  /** Resolves once every record of it has its outcome. */
  whenSettled(): Promise<void> {
    return this.isSettled ? Promise.resolve() : new Promise((resolve) => this.#listeners.push(resolve));
  }
}

/** One send(): its record, its promise, and what it holds until it has its outcome. A class, since there may be hundreds of thousands a second. */
class PendingSend implements Entry {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly record: Entry['record'];
  readonly size: number;
  readonly deadline: number;
  readonly generation: Generation;
  readonly #onSettled: (send: PendingSend) => void;
  readonly #resolve: (metadata: RecordMetadata) => void;
  readonly #reject: (error: LogError) => void;
  #settled = false;
  stopListening: (() => void) | undefined;

  constructor(
    checked: CheckedRecord,
    deadline: number,
    generation: Generation,
    onSettled: (send: PendingSend) => void,
    resolve: (metadata: RecordMetadata) => void,
    reject: (error: LogError) => void,
  ) {
    this.topic = checked.topic;
    this.partition = checked.partition;
    this.record = checked.record;
    this.size = checked.size;
    this.deadline = deadline;
    this.generation = generation;
    this.#onSettled = onSettled;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(metadata: RecordMetadata): void {
    if (this.#settle()) this.#resolve(metadata);
  }
  reject(error: LogError): void {
    if (this.#settle()) this.#reject(error);
  }
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.stopListening?.();
    this.#onSettled(this);
    return true;
  }
}

/** Looking for what is past its deadline goes through everything that is buffered: not more often than this. */
const MIN_EXPIRY_MS = 10;

/** Sends records in order and exactly once per partition: a retry after a reconnect never writes twice. Dials at the first send. */
export class Producer implements AsyncDisposable {
  readonly #config: ParsedProducerConfig;
  readonly #session: Session;
  readonly #release: () => Promise<void>;
  readonly #topics: ProducerTopics;
  readonly #subscription = new Subscription();
  readonly #arena = new ByteArena();
  readonly #port: PartitionPort;
  #buffered = 0;
  /** Taken by send() and waiting for space, in order. */
  readonly #waiting = new Set<PendingSend>();
  #admitting = false;
  /** The last one is open. */
  #generations: Generation[] = [new Generation()];
  #flushes = 0;
  #sharedIdentity: Promise<ProducerIdentity> | undefined;
  #expiry: { readonly at: number; readonly stop: () => void } | undefined;
  #ended: LogError | undefined;
  #closing: Promise<void> | undefined;

  /** Throws INVALID_CONFIG naming every wrong and unknown key. */
  constructor(config?: ProducerConfig) {
    this.#config = parseConfig('Producer', producerConfigSchema, config);
    const { session, release } = sessionFor({ ...config } satisfies ProducerConfig & WithSession);
    this.#session = session;
    this.#release = release;
    this.#port = {
      clock: session.clock,
      random: session.random,
      isLive: () => session.status.type === 'live',
      isFlushing: () => this.#flushes > 0,
      identity: (fresh) => this.#identity(fresh),
      produce: (topicId, partition, batch, timeoutMs) => session.produce(topicId, partition, batch, { timeoutMs }),
      refreshTopicId: (topic, partition) => this.#topics.refreshId(topic, partition),
    };
    const makeSender = (topic: string, partition: number, topicId: string) =>
      new PartitionSender(topic, partition, topicId, this.#port, this.#config);
    this.#topics = new ProducerTopics(session, makeSender);
    const onStatus = (status: ConnectionStatus) => {
      if (status.type === 'live') for (const sender of this.#topics.senders()) sender.onLive();
      if (status.type === 'closed') this.#end(status.error ?? closed());
    };
    this.#subscription.add(session.status$.subscribe(onStatus));
  }

  /** Of its connection: replays the latest; completes on close. */
  get status$(): Observable<ConnectionStatus> {
    return this.#session.status$;
  }

  /**
   * Resolves once the record is durable. Waits for space while maxBufferedBytes are on their way, in the order of the calls: await it, or
   * hold back yourself. Key, value and headers are copied at the call.
   *
   * Rejects with INVALID_REQUEST or INVALID_TOPIC_EXCEPTION (nothing was sent), RECORD_TOO_LARGE, TIMED_OUT after deliveryTimeoutMs (or
   * `timeoutMs`; the message says whether it may have been written), ABORTED (a record already on its way may still be written), CLOSED.
   */
  send(record: ProducerRecord, options?: WaitOptions): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      checkWaitOptions('send', options);
      if (this.#closing !== undefined) throw closed();
      if (this.#ended !== undefined) throw this.#ended;
      const now = this.#session.clock.now();
      const checked = readRecord(record, this.#arena, now);
      const { maxBufferedBytes, deliveryTimeoutMs } = this.#config;
      const allowed = Math.min(MAX_BATCH_BYTES - BATCH_OVERHEAD, maxBufferedBytes);
      if (checked.size > allowed) {
        const bound = allowed === maxBufferedBytes ? 'maxBufferedBytes' : 'the largest frame';
        const message = `send: the record takes up to ${checked.size} bytes, ${bound} allows ${allowed}`;
        throw new LogError('RECORD_TOO_LARGE', message, { topic: checked.topic });
      }
      this.#take(checked, now + (options?.timeoutMs ?? deliveryTimeoutMs), options?.signal, resolve, reject);
    });
  }

  /** Sends what is waiting without lingering. Resolves once every record sent before the call has its outcome, good or bad. */
  async flush(options?: WaitOptions): Promise<void> {
    checkWaitOptions('flush', options);
    const generations = this.#generations.filter((generation) => !generation.isSettled);
    if (generations.length === 0) return;
    this.#generations = [...generations, new Generation()];
    const settled = Promise.all(generations.map((generation) => generation.whenSettled()));
    this.#flushes++;
    try {
      for (const sender of this.#topics.senders()) sender.onFlush();
      await waitFor('flush', settled, this.#session.clock, options);
    } finally {
      this.#flushes--;
    }
  }

  /** Flushes, then lets go of the connection. With `timeoutMs` or `signal`, what is not acknowledged by then fails with CLOSED. Idempotent. */
  close(options?: WaitOptions): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(options: WaitOptions | undefined): Promise<void> {
    try {
      await this.flush(options);
    } finally {
      this.#end(closed());
      await this.#release();
    }
  }

  #take(
    checked: CheckedRecord,
    deadline: number,
    signal: AbortSignal | undefined,
    resolve: (metadata: RecordMetadata) => void,
    reject: (error: LogError) => void,
  ): void {
    const generation = this.#generations.at(-1) ?? new Generation();
    generation.begin();
    const entry = new PendingSend(checked, deadline, generation, this.#onSettled, resolve, reject);
    if (signal !== undefined) this.#rejectOnAbort(entry, signal);
    this.#session.connect();
    this.#expireAt(deadline);
    if (this.#waiting.size > 0 || !this.#hasSpace(entry)) this.#waiting.add(entry);
    else this.#admit(entry);
  }

  readonly #onSettled = (entry: PendingSend): void => {
    entry.generation.settle();
    if (this.#waiting.size === 0 || !this.#waiting.delete(entry)) this.#free(entry.size);
  };
  #rejectOnAbort(entry: PendingSend, signal: AbortSignal): void {
    const onAbort = () => {
      this.#topics.withdraw(entry);
      entry.reject(new LogError('ABORTED', 'send: aborted', { topic: entry.topic, cause: signal.reason }));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    entry.stopListening = () => signal.removeEventListener('abort', onAbort);
  }

  #hasSpace(entry: Entry): boolean {
    return this.#buffered + entry.size <= this.#config.maxBufferedBytes;
  }
  #admit(entry: Entry): void {
    this.#buffered += entry.size;
    this.#topics.route(entry);
  }
  #free(bytes: number): void {
    this.#buffered -= bytes;
    // An entry that fails as soon as it is admitted frees its space again: the loop that admitted it goes on.
    if (this.#admitting || this.#waiting.size === 0) return;
    this.#admitting = true;
    for (const entry of this.#waiting) {
      if (!this.#hasSpace(entry)) break;
      this.#waiting.delete(entry);
      this.#admit(entry);
    }
    this.#admitting = false;
  }

  /** One timer for all deadlines: set for the earliest, and again for the next when it fires. */
  #expireAt(deadline: number): void {
    if (this.#expiry !== undefined && this.#expiry.at <= deadline) return;
    this.#expiry?.stop();
    const { clock } = this.#session;
    const stop = clock.after(Math.max(MIN_EXPIRY_MS, deadline - clock.now()), () => this.#expire());
    this.#expiry = { at: deadline, stop };
  }
  #expire(): void {
    this.#expiry = undefined;
    const now = this.#session.clock.now();
    for (const entry of this.#waiting) {
      if (entry.deadline > now) continue;
      entry.reject(
        new LogError('TIMED_OUT', 'send: no space became free in time (maxBufferedBytes)', { topic: entry.topic }),
      );
    }
    this.#topics.expire(now);
    const next = earliestOf(this.#waiting, this.#topics.deadline);
    if (next < Number.POSITIVE_INFINITY) this.#expireAt(next);
  }

  /** One id serves all partitions, until one of them needs a fresh one for itself. */
  #identity(fresh: boolean): Promise<ProducerIdentity> {
    if (fresh) return this.#session.request<'initProducer'>({ type: 'initProducer' });
    if (this.#sharedIdentity === undefined) {
      const shared = this.#session.request<'initProducer'>({ type: 'initProducer' });
      this.#sharedIdentity = shared;
      shared.catch(() => {
        // The next one to need it asks again.
        this.#sharedIdentity = undefined;
      });
    }
    return this.#sharedIdentity;
  }

  /** For good: nothing is sent any more. */
  #end(error: LogError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#expiry?.stop();
    this.#subscription.unsubscribe();
    for (const entry of this.#waiting) entry.reject(error);
    this.#topics.fail(error);
  }
}

const closed = () => new LogError('CLOSED', 'the producer is closed');
