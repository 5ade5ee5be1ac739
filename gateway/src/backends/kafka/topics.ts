// The cluster's topics with their ends: finding, creating, deleting, and news of them. Knows nothing of records.
import { createTopicsV7, deleteTopicsV6 } from '@platformatic/kafka';
import { LogError, type TopicInfo } from 'distributedlog/protocol';
import {
  checkTopicName,
  isInternalTopic,
  type Log,
  MAX_PARTITIONS,
  type PartitionEnds,
  type PartitionRef,
  type TopicSpec,
} from 'distributedlog/server';
import { answered, apiFamily } from './api-family.ts';
import { METADATA } from './apis.ts';
import type { Cluster } from './cluster.ts';
import type { KnownEnds } from './ends.ts';
import { brokerError } from './errors.ts';
import type { Metadata, TopicMetadata } from './metadata.ts';
import { pause, within } from './pause.ts';

const CREATE_TOPICS = apiFamily('CreateTopics', createTopicsV7.api.key, { 7: answered(createTopicsV7.api) });
const DELETE_TOPICS = apiFamily('DeleteTopics', deleteTopicsV6.api.key, { 6: answered(deleteTopicsV6.api) });

type TopicsListener = Parameters<Log['onTopicsChanged']>[0];

/** How long an answer or news of topics waits for where their partitions end. */
const ENDS_WITHIN_MS = 5_000;
/** How long partitions that cannot be asked now, such as those without a leader, hold up the others. */
const ENDS_RETRY_MS = 1_000;
const SETTLED_CHECK_MIN_MS = 10;
const SETTLED_CHECK_MAX_MS = 500;
const MAX_REPLICAS = 32_767;

export class Topics {
  readonly #cluster: Cluster;
  readonly #ends: KnownEnds;
  readonly #listeners = new Set<TopicsListener>();
  /** Everything told so far is told when this resolves: news stay in the order in which they happened. */
  #telling: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, ends: KnownEnds) {
    this.#cluster = cluster;
    this.#ends = ends;
    cluster.onMetadata((now, before) => this.#onMetadata(now, before));
  }

  /** Those that may not be described are not among all; TOPIC_AUTHORIZATION_FAILED where they are asked for by name. */
  async list(names?: readonly string[]): Promise<TopicInfo[]> {
    const { metadata } = this.#cluster;
    const known = names?.every((name) => metadata.byName.has(name)) === true;
    const { byName } = known ? metadata : await this.#cluster.refresh();
    const missing = names?.filter((name) => !byName.has(name)) ?? [];
    if (missing.length > 0) await this.#refuseForbidden(missing);
    const found = [...new Set(names ?? [...byName.keys()].sort())].flatMap((name) => byName.get(name) ?? []);
    return this.#describe(found);
  }

  async create(spec: TopicSpec): Promise<TopicInfo> {
    const { defaultPartitions, requestTimeoutMs } = this.#cluster.settings;
    checkSpec(spec);
    const { name, config = {} } = spec;
    const request = {
      name,
      // −1: as the brokers are configured.
      numPartitions: spec.partitions ?? defaultPartitions ?? -1,
      replicationFactor: spec.replicationFactor ?? -1,
      assignments: [],
      configs: Object.entries(config).map(([key, value]) => ({ name: key, value })),
    };
    const answer = await this.#cluster.controller(({ topics }) => topics[0]?.errorCode ?? 0, CREATE_TOPICS, [
      [request],
      requestTimeoutMs,
      false,
    ]);
    const [made] = answer.topics;
    if (made === undefined || made.errorCode !== 0) {
      throw brokerError(made?.errorCode ?? -1, `Topic "${name}" was not created`, { topic: name }, made?.errorMessage);
    }
    const topic = await this.#settled(`Topic "${name}" is being created.`, name, ({ byId }) => {
      const seen = byId.get(made.topicId);
      return seen?.partitions.every(({ leader }) => leader >= 0) === true ? seen : undefined;
    });
    const [info] = await this.#describe([topic]);
    if (info === undefined)
      throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `Topic "${name}" was deleted.`, { topic: name });
    return info;
  }

  async delete(name: string): Promise<void> {
    const { requestTimeoutMs } = this.#cluster.settings;
    checkTopicName(name);
    const answer = await this.#cluster.controller(({ responses }) => responses[0]?.errorCode ?? 0, DELETE_TOPICS, [
      [{ name }],
      requestTimeoutMs,
    ]);
    const [gone] = answer.responses;
    if (gone === undefined || gone.errorCode !== 0) {
      throw brokerError(gone?.errorCode ?? -1, `Topic "${name}" was not deleted`, { topic: name }, gone?.errorMessage);
    }
    const { topicId } = gone;
    await this.#settled(`Topic "${name}" is being deleted.`, name, ({ byId }) =>
      byId.has(topicId) ? undefined : true,
    );
  }

  onChanged(listener: TopicsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  /** Looks at the cluster until `find` finds what was asked for, and until it was told to whoever listens. */
  async #settled<T>(about: string, topic: string, find: (metadata: Metadata) => T | undefined): Promise<T> {
    const { clock, settings } = this.#cluster;
    const until = clock.now() + settings.requestTimeoutMs;
    for (let waitMs = SETTLED_CHECK_MIN_MS; ; waitMs = Math.min(waitMs * 2, SETTLED_CHECK_MAX_MS)) {
      const found = find(await this.#cluster.refresh());
      await this.#telling;
      if (found !== undefined) return found;
      if (clock.now() + waitMs > until) throw new LogError('REQUEST_TIMED_OUT', about, { topic });
      await pause(clock, waitMs);
    }
  }

  /** The list of all topics says nothing of those that it leaves out. */
  async #refuseForbidden(names: readonly string[]): Promise<void> {
    const { topics } = await this.#cluster.any(METADATA, names);
    for (const { name, errorCode } of topics) {
      const error = brokerError(errorCode, `Topic "${name}"`, { topic: name ?? undefined });
      if (error.code === 'TOPIC_AUTHORIZATION_FAILED') throw error;
    }
  }

  #onMetadata(now: Metadata, before: Metadata): void {
    if (this.#listeners.size === 0) return;
    const { changed, deleted } = now.changesSince(before);
    if (changed.length === 0 && deleted.length === 0) return;
    const listeners = [...this.#listeners];
    this.#telling = this.#telling.then(async () => {
      const change = { changed: await this.#describe(changed, true), deleted };
      for (const listener of listeners) if (this.#listeners.has(listener)) listener(change);
    });
  }

  /** Rejects only where nothing at all is known of any partition; `anyway`: never. */
  async #describe(topics: readonly TopicMetadata[], anyway = false): Promise<TopicInfo[]> {
    const refs = topics.flatMap(({ topicId, partitions }) =>
      partitions.map(({ partition }): PartitionRef => ({ topicId, partition })),
    );
    const retryForMs = anyway ? 0 : ENDS_RETRY_MS;
    const looked = await within(this.#cluster.clock, ENDS_WITHIN_MS, this.#ends.look(refs, retryForMs));
    const ends = new Map<string, PartitionEnds>();
    let failure: LogError | undefined;
    refs.forEach(({ topicId, partition }, i) => {
      const seen = looked?.[i] ?? this.#ends.ends({ topicId, partition });
      if (seen instanceof LogError) failure ??= seen;
      else if (seen !== undefined) ends.set(`${topicId}/${partition}`, seen);
    });
    if (!anyway && failure !== undefined && ends.size === 0) throw failure;
    return topics.map(({ name, topicId, internal, partitions }) => ({
      name,
      topicId,
      internal: internal || isInternalTopic(name),
      partitions: partitions.map(({ partition, leaderEpoch }) => {
        // A partition without a leader must not hide the others.
        const of = ends.get(`${topicId}/${partition}`);
        const { logStart, highWatermark, lastStableOffset } = of ?? NOTHING_KNOWN;
        return { partition, logStart, highWatermark, lastStableOffset, leaderEpoch: of?.leaderEpoch ?? leaderEpoch };
      }),
    }));
  }
}

const NOTHING_KNOWN = { logStart: 0, highWatermark: 0, lastStableOffset: 0 };

/** What is plainly wrong is said here, in the words of every log; the rest is the brokers' to say. */
function checkSpec({ name, partitions, replicationFactor }: TopicSpec): void {
  checkTopicName(name);
  if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS)) {
    throw new LogError(
      'INVALID_PARTITIONS',
      `Topic "${name}" cannot have ${partitions} partitions: 1 to ${MAX_PARTITIONS} are allowed.`,
      { topic: name },
    );
  }
  const replicas = replicationFactor ?? -1;
  if (replicas !== -1 && !(Number.isInteger(replicas) && replicas >= 1 && replicas <= MAX_REPLICAS)) {
    throw new LogError(
      'INVALID_REPLICATION_FACTOR',
      `Topic "${name}" cannot have ${replicas} replicas: at least 1, or -1 for as many as the brokers are configured to make.`,
      { topic: name },
    );
  }
}
