import { describe, expect, it } from 'vitest';
import { Offsets } from './offsets.ts';
import { openScripted } from './test-kafka.ts';
import { API, type Listed, type ListOutcome, type Outcome, scriptedCluster } from './test-scripted-broker.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const topic = (...leaders: number[]) => ({ name: 't', topicId, leaders });
const at = (partition: number, when: 'earliest' | 'latest' | number) => ({ topicId, partition, at: when });
const NOT_LEADER = 6;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const TOPIC_AUTHORIZATION_FAILED = 29;

async function open(leaders: number[], onListOffsets: (listed: Listed) => Outcome<ListOutcome>, brokers = 1) {
  const scripted = await scriptedCluster([topic(...leaders)], brokers);
  scripted.onListOffsets = onListOffsets;
  const cluster = await openScripted(scripted);
  return { scripted, offsets: new Offsets(cluster) };
}

describe('offsets', () => {
  it('of many partitions are asked for in one request per leader, and answered in the order asked', async () => {
    const { scripted, offsets } = await open(
      [0, 1, 0, 1, 0],
      ({ broker, partition }) => ({ offset: broker * 100 + partition }),
      2,
    );
    const answers = await offsets.list(
      [4, 1, 0, 3, 2].map((partition) => at(partition, 'latest')),
      'read_committed',
    );
    expect(answers.map(({ partition, offset }) => [partition, offset])).toEqual([
      [4, 4],
      [1, 101],
      [0, 0],
      [3, 103],
      [2, 2],
    ]);
    expect(scripted.count(API.listOffsets)).toBe(2);
  });

  it('of one partition at several times are asked for in as many requests', async () => {
    const { scripted, offsets } = await open([0, 0], ({ timestamp }) => ({
      offset: Number(timestamp) + 10,
      timestamp: 7,
    }));
    const answers = await offsets.list([at(0, 'latest'), at(0, 'earliest'), at(1, 5), at(0, 5)], 'read_uncommitted');
    expect(answers.map(({ offset }) => offset)).toEqual([9, 8, 15, 15]);
    expect(scripted.count(API.listOffsets)).toBe(3);
  });

  it('times that are no whole milliseconds, or that Kafka has other uses for, mean the first record at or after them', async () => {
    const seen: bigint[] = [];
    const { offsets } = await open([0], ({ timestamp }) => {
      seen.push(timestamp);
      return { offset: -1 };
    });
    const answers = await offsets.list(
      [at(0, 1.2), at(0, -1), at(0, -2.5), at(0, Number.POSITIVE_INFINITY)],
      'read_uncommitted',
    );
    expect([...seen].sort()).toEqual([0n, 0n, 2n, BigInt(Number.MAX_SAFE_INTEGER)]);
    expect(answers.map(({ offset, timestamp }) => [offset, timestamp])).toEqual(Array(4).fill([null, undefined]));
  });

  it('one partition’s error is its own, and is told at once where another try is of no use', async () => {
    const { scripted, offsets } = await open([0, 0, 0], ({ partition }) =>
      partition === 1 ? { errorCode: TOPIC_AUTHORIZATION_FAILED } : { offset: partition === 2 ? 2 ** 60 : 3 },
    );
    const answers = await offsets.list(
      [at(0, 'latest'), at(1, 'latest'), at(2, 'latest'), at(7, 'latest')],
      'read_uncommitted',
    );
    expect(answers.map(({ offset, error }) => error?.code ?? offset)).toEqual([
      3,
      'TOPIC_AUTHORIZATION_FAILED',
      'UNKNOWN_SERVER_ERROR',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ]);
    expect(scripted.count(API.listOffsets)).toBe(1);
  });

  it('are asked for again where leaders moved, are not known to a broker yet, or hung up, and only those', async () => {
    const asked: number[] = [];
    const scripted = await scriptedCluster([topic(0, 0, 0)], 2);
    let cut = false;
    scripted.onListOffsets = ({ broker, partition }) => {
      asked.push(partition);
      if (partition === 0) return { offset: 1 };
      if (partition === 1 && broker === 0) {
        scripted.topics[0] = topic(0, 1, 0);
        return { errorCode: asked.length > 3 ? NOT_LEADER : UNKNOWN_TOPIC_OR_PARTITION };
      }
      if (broker === 1 && !cut) {
        cut = true;
        return 'cut';
      }
      return { offset: 2 };
    };
    const offsets = new Offsets(await openScripted(scripted));
    const answers = await offsets.list(
      [0, 1, 2].map((partition) => at(partition, 'latest')),
      'read_uncommitted',
    );
    expect(answers.map(({ offset }) => offset)).toEqual([1, 2, 2]);
    expect(asked.filter((partition) => partition !== 1)).toEqual([0, 2]);
  });

  it('are given up after a while, with why', async () => {
    const { offsets } = await open([0, -1], () => ({ errorCode: NOT_LEADER }));
    const answers = await offsets.list([at(0, 'latest'), at(1, 'latest')], 'read_uncommitted', 300);
    expect(answers.map(({ error }) => [error?.code, error?.retriable])).toEqual([
      ['NOT_LEADER_OR_FOLLOWER', true],
      ['LEADER_NOT_AVAILABLE', true],
    ]);
  });

  it('ends: where it begins, what all may read and what is stable', async () => {
    const { offsets } = await open([0, 0], ({ timestamp, isolation, partition }) =>
      partition === 1
        ? { errorCode: TOPIC_AUTHORIZATION_FAILED }
        : { offset: timestamp === -2n ? 3 : isolation === 1 ? 8 : 9 },
    );
    const [ends, error] = await offsets.ends([0, 1].map((partition) => ({ topicId, partition })));
    expect(ends).toEqual({ logStart: 3, highWatermark: 9, lastStableOffset: 8, leaderEpoch: 0 });
    expect(error).toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' });
  });
});
