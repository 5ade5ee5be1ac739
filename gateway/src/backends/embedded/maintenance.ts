// What happens in the background, in bounded steps: retention by age and size, forgetting idle producers, clearing deleted topics away.
// Knows nothing of appends and reads.
import type { Clock } from 'distributedlog/core';
import { LogError, readBatchHeader } from 'distributedlog/protocol';
import { keyAfter, numberedKey, parseCommitKey, partitionKey, topicKey, topicNumberOfKey } from './keys.ts';
import type { Head, Partition } from './partition.ts';
import { PartitionWrites } from './partition-writes.ts';
import type { Store, TableName } from './store.ts';
import type { Topic, Topics } from './topics.ts';
import type { Writer } from './writer.ts';

export interface MaintenanceOptions {
  readonly store: Store;
  readonly writer: Writer;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Idle producers are forgotten after this long, ms. */
  readonly producerExpiryMs: number;
}

/** Values or keys of one step. */
const STEP = 128;
/** Tables whose keys begin with the topic number. */
const TOPIC_TABLES: readonly TableName[] = ['batches', 'times', 'producers', 'partitions'];

export class Maintenance {
  private readonly options: MaintenanceOptions;
  private stopTimer: (() => void) | undefined;
  private round: Promise<void> | undefined;
  private stopped = false;
  removedBytes = 0;
  /** Steps that could not be done: a full disk, a damaged value. They are tried again in the next round. */
  failures = 0;

  constructor(options: MaintenanceOptions) {
    this.options = options;
  }

  start(): void {
    if (this.stopped) return;
    this.stopTimer = this.options.clock.after(this.options.intervalMs, () => {
      void this.run().then(() => this.start());
    });
  }
  async stop(): Promise<void> {
    this.stopped = true;
    this.stopTimer?.();
    await this.round;
  }

  /** Resolves when the round that is under way, if any, is over. */
  async idle(): Promise<void> {
    await this.round;
  }
  /** One round, or the rest of the one that is under way; never rejects. */
  run(): Promise<void> {
    this.round ??= this.once().finally(() => {
      this.round = undefined;
    });
    return this.round;
  }

  private async once(): Promise<void> {
    for (const topic of this.options.topics.all())
      for (const partition of topic.partitions) {
        await this.attempt(() => this.retain(topic, partition));
        await this.attempt(() => this.forgetIdleProducers(partition));
      }
    const doomed = this.options.store.keys('doomed', { from: topicKey(0), to: topicKey(2 ** 32 - 1) });
    for (const key of doomed) await this.attempt(() => this.clear(topicNumberOfKey(key)));
  }

  /** One partition's trouble is not the others'. */
  private async attempt(step: () => Promise<void>): Promise<void> {
    if (this.stopped) return;
    try {
      await step();
    } catch {
      // Shown by /metrics; the next round tries again.
      this.failures++;
    }
  }

  private async retain(topic: Topic, partition: Partition): Promise<void> {
    if (topic.retentionMs === null && topic.retentionBytes === null) return;
    for (;;) {
      const values: number[] = [];
      let removed = 0;
      let logStart = partition.logStart;
      while (values.length < STEP && logStart < partition.highWatermark && !this.stopped && !partition.deleted) {
        const head = this.head(partition, logStart);
        const left = partition.state.bytes - removed - head.bytes;
        const isOld = topic.retentionMs !== null && head.maxTimestamp < this.options.clock.now() - topic.retentionMs;
        const isSurplus = topic.retentionBytes !== null && left >= topic.retentionBytes;
        if (!isOld && !isSurplus) break;
        values.push(head.baseOffset);
        removed += head.bytes;
        logStart = head.nextOffset;
        partition.head = undefined;
      }
      if (values.length === 0) return;
      await this.trim(partition, logStart, removed, values);
    }
  }

  private async trim(partition: Partition, logStart: number, bytes: number, values: readonly number[]): Promise<void> {
    const { store, writer, clock } = this.options;
    const from = partitionKey(partition.key);
    const times = store
      .keys('times', { from, to: keyAfter(from), limit: STEP })
      .filter((key) => (store.get('times', key)?.readDoubleBE() ?? 0) < logStart);
    await writer
      .submit(
        0,
        (transaction) => {
          if (partition.deleted) return () => undefined;
          PartitionWrites.of(transaction, partition, clock.now()).trim(transaction, logStart, bytes, values, times);
          return () => {
            this.removedBytes += bytes;
          };
        },
        { frees: true },
      )
      .catch((error: unknown) => {
        // It is all still there, and the next round must find it.
        partition.logStart = partition.state.logStart;
        throw error;
      });
  }

  private head(partition: Partition, offset: number): Head {
    if (partition.head?.baseOffset === offset) return partition.head;
    const bytes = this.options.store.getShared('batches', numberedKey(partition.key, offset));
    let maxTimestamp = -1;
    let nextOffset = offset;
    for (let at = 0; bytes !== undefined && at < bytes.length; ) {
      const header = readBatchHeader(bytes, at);
      if (header === undefined) break;
      maxTimestamp = Math.max(maxTimestamp, header.maxTimestamp);
      nextOffset = header.lastOffset + 1;
      at += header.sizeInBytes;
    }
    if (bytes === undefined || nextOffset <= offset)
      throw new LogError('CORRUPT_MESSAGE', `the oldest batch of ${partition.topic}-${partition.partition} is damaged`);
    partition.head = { baseOffset: offset, nextOffset, bytes: bytes.length, maxTimestamp };
    return partition.head;
  }

  private async forgetIdleProducers(partition: Partition): Promise<void> {
    const { writer, clock, producerExpiryMs } = this.options;
    const idleSince = clock.now() - producerExpiryMs;
    const idle: number[] = [];
    for (const [producerId, state] of partition.producers) {
      if (state.lastSeen >= idleSince || idle.length === STEP) break;
      idle.push(producerId);
    }
    if (idle.length === 0) return;
    await writer.submit(
      0,
      (transaction) => {
        if (partition.deleted) return () => undefined;
        const still = idle.filter((id) => (partition.producers.get(id)?.lastSeen ?? idleSince) < idleSince);
        PartitionWrites.of(transaction, partition, clock.now()).forget(transaction, still);
        return () => undefined;
      },
      { frees: true },
    );
  }

  /** Everything of a deleted topic, its commits included. */
  private async clear(topicNumber: number): Promise<void> {
    const { store } = this.options;
    const from = topicKey(topicNumber);
    const to = keyAfter(from);
    for (const table of TOPIC_TABLES)
      for (;;) {
        const keys = store.keys(table, { from, to, limit: STEP });
        if (keys.length === 0) break;
        await this.remove(table, keys);
      }
    const commits = store
      .keys('commits', { from: Buffer.from([1]), to: Buffer.from([0xff]) })
      .filter((key) => parseCommitKey(key).topicNumber === topicNumber);
    for (let at = 0; at < commits.length; at += STEP) await this.remove('commits', commits.slice(at, at + STEP));
    await this.remove('doomed', [from]);
  }

  private async remove(table: TableName, keys: readonly Buffer[]): Promise<void> {
    if (this.stopped) throw new LogError('BROKER_NOT_AVAILABLE', 'the log is closed');
    await this.options.writer.submit(
      0,
      (transaction) => {
        for (const key of keys) transaction.remove(table, key);
        return () => undefined;
      },
      { frees: true },
    );
  }
}
