// Questions about the log and the group that move no position: ends, times, committed offsets, topics. Knows nothing of the consumer's state.
import {
  LogError,
  type OffsetAndMetadata,
  type PartitionDescription,
  type TopicDescription,
  type TopicInfo,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import { named } from './partitions.ts';
import type { Session } from './session.ts';
import { errorOf } from './session-requests.ts';
import type { WaitOptions } from './wait-options.ts';

export class Queries {
  readonly #session: Session;
  readonly #config: ParsedConsumerConfig;

  constructor(session: Session, config: ParsedConsumerConfig) {
    this.#session = session;
    this.#config = config;
  }

  /** Rejects with UNKNOWN_TOPIC_OR_PARTITION where there is none. */
  async topic(name: string, options: WaitOptions = {}): Promise<TopicInfo> {
    const known = this.#session.topics.byName(name);
    if (known !== undefined) return known;
    const [found] = await this.#session.topics.describe([name], options);
    if (found !== undefined) return found;
    throw noTopic(name);
  }
  async ends(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest',
    options: WaitOptions,
  ): Promise<TopicPartitionOffset[]> {
    const answers = await this.#listOffsets(
      partitions.map((partition) => ({ ...partition, at })),
      options,
    );
    return partitions.map((partition, i) => ({ ...named(partition), offset: answers[i]?.offset ?? 0 }));
  }
  async forTimes(
    query: readonly (TopicPartition & { readonly timestamp: number })[],
    options: WaitOptions,
  ): Promise<((TopicPartition & { offset: number; timestamp: number }) | null)[]> {
    const answers = await this.#listOffsets(
      query.map((one) => ({ ...one, at: one.timestamp })),
      options,
    );
    return query.map((one, i) => {
      const { offset = null, timestamp = one.timestamp } = answers[i] ?? {};
      return offset === null ? null : { ...named(one), offset, timestamp };
    });
  }
  async #listOffsets(
    queries: readonly (TopicPartition & { readonly at: 'earliest' | 'latest' | number })[],
    options: WaitOptions,
  ): Promise<readonly { readonly offset: number | null; readonly timestamp?: number | undefined }[]> {
    if (queries.length === 0) return [];
    const ids = await this.#ids(queries, options);
    const { partitions } = await this.#session.request<'listOffsets'>(
      {
        type: 'listOffsets',
        isolation: this.#config.isolationLevel,
        partitions: queries.map(({ topic, partition, at }) => ({ topicId: ids.get(topic) ?? '', partition, at })),
      },
      options,
    );
    for (const [i, query] of queries.entries()) throwError(partitions[i], query);
    return partitions;
  }
  async #ids(partitions: readonly TopicPartition[], options: WaitOptions): Promise<Map<string, string>> {
    const names = [...new Set(partitions.map(({ topic }) => topic))];
    const topics = await Promise.all(names.map((name) => this.topic(name, options)));
    return new Map(topics.map(({ name, topicId }) => [name, topicId]));
  }

  async committed(groupId: string, partition: TopicPartition, options: WaitOptions): Promise<OffsetAndMetadata | null> {
    const { topicId } = await this.topic(partition.topic, options);
    const reply = await this.#session.request<'committed'>(
      { type: 'committed', groupId, partitions: [{ topicId, partition: partition.partition }] },
      options,
    );
    const answer = reply.partitions[0];
    throwError(answer, partition);
    if (answer === undefined || answer.offset === null) return null;
    const { offset, metadata, leaderEpoch } = answer;
    return leaderEpoch === undefined ? { offset, metadata } : { offset, metadata, leaderEpoch };
  }
  async topics(options: WaitOptions): Promise<TopicDescription[]> {
    return (await this.#session.topics.describe(undefined, options)).map(described);
  }
  async partitionsOf(topic: string, options: WaitOptions): Promise<PartitionDescription[]> {
    const [info] = await this.#session.topics.describe([topic], options);
    if (info === undefined) throw noTopic(topic);
    return [...described(info).partitions];
  }
}

const noTopic = (topic: string) => new LogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${topic}`, { topic });
function throwError(
  answer: { readonly error?: Parameters<typeof errorOf>[0] | undefined } | undefined,
  partition: TopicPartition,
): void {
  if (answer?.error !== undefined) throw errorOf({ ...answer.error, ...named(partition) });
}
/** The topic as applications see it. */
export function described({ name, topicId, internal, partitions }: TopicInfo): TopicDescription {
  return { name, topicId, internal, partitions: partitions.map((partition) => ({ topic: name, ...partition })) };
}
