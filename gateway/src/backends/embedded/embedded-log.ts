// The Log port over the embedded store: puts the parts together and checks what comes in. Knows nothing of sockets.
import { randomUUID } from 'node:crypto';
import type { Clock, Random } from 'distributedlog/core';
import { type BatchHeader, LogError, readBatchHeader, type TopicInfo, verifyBatch } from 'distributedlog/protocol';
import {
  type AppendResult,
  type CoordinatedGroups,
  coordinatedGroups,
  firstProducerId,
  type GroupPort,
  type Log,
  type OffsetAnswer,
  type OffsetQuery,
  type PartitionEnds,
  type PartitionRef,
  type ReadRequest,
  type ReadResult,
  type TopicSpec,
} from 'distributedlog/server';
import type { DataDirectory } from './data-directory.ts';
import { EmbeddedGroupStore } from './group-store.ts';
import { Maintenance } from './maintenance.ts';
import type { EmbeddedLogSettings } from './options.ts';
import { PartitionWrites } from './partition-writes.ts';
import { Reader } from './reader.ts';
import { SlabPool } from './slab-pool.ts';
import type { Store } from './store.ts';
import { parseMeta, parseMetaText } from './stored.ts';
import { findByTimestamp } from './timestamps.ts';
import { describe, type Topic, Topics } from './topics.ts';
import { Writer } from './writer.ts';

/** Bounds that users have no reason to change; tests do. */
export interface EmbeddedLogTuning {
  /** How often retention looks, ms. Default 1,000. */
  readonly retentionIntervalMs?: number | undefined;
  /** Producers that were idle this long are forgotten, ms. Default 7 days. */
  readonly producerExpiryMs?: number | undefined;
  /** Idle read buffers kept for the next read, bytes. Default 32 MiB. */
  readonly maxIdleSlabBytes?: number | undefined;
  readonly maxTransactionBytes?: number | undefined;
  readonly maxQueuedBytes?: number | undefined;
}
export interface EmbeddedLogParts {
  readonly store: Store;
  readonly directory: DataDirectory;
  readonly settings: EmbeddedLogSettings;
  readonly clock: Clock;
  readonly tuning: EmbeddedLogTuning;
  readonly random: Random;
}

const DAY_MS = 86_400_000;
const LOG_ID = Buffer.from('log-id');
const LEADER_EPOCH = Buffer.from('leader-epoch');
const jsonBytes = (value: string | number): Buffer => Buffer.from(JSON.stringify(value));

export async function openEmbeddedLog(parts: EmbeddedLogParts): Promise<EmbeddedLog> {
  const { store, directory } = parts;
  const knownId = parseMetaText(store.get('meta', LOG_ID));
  const knownEpoch = parseMeta(store.get('meta', LEADER_EPOCH));
  const logId = knownId ?? randomUUID();
  const leaderEpoch = (knownEpoch ?? 0) + (directory.wasUnclean && knownEpoch !== undefined ? 1 : 0);
  if (logId !== knownId || leaderEpoch !== knownEpoch)
    await store.commit(
      [
        { table: 'meta', key: LOG_ID, value: jsonBytes(logId) },
        { table: 'meta', key: LEADER_EPOCH, value: jsonBytes(leaderEpoch) },
      ],
      // So that a log which filled its disk opens again, to be read and to be cleared.
      { fromReserve: true },
    );
  return new EmbeddedLog(parts, logId, leaderEpoch);
}

export class EmbeddedLog implements Log {
  readonly logId: string;
  readonly autoCreateTopics: boolean;
  private readonly store: Store;
  private readonly directory: DataDirectory;
  private readonly clock: Clock;
  private readonly writer: Writer;
  private readonly catalog: Topics;
  private readonly reader: Reader;
  private readonly maintenance: Maintenance;
  private readonly coordinator: CoordinatedGroups;
  private nextProducerId: number;
  private closing: Promise<void> | undefined;
  private appendedBatches = 0;
  private appendedBytes = 0;
  private groupFailures = 0;

  constructor(parts: EmbeddedLogParts, logId: string, leaderEpoch: number) {
    const { store, directory, settings, clock, tuning } = parts;
    this.logId = logId;
    this.autoCreateTopics = settings.autoCreateTopics;
    this.store = store;
    this.directory = directory;
    this.clock = clock;
    this.writer = new Writer({
      store,
      clock,
      dir: directory.path,
      freeDiskBytes: () => directory.freeBytes(),
      maxTransactionBytes: tuning.maxTransactionBytes,
      maxQueuedBytes: tuning.maxQueuedBytes,
    });
    this.catalog = new Topics(store, this.writer, {
      defaults: {
        partitions: settings.defaultPartitions,
        retentionMs: settings.retentionMs,
        retentionBytes: settings.retentionBytes,
      },
      leaderEpoch,
      randomUuid: randomUUID,
    });
    this.reader = new Reader(store, new SlabPool(tuning.maxIdleSlabBytes ?? 32 * 1024 * 1024), clock);
    this.maintenance = new Maintenance({
      store,
      writer: this.writer,
      topics: this.catalog,
      clock,
      intervalMs: tuning.retentionIntervalMs ?? 1_000,
      producerExpiryMs: tuning.producerExpiryMs ?? 7 * DAY_MS,
    });
    this.nextProducerId = firstProducerId(parts.random);
    this.coordinator = coordinatedGroups({
      store: new EmbeddedGroupStore(store, this.writer, this.catalog),
      topics: {
        byName: (name) => infoOf(this.catalog.named(name)),
        byId: (topicId) => infoOf(this.catalog.withId(topicId)),
      },
      clock,
      random: parts.random,
      onError: () => {
        this.groupFailures++;
      },
    });
    this.catalog.onChanged(() => this.coordinator.topicsChanged());
    this.maintenance.start();
  }

  get groups(): GroupPort {
    return this.coordinator;
  }

  async topics(names?: readonly string[]): Promise<TopicInfo[]> {
    this.assertOpen();
    if (names === undefined) return this.catalog.all().map(describe);
    return [...new Set(names)].flatMap((name) => {
      const topic = this.catalog.named(name);
      return topic === undefined ? [] : [describe(topic)];
    });
  }
  async createTopic(spec: TopicSpec): Promise<TopicInfo> {
    this.assertOpen();
    return describe(await this.catalog.create(spec));
  }
  async deleteTopic(name: string): Promise<void> {
    this.assertOpen();
    await this.catalog.delete(name);
  }
  onTopicsChanged(
    listener: (change: { changed: readonly TopicInfo[]; deleted: readonly string[] }) => void,
  ): () => void {
    return this.catalog.onChanged(listener);
  }

  async listOffsets(queries: readonly OffsetQuery[]): Promise<OffsetAnswer[]> {
    this.assertOpen();
    const answers: OffsetAnswer[] = [];
    for (const query of queries) answers.push(await this.answer(query));
    return answers;
  }
  private async answer({ topicId, partition: number, at }: OffsetQuery): Promise<OffsetAnswer> {
    const ref = { topicId, partition: number };
    try {
      const partition = this.catalog.partition(topicId, number);
      const { logStart, highWatermark, leaderEpoch } = partition.ends();
      if (at === 'earliest') return { ...ref, offset: logStart, leaderEpoch };
      if (at === 'latest') return { ...ref, offset: highWatermark, leaderEpoch };
      if (!Number.isFinite(at)) throw new LogError('INVALID_REQUEST', `${at} is no timestamp: milliseconds are`);
      const found = await findByTimestamp(this.store, partition, at);
      return found === undefined ? { ...ref, offset: null } : { ...ref, ...found, leaderEpoch };
    } catch (error) {
      return { ...ref, offset: null, error: LogError.from(error) };
    }
  }

  ends({ topicId, partition }: PartitionRef): PartitionEnds | undefined {
    return this.catalog.find(topicId, partition)?.ends();
  }
  async read(request: ReadRequest): Promise<ReadResult> {
    this.assertOpen();
    return this.reader.read(this.catalog.partition(request.topicId, request.partition), request);
  }

  async initProducer(): Promise<{ producerId: number; producerEpoch: number }> {
    this.assertOpen();
    return { producerId: this.nextProducerId++, producerEpoch: 0 };
  }

  async append(ref: PartitionRef, batch: Uint8Array): Promise<AppendResult> {
    const partition = this.catalog.partition(ref.topicId, ref.partition);
    const header = checkBatch(batch);
    const result = await this.writer.submit(batch.length, (transaction) =>
      PartitionWrites.of(transaction, partition, this.clock.now()).append(batch, header),
    );
    this.appendedBatches++;
    this.appendedBytes += batch.length;
    return result;
  }

  health(): LogError | undefined {
    if (this.closing !== undefined) return new LogError('BROKER_NOT_AVAILABLE', 'the log is closed');
    return this.writer.health();
  }
  metrics(): Readonly<Record<string, number>> {
    return {
      appended_batches: this.appendedBatches,
      appended_bytes: this.appendedBytes,
      transactions: this.writer.commits,
      transaction_bytes: this.writer.committedBytes,
      retention_removed_bytes: this.maintenance.removedBytes,
      maintenance_failures: this.maintenance.failures,
      // Members that could not be saved (they do not survive a restart), or not be read back.
      group_failures: this.groupFailures,
      file_bytes: this.closing === undefined ? this.store.fileBytes() : 0,
      read_only: this.writer.health() === undefined ? 0 : 1,
    };
  }

  /** A whole round of retention and clearing, begun after this call. */
  async maintain(): Promise<void> {
    await this.maintenance.idle();
    await this.maintenance.run();
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }
  private async shutDown(): Promise<void> {
    await this.coordinator.close();
    await this.maintenance.stop();
    await this.writer.close();
    this.reader.close();
    for (const topic of this.catalog.all()) for (const partition of topic.partitions) partition.wakeAll();
    let isClean = false;
    try {
      await this.store.close();
      isClean = true;
    } finally {
      await this.directory.release(isClean);
    }
  }
  private assertOpen(): void {
    if (this.closing !== undefined) throw new LogError('BROKER_NOT_AVAILABLE', 'the log is closed');
  }
}

const infoOf = (topic: Topic | undefined): TopicInfo | undefined => topic && describe(topic);

/** What a batch must be before it is written. Throws CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT, INVALID_REQUEST, INVALID_TIMESTAMP. */
function checkBatch(batch: Uint8Array): BatchHeader {
  const header = readBatchHeader(batch, 0);
  if (header === undefined || header.sizeInBytes !== batch.length) {
    const claimed = header === undefined ? 'more' : `${header.sizeInBytes}`;
    throw new LogError('CORRUPT_MESSAGE', `the batch has ${batch.length} bytes; its header says ${claimed}`);
  }
  verifyBatch(batch, 0, header);
  const offsets = header.lastOffset - header.baseOffset + 1;
  if (header.recordCount < 1 || header.recordCount !== offsets)
    throw new LogError('CORRUPT_MESSAGE', `the batch counts ${header.recordCount} records for ${offsets} offsets`);
  if (header.isControl || header.isTransactional)
    throw new LogError('INVALID_REQUEST', 'transactional and control batches are not supported by the embedded log');
  if (header.timestampType !== 'create')
    throw new LogError(
      'INVALID_TIMESTAMP',
      'the batch says that the log set its timestamps; that is for the log to say',
    );
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0))
    throw new LogError(
      'INVALID_REQUEST',
      `the batch of producer ${header.producerId} has epoch ${header.producerEpoch} and sequence ${header.baseSequence}; both begin at 0`,
    );
  return header;
}
