// Where partitions begin and end, and which offset belongs to a time: asked of the leaders, in few requests. Keeps nothing.
import { listOffsetsV5, listOffsetsV6, listOffsetsV7, listOffsetsV8, listOffsetsV9 } from '@platformatic/kafka';
import { type ErrorCode, type IsolationLevel, LogError } from 'distributedlog/protocol';
import type { OffsetAnswer, OffsetQuery, PartitionEnds, PartitionRef } from 'distributedlog/server';
import { answered, apiFamily, type Send } from './api-family.ts';
import type { Cluster, Leader } from './cluster.ts';
import { ASK_AGAIN, brokerError, toLogError } from './errors.ts';
import { Metadata } from './metadata.ts';
import { pause } from './pause.ts';

interface TopicToList {
  readonly name: string;
  readonly partitions: { partitionIndex: number; currentLeaderEpoch: number; timestamp: bigint }[];
}
interface ListedOffsets {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly errorCode: number;
      /** −1, as the next two: there is none. */
      readonly timestamp: bigint;
      readonly offset: bigint;
      readonly leaderEpoch: number;
    }[];
  }[];
}
const ANY_REPLICA = -1;
const ISOLATION = { read_uncommitted: 0, read_committed: 1 } as const;
const listOffsets = (
  send: Send<[number, number, TopicToList[]], ListedOffsets>,
): Send<[IsolationLevel, TopicToList[]], ListedOffsets> => {
  return (connection, isolation, topics) => send(connection, ANY_REPLICA, ISOLATION[isolation], topics);
};
const LIST_OFFSETS = apiFamily('ListOffsets', listOffsetsV9.api.key, {
  5: listOffsets(answered(listOffsetsV5.api)),
  6: listOffsets(answered(listOffsetsV6.api)),
  7: listOffsets(answered(listOffsetsV7.api)),
  8: listOffsets(answered(listOffsetsV8.api)),
  9: listOffsets(answered(listOffsetsV9.api)),
});

/** A lookup that met one of these is tried again for this long; then who asked hears of it, and may ask again. */
const RETRY_FOR_MS = 5_000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 500;
const LOOK_AGAIN: ReadonlySet<ErrorCode> = new Set([...ASK_AGAIN]);

interface Asked {
  readonly index: number;
  readonly query: OffsetQuery;
  readonly timestamp: bigint;
}
interface Located extends Asked {
  readonly leader: Leader;
}

export class Offsets {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** In the order asked, errors included; never rejects. */
  async list(
    queries: readonly OffsetQuery[],
    isolation: IsolationLevel,
    retryForMs = RETRY_FOR_MS,
  ): Promise<OffsetAnswer[]> {
    const { clock, metadata } = this.#cluster;
    // A cluster that was never found has nobody to ask soon.
    const until = metadata === Metadata.NONE ? Number.NEGATIVE_INFINITY : clock.now() + retryForMs;
    const answers: OffsetAnswer[] = [];
    let asked = queries.map((query, index): Asked => ({ query, index, timestamp: timestampOf(query.at) }));
    for (let attempt = 0; ; attempt++) {
      await this.#round(asked, isolation, answers);
      asked = asked.filter(({ index }) => {
        const error = answers[index]?.error;
        return error !== undefined && LOOK_AGAIN.has(error.code);
      });
      const waitMs = Math.min(RETRY_MIN_MS * 2 ** attempt, RETRY_MAX_MS);
      if (asked.length === 0 || clock.now() + waitMs > until || this.#cluster.closed) return answers;
      this.#cluster.refreshSoon();
      await pause(clock, waitMs);
    }
  }

  /** Of each partition its ends, or why they are not to be had; never rejects. */
  async ends(refs: readonly PartitionRef[], retryForMs = RETRY_FOR_MS): Promise<(PartitionEnds | LogError)[]> {
    const all = (at: 'earliest' | 'latest', isolation: IsolationLevel) =>
      this.list(
        refs.map(({ topicId, partition }) => ({ topicId, partition, at })),
        isolation,
        retryForMs,
      );
    const [starts, highWatermarks, stables] = await Promise.all([
      all('earliest', 'read_uncommitted'),
      all('latest', 'read_uncommitted'),
      all('latest', 'read_committed'),
    ]);
    return refs.map((_, i): PartitionEnds | LogError => {
      const parts = [starts[i], highWatermarks[i], stables[i]];
      const error = parts.find((part) => part?.error !== undefined)?.error;
      if (error !== undefined) return error;
      const [logStart, highWatermark, stable] = parts.map((part) => part?.offset ?? 0);
      const end = highWatermark ?? 0;
      return {
        logStart: logStart ?? 0,
        highWatermark: end,
        // Asked for at different moments: what is stable cannot be beyond what is there.
        lastStableOffset: Math.min(stable ?? 0, end),
        leaderEpoch: highWatermarks[i]?.leaderEpoch ?? 0,
      };
    });
  }

  async #round(asked: readonly Asked[], isolation: IsolationLevel, answers: OffsetAnswer[]): Promise<void> {
    await this.#cluster.lookFor(asked.map(({ query }) => query));
    const byRequest = new Map<string, Located[]>();
    const seen = new Map<string, number>();
    for (const one of asked) {
      const { topicId, partition } = one.query;
      try {
        const leader = this.#cluster.leaderOf(one.query);
        // A request may name a partition once: another time of the same one goes into another request.
        const key = `${topicId}/${partition}`;
        const times = seen.get(key) ?? 0;
        seen.set(key, times + 1);
        const request = `${leader.leader}/${times}`;
        const of = byRequest.get(request);
        if (of === undefined) byRequest.set(request, [{ ...one, leader }]);
        else of.push({ ...one, leader });
      } catch (error) {
        answers[one.index] = failed(one, error);
      }
    }
    await Promise.all([...byRequest.values()].map((located) => this.#ask(located, isolation, answers)));
  }

  async #ask(located: readonly Located[], isolation: IsolationLevel, answers: OffsetAnswer[]): Promise<void> {
    const [first] = located;
    if (first === undefined) return;
    const topics = new Map<string, TopicToList>();
    for (const { leader, timestamp } of located) {
      const { name } = leader.topic;
      const topic = topics.get(name) ?? { name, partitions: [] };
      topics.set(name, topic);
      topic.partitions.push({
        partitionIndex: leader.partition,
        currentLeaderEpoch: leader.leaderEpoch,
        timestamp,
      });
    }
    try {
      const link = this.#cluster.link(first.leader.leader, 'offsets');
      const answer = await link.request(LIST_OFFSETS, isolation, [...topics.values()]);
      const byPartition = new Map(
        answer.topics.flatMap(({ name, partitions }) =>
          partitions.map((one) => [`${name}/${one.partitionIndex}`, one]),
        ),
      );
      for (const one of located) {
        answers[one.index] = answerOf(one, byPartition.get(`${one.leader.topic.name}/${one.leader.partition}`));
      }
    } catch (error) {
      for (const one of located) answers[one.index] = failed(one, error);
    }
  }
}

type Found = ListedOffsets['topics'][number]['partitions'][number];

function answerOf(asked: Located, found: Found | undefined): OffsetAnswer {
  const { topicId, partition } = asked.query;
  const topic = asked.leader.topic.name;
  const about = `Offsets of partition ${partition} of topic "${topic}"`;
  if (found === undefined) {
    return failed(
      asked,
      new LogError('BROKER_NOT_AVAILABLE', `${about}: the broker left it out.`, { topic, partition }),
    );
  }
  const { errorCode, offset, timestamp, leaderEpoch } = found;
  if (errorCode !== 0) {
    const error = brokerError(errorCode, about, { topic, partition });
    // The topic is there, as far as the cluster says: this broker does not know yet.
    const isYoung = error.code === 'UNKNOWN_TOPIC_OR_PARTITION';
    return failed(asked, isYoung ? new LogError('NOT_LEADER_OR_FOLLOWER', error.message, { topic, partition }) : error);
  }
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) {
    const message = `${about}: offset ${offset} is beyond 2^53 - 1.`;
    return failed(asked, new LogError('UNKNOWN_SERVER_ERROR', message, { topic, partition }));
  }
  return {
    topicId,
    partition,
    offset: offset < 0n ? null : Number(offset),
    timestamp: timestamp < 0n ? undefined : Number(timestamp),
    leaderEpoch: leaderEpoch < 0 ? undefined : leaderEpoch,
  };
}

function failed({ query: { topicId, partition } }: Asked, error: unknown): OffsetAnswer {
  return { topicId, partition, offset: null, error: toLogError(error, 'ListOffsets') };
}

/** Kafka has names for the ends among the negative times. */
function timestampOf(at: OffsetQuery['at']): bigint {
  if (at === 'latest') return -1n;
  if (at === 'earliest') return -2n;
  return BigInt(Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.ceil(at))));
}
