// Between the session and the buffers: opens fetches, grants credit, takes frames in. Knows nothing of groups, commits or who reads.
import { type DataFrame, LogError, type ServerFrameOf, type TopicPartition } from '../protocol/index.ts';
import { backoffMs } from './backoff.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import type { RecordDecoder } from './consumer-decoder.ts';
import { Delivery } from './consumer-delivery.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import type { Hand } from './consumer-hand.ts';
import { ConsumerPartition } from './consumer-partition.ts';
import { ConsumerCredit } from './credit.ts';
import { partitionKey } from './partitions.ts';
import type { Gap, StartAt } from './positions.ts';
import type { FetchChannel, Session } from './session.ts';
import { errorOf } from './session-requests.ts';

const REOPEN_BACKOFF = { baseMs: 100, maxMs: 5_000 };

export interface FetcherHost<K, V> {
  readonly session: Session;
  readonly config: ParsedConsumerConfig;
  readonly decoder: RecordDecoder<K, V>;
  emit(event: ConsumerEvent): void;
  /** There may be something to read, or an error to report. */
  wake(): void;
  /** Positions must be looked up. */
  resolve(): void;
  /** The topic's id is not (or no longer) known to the gateway. */
  topicGone(topic: string): void;
  /** What is here may be another member's by now: nothing is delivered. */
  lapsed(): boolean;
}

export class Fetcher<K, V> {
  readonly partitions = new Map<string, ConsumerPartition<K, V>>();
  readonly credit: ConsumerCredit;
  /** Nothing is delivered: the consumer closes, or its membership is in doubt. */
  suspended = false;
  bytesReceived = 0;
  gaps = 0;
  readonly #host: FetcherHost<K, V>;
  /** By the topic's id, as frames name them. */
  readonly #byId = new Map<string, ConsumerPartition<K, V>>();
  readonly #delivery: Delivery<K, V>;
  readonly #release = (partition: ConsumerPartition<K, V>, wire: number, held: number): void => {
    partition.window.release(wire);
    this.credit.release(held);
    if (wire > 0) this.#released.add(partition);
  };
  /** Got bytes back since credit was last granted. */
  readonly #released = new Set<ConsumerPartition<K, V>>();
  #channel: FetchChannel | undefined;
  #live = false;
  #order: ConsumerPartition<K, V>[] = [];
  #flushScheduled = false;
  /** Partitions the gateway is to be told to send no more of. */
  #closing: { topicId: string; partition: number }[] = [];
  /** The highest there was: what is on its way for a partition that went is not for the same one come again. */
  #epochOfRemoved = 0;

  constructor(host: FetcherHost<K, V>) {
    this.#host = host;
    this.credit = new ConsumerCredit(host.config.maxBufferedBytes, host.config.fetchMaxBytes);
    this.#delivery = new Delivery({
      decoder: host.decoder,
      decompressors: host.session.decompressors,
      release: this.#release,
      grew: (bytes) => {
        this.credit.held += bytes;
      },
      wake: () => host.wake(),
      reportGap: (partition, gap) => this.reportGap(partition, gap),
      refetch: (partition) => this.#refetch(partition),
    });
  }

  attach(channel: FetchChannel): void {
    this.#channel = channel;
  }
  get #maxWindow(): number {
    return Math.floor(this.credit.maxBytes / Math.max(1, this.partitions.size));
  }

  // ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────
  get(topic: string, partition: number): ConsumerPartition<K, V> | undefined {
    return this.partitions.get(partitionKey(topic, partition));
  }
  add(topic: string, partition: number, start: StartAt): ConsumerPartition<K, V> {
    const { isolationLevel } = this.#host.config;
    const added = new ConsumerPartition<K, V>(
      topic,
      partition,
      start,
      isolationLevel,
      this.#maxWindow,
      this.#epochOfRemoved,
    );
    this.partitions.set(partitionKey(topic, partition), added);
    this.#order = [...this.partitions.values()];
    return added;
  }
  remove(partition: ConsumerPartition<K, V>): void {
    const key = partitionKey(partition.topic, partition.partition);
    if (this.partitions.get(key) !== partition) return;
    this.partitions.delete(key);
    this.#order = [...this.partitions.values()];
    this.stop(partition);
    this.restart(partition, undefined);
    this.#epochOfRemoved = Math.max(this.#epochOfRemoved, partition.epoch);
    // Whatever the application still has of it is nobody's concern any more.
    partition.at.processed = partition.at.position;
    this.#forgetId(partition);
    this.#released.delete(partition);
  }
  setTopicId(partition: ConsumerPartition<K, V>, topicId: string): void {
    this.#forgetId(partition);
    partition.at.topicId = topicId;
    this.#byId.set(partitionKey(topicId, partition.partition), partition);
  }
  #forgetId(partition: ConsumerPartition<K, V>): void {
    const { topicId } = partition.at;
    if (topicId === undefined) return;
    const key = partitionKey(topicId, partition.partition);
    if (this.#byId.get(key) === partition) this.#byId.delete(key);
  }

  // ── positions ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** At once: all that is here and on its way for the old position is dropped. */
  seek(partition: ConsumerPartition<K, V>, to: number | StartAt): void {
    partition.at.seek(to);
    this.follow(partition);
  }
  /** Makes the buffer and the fetch follow a position that was just decided anew. */
  follow(partition: ConsumerPartition<K, V>): void {
    const { position } = partition.at;
    if (position === undefined) this.stop(partition);
    this.restart(partition, position);
    if (position === undefined) this.#host.resolve();
    else this.scheduleOpen();
    this.#host.wake();
  }
  /** The answer to a lookup. */
  found(partition: ConsumerPartition<K, V>, decision: number, offset: number): void {
    const gap = partition.at.found(decision, offset);
    if (gap === undefined) return;
    this.restart(partition, offset);
    if (gap !== null) this.reportGap(partition, gap);
    this.scheduleOpen();
  }
  recreated(partition: ConsumerPartition<K, V>, topicId: string | undefined): void {
    this.stop(partition);
    this.#forgetId(partition);
    partition.at.recreated(topicId, this.#host.config.autoOffsetReset);
    if (topicId !== undefined) this.setTopicId(partition, topicId);
    this.follow(partition);
  }
  reportGap(partition: TopicPartition, gap: Gap): void {
    this.gaps++;
    this.#host.emit({ type: 'gap', topic: partition.topic, partition: partition.partition, ...gap });
  }
  restart(partition: ConsumerPartition<K, V>, offset: number | undefined): void {
    partition.restart(offset);
    this.#host.decoder.forget(partition);
    this.#release(partition, partition.buffer.takeWireDone(), partition.buffer.takeHeldDone());
  }
  /** Tells the gateway to send no more. */
  stop(partition: ConsumerPartition<K, V>): void {
    const { topicId } = partition.at;
    if (partition.asked && topicId !== undefined) {
      this.#closing.push({ topicId, partition: partition.partition });
      this.scheduleOpen();
    }
    partition.open = false;
    partition.asked = false;
    partition.epoch++;
  }

  // ── to the gateway ───────────────────────────────────────────────────────────────────────────────────────────────
  onLive(): void {
    this.#live = true;
    this.credit.restart();
    for (const partition of this.#order) {
      partition.open = false;
      partition.asked = false;
      partition.epoch++;
      partition.caughtUp = false;
    }
    this.#open();
  }
  onDown(): void {
    this.#live = false;
    this.#closing = [];
    for (const partition of this.#order) {
      partition.open = false;
      partition.asked = false;
    }
  }
  /** Later in this turn, so that several changes make one frame and the last seek is the one that travels. */
  scheduleOpen(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      const closing = this.#closing;
      this.#closing = [];
      if (closing.length > 0) this.#channel?.send({ type: 'fetchClose', partitions: closing });
      this.#open();
    });
  }
  #open(): void {
    if (!this.#live || this.#channel === undefined) return;
    const { session, config } = this.#host;
    const now = session.clock.now();
    const opening = this.#order.filter(
      ({ at, open, paused, ending, cancelRetry }) =>
        !open &&
        !paused &&
        ending === undefined &&
        cancelRetry === undefined &&
        at.topicId !== undefined &&
        at.position !== undefined &&
        at.error === undefined,
    );
    if (opening.length === 0) return;
    const limit = this.credit.grant(false, true) ?? this.credit.granted;
    this.#channel.send({
      type: 'fetch',
      isolation: config.isolationLevel,
      minBytes: config.fetchMinBytes,
      maxWaitMs: config.fetchMaxWaitMs,
      maxPartitionBytes: config.maxPartitionFetchBytes,
      limit,
      partitions: opening.flatMap((partition) => {
        const { topicId } = partition.at;
        if (topicId === undefined) return [];
        partition.open = true;
        partition.asked = true;
        const epoch = ++partition.epoch;
        const windowLimit = partition.window.open(
          partition.buffer.wire + (partition.returned?.wire ?? 0),
          this.#maxWindow,
          now,
        );
        return [{ topicId, partition: partition.partition, epoch, offset: partition.buffer.end, limit: windowLimit }];
      }),
    });
  }
  /** Credit for what was taken since the last time. */
  grantCredit(): void {
    if (!this.#live) return;
    const { session } = this.#host;
    const now = session.clock.now();
    const raised: { topicId: string; partition: number; epoch: number; limit: number }[] = [];
    for (const partition of this.#released) {
      if (partition.paused) continue; // Its credit comes with resume.
      this.#released.delete(partition);
      const { topicId } = partition.at;
      if (!partition.open || topicId === undefined) continue;
      const limit = partition.window.grant(now, session.roundTripMs, this.#maxWindow);
      if (limit !== undefined) raised.push({ topicId, partition: partition.partition, epoch: partition.epoch, limit });
    }
    const limit = this.credit.grant(this.#starving(), raised.length > 0);
    if (limit === undefined && raised.length === 0) return;
    this.#channel?.send({ type: 'credit', limit, partitions: raised });
  }
  /** What is wanted has nothing here, and nothing can come. */
  #starving(): boolean {
    if (this.credit.outstanding > 0) return false;
    // What can be taken makes room by itself: only where there is nothing, the bound is in the way.
    const readable = this.#order.filter((partition) => partition.readable);
    return readable.some(({ open }) => open) && readable.every(({ drained }) => drained);
  }

  // ── from the gateway ─────────────────────────────────────────────────────────────────────────────────────────────
  onData(frame: DataFrame, epoch: number): void {
    const bytes = frame.batches.length;
    this.credit.receive(bytes);
    this.bytesReceived += bytes;
    const partition = this.#byId.get(partitionKey(frame.topicId, frame.partition));
    if (partition === undefined || !partition.open || partition.epoch !== epoch) {
      this.credit.release(bytes);
      this.grantCredit();
      return;
    }
    const { at, buffer } = partition;
    partition.failures = 0;
    // An empty frame behind everything delivered moves the position without a reader.
    const idle = bytes === 0 && partition.drained && at.position === buffer.cursor;
    const before = buffer.held;
    buffer.push(frame);
    if (buffer.held === before) this.credit.release(bytes);
    if (bytes > 0) at.consumed();
    else if (idle) this.#delivery.passOver(partition);
    this.#host.wake();
  }
  onFetchError(frame: ServerFrameOf<'fetchError'>): void {
    const partition = this.#byId.get(partitionKey(frame.topicId, frame.partition));
    if (partition === undefined || !partition.open || partition.epoch !== frame.epoch) return;
    partition.open = false;
    partition.asked = false;
    const { topic } = partition;
    const error = errorOf({ ...frame, topic });
    if (frame.code === 'UNKNOWN_TOPIC_ID' || frame.code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      this.#retryOpen(partition);
      this.#host.topicGone(topic);
    } else if (frame.code === 'CORRUPT_MESSAGE') {
      if (partition.damagedAt === partition.buffer.end) partition.ending = error;
      else {
        partition.damagedAt = partition.buffer.end;
        this.scheduleOpen();
      }
    } else if (error.retriable) {
      this.#retryOpen(partition);
    } else {
      partition.ending = error;
    }
    this.#settleEnding(partition);
    this.#host.wake();
  }
  #retryOpen(partition: ConsumerPartition<K, V>): void {
    const { clock, random } = this.#host.session;
    partition.cancelRetry?.();
    partition.cancelRetry = clock.after(1 + backoffMs(REOPEN_BACKOFF, partition.failures++, random), () => {
      partition.cancelRetry = undefined;
      this.scheduleOpen();
    });
  }
  /** From where decoding stands; what was decoded before stays. */
  #refetch(partition: ConsumerPartition<K, V>): void {
    partition.epoch++;
    partition.open = false;
    partition.buffer.restart(partition.buffer.cursor);
    this.scheduleOpen();
  }
  /** What ended the fetch takes effect once all that came before is delivered. */
  #settleEnding(partition: ConsumerPartition<K, V>): void {
    const { ending, at, buffer } = partition;
    if (ending === undefined || !partition.drained || at.position !== buffer.cursor) return;
    partition.ending = undefined;
    if (ending.code !== 'OFFSET_OUT_OF_RANGE' || ending.logStart === undefined || ending.logEnd === undefined) {
      at.fail(ending);
      return;
    }
    at.outOfRange(buffer.end, ending.logStart, ending.logEnd, this.#host.config.autoOffsetReset);
    if (at.error === undefined) this.follow(partition);
  }

  // ── to the reader ────────────────────────────────────────────────────────────────────────────────────────────────
  pause(partition: ConsumerPartition<K, V>): void {
    partition.paused = true;
  }
  resume(partition: ConsumerPartition<K, V>): void {
    partition.paused = false;
    this.#released.add(partition);
    this.scheduleOpen();
    this.grantCredit();
    this.#host.wake();
  }
  /** Up to `max` records, without waiting; see Delivery.take. */
  take(max: number): Hand<K, V> {
    for (const partition of this.#order) if (partition.ending !== undefined) this.#settleEnding(partition);
    const readable = this.suspended || this.#host.lapsed() ? [] : this.#order;
    const hand = this.#delivery.take(readable, max);
    if (hand.records.length === 0) {
      for (const partition of this.#order) if (partition.ending !== undefined) this.#settleEnding(partition);
      this.grantCredit();
      this.#delivery.throwError(readable);
    }
    return hand;
  }
  close(): void {
    this.#delivery.close();
    this.#live = false;
    if (this.partitions.size > 0) this.#channel?.send({ type: 'fetchClose' });
    for (const partition of [...this.partitions.values()]) {
      partition.asked = false;
      this.remove(partition);
    }
  }
}
