// The topics of the store: creating, finding, deleting. Knows nothing of batches.
import { LogError, type TopicInfo } from 'distributedlog/protocol';
import { checkTopicSpec, isInternalTopic, type TopicSpec } from 'distributedlog/server';
import { numberOfKey, partitionKey, topicKey, topicNumberOfKey } from './keys.ts';
import { EMPTY_PARTITION, Partition } from './partition.ts';
import type { Store } from './store.ts';
import { parseMeta, parsePartitionState, parseTopic, type StoredTopic } from './stored.ts';
import { decodeProducerState } from './stored-producer.ts';
import type { Writer } from './writer.ts';

export interface Topic extends StoredTopic {
  /** Never given twice. */
  readonly number: number;
  readonly partitions: readonly Partition[];
}
export interface TopicDefaults {
  readonly partitions: number;
  readonly retentionMs: number | undefined;
  readonly retentionBytes: number | undefined;
}
export type TopicsListener = (change: { changed: readonly TopicInfo[]; deleted: readonly string[] }) => void;

const NEXT_TOPIC = Buffer.from('next-topic');

export class Topics {
  private readonly store: Store;
  private readonly writer: Writer;
  private readonly defaults: TopicDefaults;
  private readonly leaderEpoch: number;
  private readonly randomUuid: () => string;
  private readonly byId = new Map<string, Topic>();
  private readonly byName = new Map<string, Topic>();
  private readonly byNumber = new Map<number, Topic>();
  /** Names whose creation is on its way to disk. */
  private readonly creating = new Set<string>();
  private readonly listeners = new Set<TopicsListener>();
  private nextNumber: number;

  constructor(
    store: Store,
    writer: Writer,
    options: { defaults: TopicDefaults; leaderEpoch: number; randomUuid: () => string },
  ) {
    this.store = store;
    this.writer = writer;
    this.defaults = options.defaults;
    this.leaderEpoch = options.leaderEpoch;
    this.randomUuid = options.randomUuid;
    this.nextNumber = parseMeta(store.get('meta', NEXT_TOPIC)) ?? 1;
    for (const { key, value } of store.entries('topics')) this.add(topicNumberOfKey(key), parseTopic(value));
    this.loadProducers();
  }

  /** In the order of their names. */
  all(): Topic[] {
    return [...this.byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  named(name: string): Topic | undefined {
    return this.byName.get(name);
  }
  withId(topicId: string): Topic | undefined {
    return this.byId.get(topicId);
  }
  numbered(number: number): Topic | undefined {
    return this.byNumber.get(number);
  }
  /** Throws UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION. */
  partition(topicId: string, partition: number): Partition {
    const topic = this.byId.get(topicId);
    if (topic === undefined) throw new LogError('UNKNOWN_TOPIC_ID', `there is no topic with id ${topicId}`);
    const found = topic.partitions[partition];
    if (found !== undefined) return found;
    const message = `topic "${topic.name}" has partitions 0 to ${topic.partitions.length - 1}; ${partition} is none of them`;
    throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic: topic.name, partition });
  }
  find(topicId: string, partition: number): Partition | undefined {
    return this.byId.get(topicId)?.partitions[partition];
  }
  onChanged(listener: TopicsListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async create(spec: TopicSpec): Promise<Topic> {
    const { name, partitions, retentionMs, retentionBytes } = checkTopicSpec(spec, this.defaults);
    if (this.byName.has(name) || this.creating.has(name))
      throw new LogError('TOPIC_ALREADY_EXISTS', `topic "${name}" exists`, { topic: name });
    this.creating.add(name);
    try {
      const number = this.nextNumber++;
      const stored: StoredTopic = {
        name,
        topicId: this.randomUuid(),
        partitionCount: partitions,
        retentionMs: retentionMs ?? null,
        retentionBytes: retentionBytes ?? null,
      };
      const topic = await this.writer.submit(partitions * 100, (transaction) => {
        transaction.put('topics', topicKey(number), Buffer.from(JSON.stringify(stored)));
        transaction.put('meta', NEXT_TOPIC, Buffer.from(JSON.stringify(this.nextNumber)));
        return () => this.add(number, stored);
      });
      this.announce({ changed: [describe(topic)], deleted: [] });
      return topic;
    } finally {
      this.creating.delete(name);
    }
  }

  /** Its name is free and its id unknown once this resolves; what it held is cleared away later: the topic is "doomed" until then. */
  async delete(name: string): Promise<Topic> {
    const topic = this.byName.get(name);
    if (topic === undefined)
      throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}"`, { topic: name });
    await this.writer
      .submit(
        0,
        (transaction) => {
          if (this.byId.get(topic.topicId) !== topic)
            throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}"`, { topic: name });
          transaction.remove('topics', topicKey(topic.number));
          transaction.put('doomed', topicKey(topic.number), Buffer.from([1]));
          // Appends that are staged after this one see it at once.
          for (const partition of topic.partitions) partition.deleted = true;
          return () => {
            this.byId.delete(topic.topicId);
            this.byName.delete(name);
            this.byNumber.delete(topic.number);
            for (const partition of topic.partitions) partition.wakeAll();
          };
        },
        { frees: true },
      )
      .catch((error: unknown) => {
        for (const partition of topic.partitions) partition.deleted = !this.byId.has(topic.topicId);
        throw error;
      });
    this.announce({ changed: [], deleted: [name] });
    return topic;
  }

  private announce(change: { changed: readonly TopicInfo[]; deleted: readonly string[] }): void {
    for (const listener of this.listeners) listener(change);
  }

  private add(number: number, stored: StoredTopic): Topic {
    const partitions: Partition[] = [];
    for (let partition = 0; partition < stored.partitionCount; partition++) {
      const key = { topicNumber: number, partition };
      const state = parsePartitionState(this.store.get('partitions', partitionKey(key))) ?? EMPTY_PARTITION;
      const identity = { topic: stored.name, topicId: stored.topicId, partition };
      partitions.push(new Partition(identity, key, this.leaderEpoch, state));
    }
    const topic: Topic = { ...stored, number, partitions };
    this.byId.set(topic.topicId, topic);
    this.byName.set(topic.name, topic);
    this.byNumber.set(number, topic);
    return topic;
  }

  private loadProducers(): void {
    const entries = this.store
      .entries('producers')
      .map(({ key, value }) => ({ key, state: decodeProducerState(value) }));
    entries.sort((a, b) => a.state.lastSeen - b.state.lastSeen);
    for (const { key, state } of entries)
      this.byNumber.get(topicNumberOfKey(key))?.partitions[key.readUInt32BE(4)]?.producers.set(numberOfKey(key), state);
  }
}

export function describe(topic: Topic): TopicInfo {
  return {
    name: topic.name,
    topicId: topic.topicId,
    internal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition) => ({ partition: partition.partition, ...partition.ends() })),
  };
}
