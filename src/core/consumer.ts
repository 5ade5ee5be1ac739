// The consumer as applications see it: checks arguments and state, and hands over to the parts. Knows nothing of frames.
import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import {
  type ConsumerRecord,
  LogError,
  type OffsetAndMetadata,
  type PartitionDescription,
  type TopicDescription,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../protocol/index.ts';
import { checkOptions, mustBeObject } from './checks.ts';
import {
  checkCount,
  checkOffset,
  checkOffsets,
  checkPartition,
  checkPartitions,
  checkTimestamp,
  checkTopics,
} from './consumer-arguments.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import { ConsumerEngine } from './consumer-engine.ts';
import type { ConsumerEvent, ConsumerMetrics, RebalanceListener } from './consumer-events.ts';
import type { PartitionLag } from './consumer-observe.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { named } from './partitions.ts';
import type { StartAt } from './positions.ts';
import type { ConnectionStatus } from './session.ts';
import {
  emitBatch,
  emitRecords,
  type ForEachOptions,
  forEach,
  observe,
  type PollOptions,
  poll,
  RecordIterator,
  type StreamOptions,
} from './streams.ts';
import { checkWaitOptions, type WaitOptions, waitFor } from './wait-options.ts';

/**
 * Reads topics of a log, alone or as a member of a group. Dials when first used. All ways of reading (poll, async iteration,
 * stream, batches, forEach) share one buffer and one position per partition; one of them at a time.
 */
export class Consumer<K = Uint8Array, V = Uint8Array> implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable {
  /** Replays the latest. Never errors; completes on close, as all four do. */
  readonly status$: Observable<ConnectionStatus>;
  readonly assignment$: Observable<readonly TopicPartition[]>;
  /** Of the partitions whose ends are known; a few times a second while it changes. */
  readonly lag$: Observable<readonly PartitionLag[]>;
  /** What happened from now on. */
  readonly events$: Observable<ConsumerEvent>;
  readonly #engine: ConsumerEngine<K, V>;

  /** Throws INVALID_CONFIG naming every wrong and unknown key. */
  constructor(config?: ConsumerConfig<K, V>) {
    const engine = new ConsumerEngine<K, V>(config, this);
    this.#engine = engine;
    const { status$, assignment$, lag$, events$ } = engine.observations;
    this.status$ = status$;
    this.assignment$ = assignment$;
    this.lag$ = lag$;
    this.events$ = events$;
  }

  // ── what to read ─────────────────────────────────────────────────────────────────────────────────────────────────
  /**
   * Replaces the subscription: names, or a pattern that must match whole names; [] is unsubscribe. With a groupId the group's
   * partitions are shared among its members, without one all partitions are read. Resolves when start positions are fixed: what is
   * produced afterwards is delivered, also with 'latest'. Waits for an unreachable gateway without limit unless `timeoutMs` is given;
   * after a timeout or an abort the subscription stays in force. ILLEGAL_STATE after assign(); INVALID_TOPIC_EXCEPTION.
   */
  async subscribe(
    topics: string | RegExp | readonly string[],
    options: WaitOptions & { readonly listener?: RebalanceListener | undefined } = {},
  ): Promise<void> {
    const engine = this.#begin('subscribe', options, ['listener']);
    const wanted = checkTopics(topics);
    const { listener, ...wait } = options;
    if (listener !== undefined) mustBeObject('subscribe', 'listener', listener);
    engine.subscription.requireNot('assign', 'subscribe');
    if (!(wanted instanceof RegExp) && wanted.length === 0) return this.unsubscribe(wait);
    engine.committer?.start();
    engine.session.connect();
    return engine.subscription.subscribe(wanted, listener, wait);
  }
  /** Without a commit. The listener's onPartitionsRevoked is called. */
  async unsubscribe(options: WaitOptions = {}): Promise<void> {
    const engine = this.#begin('unsubscribe', options);
    await waitFor('unsubscribe', engine.subscription.unsubscribe(), engine.session.clock, options);
    if (!engine.closed) engine.committer?.stop();
  }
  /** Exactly these, without group membership. Positions and pauses of those that stay are kept; with auto-commit the old positions are committed. Resolves as subscribe. */
  async assign(partitions: readonly TopicPartition[], options: WaitOptions = {}): Promise<void> {
    const engine = this.#begin('assign', options);
    const wanted = checkPartitions('assign', partitions);
    engine.subscription.requireNot('topics', 'assign');
    if (wanted.length === 0) return this.unsubscribe(options);
    engine.committer?.start();
    engine.session.connect();
    return engine.subscription.assign(wanted, options);
  }
  /** The topics subscribed to; of a pattern, those that match now. */
  subscription(): ReadonlySet<string> {
    return new Set(this.#engine.subscription.topics);
  }
  assignment(): readonly TopicPartition[] {
    return [...this.#engine.fetcher.partitions.values()].map(named);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** At once what is buffered, else waits up to `timeoutMs` (1,000); [] when nothing came. Rejects only with what waiting cannot mend. */
  poll(options?: PollOptions): Promise<ConsumerRecord<K, V>[]> {
    return poll(this.#engine.reader, options);
  }
  /** Cold; unsubscribing stops reading. A record is processed when `next` returns, with manualAck when it is acknowledged. */
  stream(options: StreamOptions = {}): Observable<ConsumerRecord<K, V>> {
    return observe(this.#engine.reader, 'stream', options, emitRecords);
  }
  /** As stream(), in slices of up to maxPollRecords. */
  batches(options: StreamOptions = {}): Observable<readonly ConsumerRecord<K, V>[]> {
    return observe(this.#engine.reader, 'batches', options, emitBatch);
  }
  /** A record counts as processed when the next one is asked for. Ends when the consumer is closed. */
  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord<K, V>, undefined> {
    return new RecordIterator(this.#engine.reader, this.#engine.config.groupId !== undefined);
  }
  /** At least once: commits only what `work` finished. Rejects with what `work` threw; resolves on close. */
  forEach(work: (record: ConsumerRecord<K, V>) => void | Promise<void>, options: ForEachOptions = {}): Promise<void> {
    return forEach(this.#engine.reader, work, options, (record) => this.ack(record));
  }
  /** With stream({ manualAck: true }): in any order; what is late, twice or revoked does nothing. */
  ack(record: TopicPartitionOffset): void {
    this.#engine.ack(record);
  }

  // ── offsets ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** The NEXT offsets to read; without `offsets`, the current positions. COMMIT_FAILED where the group has given them to others. */
  async commit(
    offsets?: Iterable<TopicPartitionOffset & { readonly value?: never }>,
    options: WaitOptions = {},
  ): Promise<void> {
    const engine = this.#begin('commit', options);
    const { committer } = engine.requireGroup('commit');
    const wanted = offsets === undefined ? engine.positionsToCommit() : checkOffsets('commit', offsets);
    return committer.commit(wanted, options);
  }
  /** What the group would resume from; null where it has nothing. */
  async committed(partition: TopicPartition, options: WaitOptions = {}): Promise<OffsetAndMetadata | null> {
    const engine = this.#begin('committed', options);
    const at = checkPartition('committed', partition);
    return engine.queries.committed(engine.requireGroup('committed').groupId, at, options);
  }
  /** The next offset to deliver; waits while it has to be looked up. */
  async position(partition: TopicPartition, options: WaitOptions = {}): Promise<number> {
    const engine = this.#begin('position', options);
    const assigned = engine.requireAssigned('position', checkPartition('position', partition));
    const timeoutMs = options.timeoutMs ?? engine.session.requestTimeoutMs;
    return waitFor('position', engine.position(assigned), engine.session.clock, { ...options, timeoutMs });
  }
  /** At once: what is buffered or on its way is dropped, and so is an error of the old position. */
  seek(partition: TopicPartition, offset: number | OffsetAndMetadata): void {
    const engine = this.#open('seek');
    const at = checkPartition('seek', partition);
    const to = checkOffset('seek', offset);
    engine.seek(engine.requireAssigned('seek', at), to);
  }
  /** Looked up when needed. Default: all that are assigned. */
  seekToBeginning(partitions?: readonly TopicPartition[]): void {
    this.#seekAll('seekToBeginning', partitions, { type: 'earliest' });
  }
  seekToEnd(partitions?: readonly TopicPartition[]): void {
    this.#seekAll('seekToEnd', partitions, { type: 'latest' });
  }
  /** The last `count` offsets of each, then live. */
  seekToTail(count: number, partitions?: readonly TopicPartition[]): void {
    this.#open('seekToTail');
    this.#seekAll('seekToTail', partitions, { type: 'tail', count: checkCount('seekToTail', 'count', count) });
  }
  /** The first record at or after the time; the end where there is none. Resolves when the positions are known. */
  async seekToTimestamp(
    timestamp: number | Date,
    partitions?: readonly TopicPartition[],
    options: WaitOptions = {},
  ): Promise<void> {
    const engine = this.#begin('seekToTimestamp', options);
    const at = checkTimestamp('seekToTimestamp', timestamp);
    const sought = this.#seekAll('seekToTimestamp', partitions, { type: 'timestamp', timestamp: at });
    const timeoutMs = options.timeoutMs ?? engine.session.requestTimeoutMs;
    const work = Promise.all(sought.map((partition) => engine.position(partition)));
    await waitFor('seekToTimestamp', work, engine.session.clock, { ...options, timeoutMs });
  }
  #seekAll(call: string, partitions: readonly TopicPartition[] | undefined, to: StartAt): ConsumerPartition<K, V>[] {
    const engine = this.#open(call);
    const sought = this.#assigned(call, partitions);
    for (const partition of sought) engine.seek(partition, to);
    return sought;
  }
  async beginningOffsets(
    partitions: readonly TopicPartition[],
    options: WaitOptions = {},
  ): Promise<TopicPartitionOffset[]> {
    const engine = this.#begin('beginningOffsets', options);
    return engine.queries.ends(checkPartitions('beginningOffsets', partitions), 'earliest', options);
  }
  async endOffsets(partitions: readonly TopicPartition[], options: WaitOptions = {}): Promise<TopicPartitionOffset[]> {
    const engine = this.#begin('endOffsets', options);
    return engine.queries.ends(checkPartitions('endOffsets', partitions), 'latest', options);
  }
  /** The first record with timestamp ≥ the query's, null where there is none; in the order asked. */
  async offsetsForTimes(
    query: readonly (TopicPartition & { readonly timestamp: number })[],
    options: WaitOptions = {},
  ): Promise<((TopicPartition & { offset: number; timestamp: number }) | null)[]> {
    const engine = this.#begin('offsetsForTimes', options);
    const partitions = checkPartitions('offsetsForTimes', query);
    const times = query.map(({ timestamp }) => checkTimestamp('offsetsForTimes', timestamp));
    const asked = partitions.map((partition, i) => ({ ...partition, timestamp: times[i] ?? 0 }));
    return engine.queries.forTimes(asked, options);
  }
  /** From what the gateway last said; null: not known yet. */
  currentLag(partition: TopicPartition): number | null {
    const engine = this.#open('currentLag');
    return engine.observations.lagOf(engine.requireAssigned('currentLag', checkPartition('currentLag', partition)));
  }

  // ── flow ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** What is buffered stays; nothing more is asked for. Default: all that are assigned. */
  pause(partitions?: readonly TopicPartition[]): void {
    const engine = this.#open('pause');
    engine.reader.giveBack();
    for (const partition of this.#assigned('pause', partitions)) engine.fetcher.pause(partition);
  }
  resume(partitions?: readonly TopicPartition[]): void {
    const engine = this.#open('resume');
    for (const partition of this.#assigned('resume', partitions)) engine.fetcher.resume(partition);
  }
  paused(): readonly TopicPartition[] {
    return [...this.#engine.fetcher.partitions.values()].filter(({ paused }) => paused).map(named);
  }

  // ── metadata and observation ─────────────────────────────────────────────────────────────────────────────────────
  async listTopics(options: WaitOptions = {}): Promise<TopicDescription[]> {
    const engine = this.#begin('listTopics', options);
    return engine.queries.topics(options);
  }
  /** UNKNOWN_TOPIC_OR_PARTITION where there is no such topic. */
  async partitionsFor(topic: string, options: WaitOptions = {}): Promise<PartitionDescription[]> {
    const engine = this.#begin('partitionsFor', options);
    return engine.queries.partitionsOf(checkPartition('partitionsFor', { topic, partition: 0 }).topic, options);
  }
  /** null: not a member of a group at the moment. */
  groupMetadata(): { groupId: string; memberId: string; epoch: number; groupInstanceId?: string } | null {
    const { config, member } = this.#engine;
    const { groupId, groupInstanceId } = config;
    const identity = member?.identity;
    if (groupId === undefined || identity === undefined) return null;
    const { memberId, memberEpoch: epoch } = identity;
    return groupInstanceId === undefined ? { groupId, memberId, epoch } : { groupId, memberId, epoch, groupInstanceId };
  }
  metrics(): ConsumerMetrics {
    const { config, subscription, fetcher, reader, committer, decoder, session, observations, closed } = this.#engine;
    const partitions = [...fetcher.partitions.values()];
    const lags = partitions.map((partition) => observations.lagOf(partition));
    return {
      groupId: config.groupId ?? null,
      subscriptions: [...subscription.topics],
      assignmentCount: partitions.length,
      closed,
      recordsConsumed: reader.recordsConsumed,
      bytesConsumed: fetcher.bytesReceived,
      bufferedBytes: fetcher.credit.held,
      lag: lags.reduce<number | null>((sum, lag) => (sum === null || lag === null ? null : sum + lag), 0),
      reconnects: session.reconnects,
      gaps: fetcher.gaps,
      commits: committer?.commits ?? 0,
      commitFailures: committer?.failures ?? 0,
      poisonRecords: decoder.poisonRecords,
    };
  }

  /**
   * Stops reading, commits positions (autoCommit), tells the listener, leaves the group, closes. Every step is tried, in at most
   * `timeoutMs` (30,000); the first error is rethrown. Idempotent. `leaveGroup` (default: true, but false for a static member) false: the
   * gateway keeps the member, and its partitions, for sessionTimeoutMs after the connection is closed; a shared one may live on.
   */
  async close(
    options: { readonly timeoutMs?: number | undefined; readonly leaveGroup?: boolean | undefined } = {},
  ): Promise<void> {
    const { timeoutMs, leaveGroup } = options;
    checkOptions('close', options, ['timeoutMs', 'leaveGroup']);
    checkWaitOptions('close', { timeoutMs });
    return this.#engine.close('position', timeoutMs, leaveGroup);
  }
  /** As close(), but commits only what is processed: it cannot know whether the block threw. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#engine.close('processed');
  }

  /** What every call that waits begins with. */
  #begin(call: string, options: WaitOptions, more?: readonly string[]): ConsumerEngine<K, V> {
    const engine = this.#open(call);
    checkWaitOptions(call, options, more);
    return engine;
  }
  #open(call: string): ConsumerEngine<K, V> {
    this.#engine.checkOpen(call);
    return this.#engine;
  }
  #assigned(call: string, partitions: readonly TopicPartition[] | undefined): ConsumerPartition<K, V>[] {
    const { fetcher } = this.#engine;
    if (partitions === undefined) return [...fetcher.partitions.values()];
    return checkPartitions(call, partitions).map((partition) => this.#engine.requireAssigned(call, partition));
  }
}

/** Acknowledges what comes through: put it behind the work, in a pipe from stream({ manualAck: true }). Acks may come in any order. */
export function acknowledge<R extends TopicPartitionOffset>(consumer: {
  ack(record: TopicPartitionOffset): void;
}): MonoTypeOperatorFunction<R> {
  return (source) =>
    new Observable((subscriber) =>
      source.subscribe({
        next: (record) => {
          // A source that emits while it is subscribed to cannot be left earlier.
          if (subscriber.closed) return;
          try {
            consumer.ack(record);
          } catch (error) {
            subscriber.error(error);
          }
          subscriber.next(record);
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
}
