// Commits to a coordinator in memory: their order, what is tried again, and what is not sent at all.
import { LogError } from 'distributedlog/protocol';
import type { CommitAnswer } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import { describe, expect, it } from 'vitest';
import type { ApiFamily } from '../api-family.ts';
import { Metadata } from '../metadata.ts';
import { parseKafkaLogOptions } from '../options.ts';
import type { CommitRequest, CommitResponse, FetchResponse } from './offset-requests.ts';
import { type Committer, GroupOffsets, type OffsetsCluster } from './offsets.ts';

const CODES = {
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LOADING: 14,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE: 27,
  STALE: 113,
  UNSTABLE: 88,
};
const settings = parseKafkaLogOptions({ brokers: ['none'], requestTimeoutMs: 5_000 });
const LATENCY_MS = 5;

class Bench {
  readonly clock = new ManualClock();
  readonly commits: CommitRequest[] = [];
  /** Of the next answers: by partition, else of all partitions. */
  codes: (number | Record<number, number>)[] = [];
  fetches: FetchResponse[] = [];
  /** How many commits had come before each fetch. */
  readonly fetchedAfter: number[] = [];
  readonly offsets: GroupOffsets;
  epoch = 3;
  owned = new Set([0, 1]);
  refreshed = 0;
  onRefresh = (): void => undefined;

  constructor() {
    const metadata = new Metadata({
      brokers: [],
      controllerId: 0,
      topics: [
        {
          name: 't',
          topicId: 'id',
          errorCode: 0,
          isInternal: false,
          partitions: [0, 1, 2].map((partitionIndex) => ({ partitionIndex, leaderId: 0, leaderEpoch: 0 })),
        },
      ],
    });
    const cluster: OffsetsCluster = {
      settings,
      metadata,
      refresh: async () => metadata,
      coordinator: async <Args extends readonly unknown[], Answer>(
        _group: string,
        _purpose: string,
        _codeOf: (answer: Answer) => number,
        family: ApiFamily<Args, Answer>,
        args: Args,
      ): Promise<Answer> => {
        await new Promise<void>((resolve) => this.clock.after(LATENCY_MS, resolve));
        // What the family's requests are answered with is what is answered here.
        if (family.name === 'OffsetCommit') return this.#commit(args[0] as CommitRequest) as Answer;
        this.fetchedAfter.push(this.commits.length);
        return this.fetches.shift() as Answer;
      },
    };
    this.offsets = new GroupOffsets(cluster, this.clock);
  }

  #commit(request: CommitRequest): CommitResponse {
    this.commits.push(request);
    const codes = this.codes.shift() ?? 0;
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: typeof codes === 'number' ? codes : (codes[partitionIndex] ?? 0),
        })),
      })),
    };
  }

  readonly member: Committer = (() => {
    const bench = this;
    return {
      memberId: 'm',
      instanceId: 'i',
      isGone: false,
      driver: {
        memberId: 'as the coordinator says',
        get memberEpoch() {
          return bench.epoch;
        },
        owns: ({ partition }) => bench.owned.has(partition),
        refresh: async () => {
          bench.refreshed++;
          bench.onRefresh();
        },
      },
    };
  })();

  commit(offset: number, partitions: readonly number[] = [0], member: Committer | undefined = this.member) {
    return this.offsets.commit(
      'g',
      member,
      partitions.map((partition) => ({ topicId: 'id', partition, offset })),
    );
  }
  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
  /** Offsets of every request, in the order they came. */
  sent(): number[][] {
    return this.commits.map(({ topics }) =>
      topics.flatMap(({ partitions }) => partitions.map(({ committedOffset }) => Number(committedOffset))),
    );
  }
}
const codesOf = (answers: readonly CommitAnswer[]) => answers.map(({ error }) => error?.code ?? 'ok');
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LogError ? error.code : String(error)),
  );

describe('commits', () => {
  it('of a member carry what the coordinator calls it, its newest epoch and its instance id; others none of them', async () => {
    const bench = new Bench();
    await bench.run(bench.commit(1));
    await bench.run(bench.offsets.commit('g', undefined, [{ topicId: 'id', partition: 0, offset: 2 }]));
    expect(bench.commits.map(({ memberId, memberEpoch, instanceId }) => [memberId, memberEpoch, instanceId])).toEqual([
      ['as the coordinator says', 3, 'i'],
      ['', -1, null],
    ]);
  });

  it('of one member go one after the other: none that is tried again overtakes a later one', async () => {
    const bench = new Bench();
    bench.codes = [0, CODES.LOADING, CODES.LOADING, 0];
    const commits = [bench.commit(1), bench.commit(2), bench.commit(3)];
    await bench.run(Promise.all(commits));
    expect(bench.sent()).toEqual([[1], [2], [2], [2], [3]]);
  });

  it('that look for a topic first are not overtaken by the next: none goes back', async () => {
    const bench = new Bench();
    const first = bench.offsets.commit('g', bench.member, [
      { topicId: 'gone', partition: 0, offset: 1 },
      { topicId: 'id', partition: 0, offset: 1 },
    ]);
    const [answers] = await bench.run(Promise.all([first, bench.commit(2)]));
    expect([codesOf(answers), bench.sent()]).toEqual([
      ['UNKNOWN_TOPIC_ID', 'ok'],
      [[1], [2]],
    ]);
  });

  it('after one that failed are sent all the same', async () => {
    const bench = new Bench();
    bench.codes = [CODES.UNKNOWN_MEMBER_ID];
    const commits = [codeOf(bench.commit(1)), codeOf(bench.commit(2))];
    expect(await bench.run(Promise.all(commits))).toEqual(['UNKNOWN_MEMBER_ID', 'resolved']);
  });

  it('with an epoch that is not the newest any more are sent again with that one', async () => {
    const bench = new Bench();
    bench.codes = [CODES.STALE];
    bench.onRefresh = () => {
      bench.epoch = 4;
    };
    expect(codesOf(await bench.run(bench.commit(7)))).toEqual(['ok']);
    expect([bench.refreshed, bench.commits.map(({ memberEpoch }) => memberEpoch)]).toEqual([1, [3, 4]]);
  });

  it('are not sent again for what the member gave up meanwhile', async () => {
    const bench = new Bench();
    bench.codes = [CODES.REBALANCE];
    bench.onRefresh = () => bench.owned.delete(0);
    expect(codesOf(await bench.run(bench.commit(7, [0, 1])))).toEqual(['FENCED_MEMBER_EPOCH', 'ok']);
    expect(bench.sent()).toEqual([[7, 7], [7]]);
  });

  it('that waited for their turn are not sent for what the member gave up meanwhile', async () => {
    const bench = new Bench();
    const commits = [bench.commit(1), bench.commit(2)];
    bench.owned.delete(0);
    const [, second] = await bench.run(Promise.all(commits));
    expect(codesOf(second ?? [])).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(bench.sent()).toEqual([[1]]);
  });

  it('fail one by one where one is refused, and are not sent where they are wrong', async () => {
    const bench = new Bench();
    bench.codes = [{ 1: CODES.UNKNOWN_TOPIC_OR_PARTITION }];
    expect(codesOf(await bench.run(bench.commit(7, [0, 1, 2, 9])))).toEqual([
      'ok',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'FENCED_MEMBER_EPOCH',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ]);
    expect(codesOf(await bench.run(bench.commit(-1)))).toEqual(['INVALID_REQUEST']);
    expect(bench.commits).toHaveLength(1);
  });

  it('end with the error when it does not pass in time', async () => {
    const bench = new Bench();
    bench.codes = Array.from({ length: 1_000 }, () => CODES.LOADING);
    const started = bench.clock.now();
    expect(await bench.run(codeOf(bench.commit(1)))).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    expect(bench.clock.now() - started).toBeLessThan(6_000);
    expect(bench.clock.pending).toBe(0);
  });
});

describe('committed offsets', () => {
  const answer = (errorCode: number, committedOffset: bigint, metadata: string | null = ''): FetchResponse => ({
    groups: [
      {
        groupId: 'g',
        errorCode: 0,
        topics: [
          {
            name: 't',
            partitions: [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, metadata, errorCode }],
          },
        ],
      },
    ],
  });
  const ref = { topicId: 'id', partition: 0 };

  it('are those of commits made before', async () => {
    const bench = new Bench();
    bench.fetches = [answer(0, 1n)];
    bench.codes = [CODES.LOADING];
    const commit = bench.commit(1);
    const committed = bench.offsets.committed('g', [ref]);
    await bench.run(Promise.all([commit, committed]));
    expect((await committed)[0]).toMatchObject({ offset: 1, metadata: '' });
    expect(bench.fetchedAfter).toEqual([2]);
  });

  it('that a transaction is about to change are waited for', async () => {
    const bench = new Bench();
    bench.fetches = [answer(CODES.UNSTABLE, -1n), answer(CODES.UNSTABLE, -1n), answer(0, 9n, null)];
    expect(await bench.run(bench.offsets.committed('g', [ref]))).toMatchObject([{ offset: 9, metadata: '' }]);
  });

  it('are null where there is none, an error where they cannot be told, never rounded', async () => {
    const bench = new Bench();
    bench.fetches = [answer(0, -1n), answer(29, -1n), answer(0, 2n ** 60n)];
    const outcomes = [];
    for (let i = 0; i < 3; i++) {
      const [one] = await bench.run(bench.offsets.committed('g', [ref]));
      outcomes.push([one?.offset, one?.error?.code]);
    }
    expect(outcomes).toEqual([
      [null, undefined],
      [null, 'TOPIC_AUTHORIZATION_FAILED'],
      [null, 'OFFSET_OUT_OF_RANGE'],
    ]);
    expect(await bench.run(bench.offsets.committed('g', [{ ...ref, topicId: 'gone' }]))).toMatchObject([
      { topicId: 'gone', offset: null, metadata: '' },
    ]);
  });
});
