// What the model knows of a log and of a group: which records there are, who got them, and how far a group may have committed. Knows nothing of consumers.
import type { ConsumerRecord, GroupDescription, TopicPartition } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import type { TestGateway } from './test-gateway.ts';

export const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;
export const partitionOf = (key: string): TopicPartition => {
  const dash = key.lastIndexOf('-');
  return { topic: key.slice(0, dash), partition: Number(key.slice(dash + 1)) };
};

const VALUE_BYTES = 100;

/** A rule was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export class ModelLog {
  readonly gateway: TestGateway;
  /** Values by offset, of each partition. */
  readonly records = new Map<string, string[]>();
  readonly #topicIds = new Map<string, string>();
  largestBatch = 0;
  #count = 0;

  constructor(gateway: TestGateway) {
    this.gateway = gateway;
  }
  async addTopic(name: string, partitions: number, config: Record<string, string> = {}): Promise<void> {
    const { topicId } = await this.gateway.log.createTopic({ name, partitions, config });
    this.#topicIds.set(name, topicId);
    for (let partition = 0; partition < partitions; partition++)
      this.records.set(keyOf({ topic: name, partition }), []);
  }
  get keys(): readonly string[] {
    return [...this.records.keys()];
  }
  has(topic: string): boolean {
    return this.#topicIds.has(topic);
  }
  topicId(topic: string): string {
    return this.#topicIds.get(topic) ?? '';
  }
  start(key: string): number {
    const { topic, partition } = partitionOf(key);
    return this.gateway.log.ends({ topicId: this.topicId(topic), partition })?.logStart ?? 0;
  }
  end(key: string): number {
    return this.records.get(key)?.length ?? 0;
  }
  async produce(key: string, count: number): Promise<void> {
    const { topic, partition } = partitionOf(key);
    const values = Array.from({ length: count }, () => `r${this.#count++}`.padEnd(VALUE_BYTES, '.'));
    const placed = await this.gateway.produce(
      topic,
      values.map((value) => ({ value, partition })),
    );
    const records = this.records.get(key) ?? [];
    for (const [i, { offset }] of placed.entries()) records[offset] = values[i] ?? '';
    // A header of 61 bytes, and what a record says of itself.
    this.largestBatch = Math.max(this.largestBatch, 61 + (VALUE_BYTES + 16) * count);
  }
  /** The record is what was written at its place. */
  check(record: ConsumerRecord<unknown, string>): void {
    const written = this.records.get(keyOf(record))?.[record.offset];
    if (record.value === written) return;
    throw new Violation(`${keyOf(record)} has ${written} at ${record.offset}, not ${record.value}`);
  }
}

/** A group, or a consumer that reads alone. */
export class ModelGroup {
  readonly groupId: string | undefined;
  readonly #log: ModelLog;
  /** Offsets that somebody got, or that somebody passed over and said so. */
  readonly #seen = new Map<string, Set<number>>();
  /** The highest offset that may be committed. */
  readonly #allowed = new Map<string, number>();
  readonly #committed = new Map<string, number>();
  /** Somebody sought, or committed offsets by hand: then commits may go backwards. */
  rewound = false;

  constructor(groupId: string | undefined, log: ModelLog) {
    this.groupId = groupId;
    this.#log = log;
  }
  delivered(key: string, offset: number): void {
    this.#seenOf(key).add(offset);
  }
  excuse(key: string, from: number, to: number): void {
    const seen = this.#seenOf(key);
    for (let offset = from; offset < to; offset++) seen.add(offset);
  }
  allow(key: string, offset: number): void {
    this.#allowed.set(key, Math.max(offset, this.#allowed.get(key) ?? 0));
  }
  /** The first record of `key` that is there and that nobody got. */
  missing(key: string): number | undefined {
    const seen = this.#seenOf(key);
    for (let offset = this.#log.start(key); offset < this.#log.end(key); offset++) if (!seen.has(offset)) return offset;
    return undefined;
  }
  /** undefined: nobody knows it (any more). */
  async describe(): Promise<GroupDescription | undefined> {
    if (this.groupId === undefined) return undefined;
    try {
      return await this.#log.gateway.describeGroup(this.groupId);
    } catch (error) {
      if (error instanceof LogError && error.code === 'GROUP_ID_NOT_FOUND') return undefined;
      throw error;
    }
  }
  async committed(keys: readonly string[] = this.#log.keys): Promise<Map<string, number | null>> {
    if (this.groupId === undefined) return new Map();
    const partitions = keys.map((key) => {
      const { topic, partition } = partitionOf(key);
      return { topicId: this.#log.topicId(topic), partition };
    });
    const answers = await this.#log.gateway.log.groups.committed(this.groupId, partitions);
    return new Map(keys.map((key, i) => [key, answers[i]?.offset ?? null]));
  }
  async checkCommitted(): Promise<void> {
    for (const [key, offset] of await this.committed()) {
      if (offset === null) continue;
      // Who begins at the log's start has passed over what is before it.
      const allowed = Math.max(this.#allowed.get(key) ?? 0, this.#log.start(key));
      if (offset > allowed) throw new Violation(`${key} is committed to ${offset}, but processed only to ${allowed}`);
      const before = this.#committed.get(key) ?? 0;
      if (offset < before && !this.rewound) {
        throw new Violation(`${key} was committed to ${before}, and then to ${offset}`);
      }
      this.#committed.set(key, offset);
    }
  }
  #seenOf(key: string): Set<number> {
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      seen = new Set();
      this.#seen.set(key, seen);
    }
    return seen;
  }
}
