// A Kafka cluster as a Log: puts the parts together. Knows nothing of sockets.
import { type Clock, type Random } from 'distributedlog/core';
import { type IsolationLevel, LogError, type TopicInfo } from 'distributedlog/protocol';
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
} from 'distributedlog/server';
import { Appends } from './appends.ts';
import { Cluster } from './cluster.ts';
import { KnownEnds } from './ends.ts';
import { brokerError, closed } from './errors.ts';
import { KafkaReads } from './fetch/kafka-reads.ts';
import { type KafkaGroups, kafkaGroups } from './groups/index.ts';
import { Offsets } from './offsets.ts';
import type { KafkaLogSettings } from './options.ts';
import { pause, within } from './pause.ts';
import { INIT_PRODUCER_ID } from './produce-api.ts';
import { Topics } from './topics.ts';

const PRODUCER_ID_WITHIN_MS = 5_000;
const PRODUCER_ID_RETRY_MS = 50;

export interface KafkaLogParts {
  readonly settings: KafkaLogSettings;
  readonly clock: Clock;
  readonly random: Random;
}

export class KafkaLog implements Log {
  readonly autoCreateTopics: boolean;
  readonly #cluster: Cluster;
  readonly #offsets: Offsets;
  readonly #ends: KnownEnds;
  readonly #topics: Topics;
  readonly #appends: Appends;
  readonly #reads: KafkaReads;
  readonly groups: KafkaGroups;
  #closing: Promise<void> | undefined;

  constructor({ settings, clock, random }: KafkaLogParts) {
    this.autoCreateTopics = settings.autoCreateTopics;
    this.#cluster = new Cluster(settings, clock, random);
    this.#offsets = new Offsets(this.#cluster);
    this.#ends = new KnownEnds(this.#cluster, this.#offsets);
    this.#topics = new Topics(this.#cluster, this.#ends);
    this.#appends = new Appends(this.#cluster, (partition, end) => this.#ends.wrote(partition, end));
    this.#reads = new KafkaReads(this.#cluster, this.#ends);
    this.groups = kafkaGroups({
      cluster: this.#cluster,
      clock,
      random,
      endsOf: (partitions, isolation) => this.#endsOf(partitions, isolation),
    });
  }

  /** Looks for the cluster, and goes on looking; resolves when it was found, was not, or after `ms`. */
  async firstLook(ms: number): Promise<void> {
    await within(
      this.#cluster.clock,
      ms,
      // What went wrong is what `health` says.
      this.#cluster.refresh().catch(() => undefined),
    );
  }

  /** The cluster's id; undefined until it was reached for the first time. */
  get logId(): string | undefined {
    return this.#cluster.metadata.clusterId;
  }

  topics(names?: readonly string[]): Promise<TopicInfo[]> {
    return this.#topics.list(names);
  }
  createTopic(spec: TopicSpec): Promise<TopicInfo> {
    return this.#topics.create(spec);
  }
  deleteTopic(name: string): Promise<void> {
    return this.#topics.delete(name);
  }
  onTopicsChanged(listener: Parameters<Log['onTopicsChanged']>[0]): () => void {
    return this.#topics.onChanged(listener);
  }

  async listOffsets(queries: readonly OffsetQuery[], isolation: IsolationLevel): Promise<OffsetAnswer[]> {
    this.#mustBeOpen();
    return this.#offsets.list(queries, isolation);
  }
  ends(partition: PartitionRef): PartitionEnds | undefined {
    return this.#ends.ends(partition);
  }
  read(request: ReadRequest): Promise<ReadResult> {
    return this.#reads.read(request);
  }

  async initProducer(): Promise<{ producerId: number; producerEpoch: number }> {
    this.#mustBeOpen();
    const { clock } = this.#cluster;
    const until = clock.now() + PRODUCER_ID_WITHIN_MS;
    for (;;) {
      const { errorCode, producerId, producerEpoch } = await this.#cluster.any(INIT_PRODUCER_ID);
      if (errorCode === 0) return { producerId: safe(producerId), producerEpoch };
      const error = brokerError(errorCode, 'InitProducerId');
      // A broker that has just begun fetches ids of its own first.
      if (!error.retriable || clock.now() > until) throw error;
      await pause(clock, PRODUCER_ID_RETRY_MS);
    }
  }
  append(partition: PartitionRef, batch: Uint8Array): Promise<AppendResult> {
    return this.#appends.append(partition, batch);
  }

  health(): LogError | undefined {
    return this.#closing === undefined ? this.#cluster.failure : closed();
  }
  metrics(): Readonly<Record<string, number>> {
    return { ...this.#cluster.metrics(), ...this.#appends.metrics(), ...this.#reads.metrics() };
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }
  async #shutDown(): Promise<void> {
    this.#topics.close();
    // While there are connections yet: members are left in good order, sessions of fetches are ended.
    await Promise.all([this.groups.close(), this.#reads.close()]);
    this.#ends.close();
    this.#appends.close();
    this.#cluster.close();
  }
  async #endsOf(partitions: readonly PartitionRef[], isolation: IsolationLevel) {
    const seen = await this.#offsets.ends(partitions);
    return partitions.flatMap(({ topicId, partition }, i) => {
      const ends = seen[i];
      if (ends === undefined || ends instanceof LogError) return [];
      const { logStart, lastStableOffset } = ends;
      const highWatermark = isolation === 'read_committed' ? lastStableOffset : ends.highWatermark;
      return [{ topicId, partition, logStart, highWatermark }];
    });
  }
  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}

function safe(producerId: bigint): number {
  if (producerId <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(producerId);
  throw new LogError('UNKNOWN_SERVER_ERROR', `The broker gave the producer id ${producerId}, beyond 2^53 - 1.`);
}
