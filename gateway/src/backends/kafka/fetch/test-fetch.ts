// What tests of reading share: topics, producers that nobody here wrote, and reads with everything they need. Knows nothing of what is tested.
import { Producer, stringSerializers } from '@platformatic/kafka';
import type { ReadRequest, ReadResult } from 'distributedlog/server';
import { onTestFinished } from 'vitest';
import type { Cluster } from '../cluster.ts';
import { KnownEnds } from '../ends.ts';
import { Offsets } from '../offsets.ts';
import { brokers, openCluster, unique } from '../test-kafka.ts';
import { Topics } from '../topics.ts';
import type { FetchLimits } from './broker-reads.ts';
import { KafkaReads } from './kafka-reads.ts';

export interface Bench {
  readonly cluster: Cluster;
  readonly topics: Topics;
  readonly reads: KafkaReads;
  readonly ends: KnownEnds;
  /** A topic of one partition, or more. */
  topic(options?: { partitions?: number; config?: Record<string, string> }): Promise<{ name: string; topicId: string }>;
}

export async function openReads(limits: Partial<FetchLimits> = {}): Promise<Bench> {
  const cluster = await openCluster();
  const ends = new KnownEnds(cluster, new Offsets(cluster));
  const topics = new Topics(cluster, ends);
  const reads = new KafkaReads(cluster, ends, limits);
  onTestFinished(async () => {
    await reads.close();
    ends.close();
  });
  return {
    cluster,
    topics,
    reads,
    ends,
    topic: async ({ partitions = 1, config = {} } = {}) => {
      const { name, topicId } = await topics.create({ name: unique('fetch'), partitions, config });
      return { name, topicId };
    },
  };
}

export async function openProducer(options: { transactionalId?: string } = {}) {
  const producer = new Producer({
    clientId: 'test-fetch',
    bootstrapBrokers: [...brokers],
    serializers: stringSerializers,
    retryDelay: 20,
    ...(options.transactionalId === undefined ? {} : { ...options, idempotent: true }),
  });
  onTestFinished(() => producer.close());
  return producer;
}

/** A read from there on that takes what there is and waits for nothing. */
export function from(topicId: string, offset: number, rest: Partial<ReadRequest> = {}): ReadRequest {
  return {
    topicId,
    partition: 0,
    offset,
    isolation: 'read_uncommitted',
    maxBytes: 1024 * 1024,
    minBytes: 1,
    maxWaitMs: 0,
    headroom: 16,
    ...rest,
  };
}

export function bytesOf({ buffer, batchBytes }: ReadResult, headroom = 16): Buffer {
  return Buffer.from(buffer.subarray(headroom, headroom + batchBytes));
}
