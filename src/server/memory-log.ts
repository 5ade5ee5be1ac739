// A log that lives in memory, with the whole Log port: for tests and the in-memory gateway. Knows nothing of disks or sockets.
import type { Clock, Random } from '../core/index.ts';
import { type IsolationLevel, LogError, type TopicInfo } from '../protocol/index.ts';
import { type CoordinatedGroups, coordinatedGroups } from './groups.ts';
import type {
  AppendResult,
  Log,
  OffsetAnswer,
  OffsetQuery,
  PartitionEnds,
  PartitionRef,
  ReadRequest,
  ReadResult,
  TopicSpec,
} from './log.ts';
import { type MemoryGroupStore, memoryGroupStore } from './memory-group-store.ts';
import { MemoryPartition } from './memory-partition.ts';
import { firstProducerId, randomUuid } from './random-id.ts';
import { type CheckedTopicSpec, checkTopicSpec, isInternalTopic } from './topic-spec.ts';

export interface MemoryLogOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Default true. */
  readonly autoCreateTopics?: boolean | undefined;
  /** Default 1. */
  readonly defaultPartitions?: number | undefined;
  /** Default: a random one. */
  readonly logId?: string | undefined;
}
export interface MemoryLog extends Log {
  readonly groups: CoordinatedGroups;
  /** Applies retention now. It also runs by itself every ten seconds while a topic has a limit. */
  retain(): void;
  /** Reads that wait for more, of all partitions. */
  readonly waitingReads: number;
}

interface Topic {
  readonly spec: CheckedTopicSpec;
  readonly topicId: string;
  readonly partitions: readonly MemoryPartition[];
}
type TopicsListener = Parameters<Log['onTopicsChanged']>[0];

const RETAIN_EVERY_MS = 10_000;

export function memoryLog(options: MemoryLogOptions): MemoryLog {
  return new InMemoryLog(options);
}

class InMemoryLog implements MemoryLog {
  readonly logId: string;
  readonly autoCreateTopics: boolean;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #defaultPartitions: number;
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #listeners = new Set<TopicsListener>();
  readonly #groupStore: MemoryGroupStore = memoryGroupStore();
  readonly #groups: CoordinatedGroups;
  #nextProducerId: number;
  #cancelRetention: (() => void) | undefined;
  #closed = false;

  constructor({ clock, random, autoCreateTopics = true, defaultPartitions = 1, logId }: MemoryLogOptions) {
    this.logId = logId ?? randomUuid(random);
    this.autoCreateTopics = autoCreateTopics;
    this.#clock = clock;
    this.#random = random;
    this.#defaultPartitions = defaultPartitions;
    this.#nextProducerId = firstProducerId(random);
    const infoOf = (topic: Topic | undefined) => topic && describe(topic);
    this.#groups = coordinatedGroups({
      store: this.#groupStore,
      topics: { byName: (name) => infoOf(this.#byName.get(name)), byId: (id) => infoOf(this.#byId.get(id)) },
      clock,
      random,
      // Nothing of it is ever written anywhere, and so a join needs no more than microtasks.
      hashToken: async (token) => token,
    });
  }

  get groups(): CoordinatedGroups {
    return this.#groups;
  }

  get waitingReads(): number {
    let waiting = 0;
    for (const { partitions } of this.#byId.values()) for (const partition of partitions) waiting += partition.waiting;
    return waiting;
  }

  async topics(names?: readonly string[]): Promise<TopicInfo[]> {
    this.#mustBeOpen();
    const wanted = names === undefined ? [...this.#byName.keys()].sort() : [...new Set(names)];
    return wanted.flatMap((name) => {
      const topic = this.#byName.get(name);
      return topic === undefined ? [] : describe(topic);
    });
  }

  async createTopic(spec: TopicSpec): Promise<TopicInfo> {
    this.#mustBeOpen();
    const checked = checkTopicSpec(spec, { partitions: this.#defaultPartitions });
    const { name } = checked;
    if (this.#byName.has(name)) {
      throw new LogError('TOPIC_ALREADY_EXISTS', `Topic "${name}" exists.`, { topic: name });
    }
    const partitions = Array.from({ length: checked.partitions }, (_, i) => new MemoryPartition(name, i));
    const topic: Topic = { spec: checked, topicId: randomUuid(this.#random), partitions };
    this.#byName.set(name, topic);
    this.#byId.set(topic.topicId, topic);
    if (checked.retentionMs !== undefined || checked.retentionBytes !== undefined) this.#armRetention();
    this.#tell({ changed: [describe(topic)], deleted: [] });
    return describe(topic);
  }

  async deleteTopic(name: string): Promise<void> {
    this.#mustBeOpen();
    const topic = this.#byName.get(name);
    if (topic === undefined) {
      throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic "${name}".`, { topic: name });
    }
    this.#byName.delete(name);
    this.#byId.delete(topic.topicId);
    this.#groupStore.forgetTopic(topic.topicId);
    const error = new LogError('UNKNOWN_TOPIC_ID', `Topic "${name}" was deleted.`, { topic: name });
    for (const partition of topic.partitions) partition.close(error);
    this.#tell({ changed: [], deleted: [name] });
  }

  onTopicsChanged(listener: TopicsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async listOffsets(queries: readonly OffsetQuery[], _isolation: IsolationLevel): Promise<OffsetAnswer[]> {
    this.#mustBeOpen();
    return Promise.all(queries.map((query) => this.#listOffset(query)));
  }

  async #listOffset({ topicId, partition, at }: OffsetQuery): Promise<OffsetAnswer> {
    try {
      const found = this.#find({ topicId, partition });
      const { logStart, lastStableOffset, leaderEpoch } = found.ends();
      if (at === 'earliest') return { topicId, partition, offset: logStart, leaderEpoch };
      // Without transactions the last stable offset is the high watermark, whatever the isolation.
      if (at === 'latest') return { topicId, partition, offset: lastStableOffset, leaderEpoch };
      const answer = await found.offsetAt(at);
      return { topicId, partition, offset: answer?.offset ?? null, timestamp: answer?.timestamp, leaderEpoch };
    } catch (error) {
      return { topicId, partition, offset: null, error: LogError.from(error) };
    }
  }

  ends({ topicId, partition }: PartitionRef): PartitionEnds | undefined {
    return this.#byId.get(topicId)?.partitions[partition]?.ends();
  }

  async read(request: ReadRequest): Promise<ReadResult> {
    this.#mustBeOpen();
    return this.#find(request).read(request, (delayMs, callback) => this.#clock.after(delayMs, callback));
  }

  async initProducer(): Promise<{ producerId: number; producerEpoch: number }> {
    this.#mustBeOpen();
    return { producerId: this.#nextProducerId++, producerEpoch: 0 };
  }

  async append(partition: PartitionRef, batch: Uint8Array): Promise<AppendResult> {
    this.#mustBeOpen();
    return this.#find(partition).append(batch, this.#clock.now());
  }

  health(): LogError | undefined {
    return this.#closed ? closed() : undefined;
  }

  retain(): void {
    for (const { spec, partitions } of this.#byId.values()) {
      for (const partition of partitions) partition.retain(this.#clock.now(), spec.retentionMs, spec.retentionBytes);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetention?.();
    this.#listeners.clear();
    for (const { partitions } of this.#byId.values()) for (const partition of partitions) partition.close(closed());
    await this.#groups.close();
  }

  #armRetention(): void {
    if (this.#cancelRetention !== undefined) return;
    this.#cancelRetention = this.#clock.after(RETAIN_EVERY_MS, () => {
      this.#cancelRetention = undefined;
      this.retain();
      this.#armRetention();
    });
  }

  #tell(change: Parameters<TopicsListener>[0]): void {
    this.#groups.topicsChanged();
    for (const listener of [...this.#listeners]) listener(change);
  }

  #find({ topicId, partition }: PartitionRef): MemoryPartition {
    const topic = this.#byId.get(topicId);
    if (topic === undefined) throw new LogError('UNKNOWN_TOPIC_ID', `There is no topic with the id ${topicId}.`);
    const found = topic.partitions[partition];
    if (found !== undefined) return found;
    const { name } = topic.spec;
    throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `Topic "${name}" has no partition ${partition}.`, {
      topic: name,
      partition,
    });
  }

  #mustBeOpen(): void {
    if (this.#closed) throw closed();
  }
}

function closed(): LogError {
  return new LogError('BROKER_NOT_AVAILABLE', 'The log is closed.');
}

function describe({ spec, topicId, partitions }: Topic): TopicInfo {
  return {
    name: spec.name,
    topicId,
    internal: isInternalTopic(spec.name),
    partitions: partitions.map((one) => {
      const { logStart, highWatermark, lastStableOffset, leaderEpoch } = one.ends();
      return { partition: one.partition, logStart, highWatermark, lastStableOffset, leaderEpoch };
    }),
  };
}
