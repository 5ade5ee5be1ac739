// Conformance cases of the Log port: committed offsets. Data only; asserts by throwing.
import type { CommittedOffset, Log, PartitionRef } from '../server/index.ts';
import { at, equal, type LogCase, rejects } from './log-case-kit.ts';

const plain = (answers: readonly CommittedOffset[]) =>
  answers.map((a) => [a.offset, a.metadata, a.leaderEpoch ?? null]);
async function commit(log: Log, groupId: string, ref: PartitionRef, offset: number, metadata?: string) {
  const answers = await log.groups.commit(groupId, undefined, [{ ...ref, offset, metadata }]);
  for (const { error } of answers) if (error !== undefined) throw error;
}

export const groupCases: readonly LogCase[] = [
  {
    name: 'a group that never committed has no offset',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      equal(plain(await log.groups.committed('g', [at(topic)])), [[null, '', null]], 'committed');
      await rejects(log.groups.describe('g'), 'GROUP_ID_NOT_FOUND');
    },
  },
  {
    name: 'commits come back as they were made, the latest of each partition, each group alone',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', partitions: 3 });
      await commit(log, 'g', at(topic, 0), 5, 'five');
      await commit(log, 'g', at(topic, 0), 3, 'thréé ✓');
      await log.groups.commit('g', undefined, [{ ...at(topic, 1), offset: 9, leaderEpoch: 2 }]);
      await commit(log, 'h', at(topic, 0), 1);
      equal(
        plain(await log.groups.committed('g', [at(topic, 1), at(topic, 0), at(topic, 2)])),
        [
          [9, '', 2],
          [3, 'thréé ✓', null],
          [null, '', null],
        ],
        'committed of g',
      );
      equal(plain(await log.groups.committed('h', [at(topic, 0)])), [[1, '', null]], 'committed of h');
    },
  },
  {
    name: 'commits made at once take effect in their order',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await Promise.all(Array.from({ length: 50 }, (_, i) => commit(log, 'g', at(topic), i)));
      equal(plain(await log.groups.committed('g', [at(topic)])), [[49, '', null]], 'committed');
    },
  },
  {
    name: 'one group whose name begins like another’s keeps its own commits',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await commit(log, 'group', at(topic), 1);
      await commit(log, 'group-2', at(topic), 2);
      await commit(log, 'grou', at(topic), 3);
      for (const [groupId, offset] of [
        ['group', 1],
        ['group-2', 2],
        ['grou', 3],
      ] as const)
        equal(plain(await log.groups.committed(groupId, [at(topic)])), [[offset, '', null]], groupId);
      equal((await log.groups.list()).map((g) => g.groupId).sort(), ['grou', 'group', 'group-2'], 'groups');
    },
  },
  {
    name: 'an unknown partition fails alone, the others are committed',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const answers = await log.groups.commit('g', undefined, [
        { ...at(topic, 4), offset: 1 },
        { ...at(topic), offset: 2 },
      ]);
      equal(
        answers.map((a) => a.error?.code ?? 'ok'),
        ['UNKNOWN_TOPIC_OR_PARTITION', 'ok'],
        'answers',
      );
      equal(plain(await log.groups.committed('g', [at(topic)])), [[2, '', null]], 'committed');
    },
  },
  {
    name: 'deleting a topic deletes its commits, also for a new topic of that name',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const other = await log.createTopic({ name: 'other' });
      await commit(log, 'g', at(topic), 5);
      await commit(log, 'g', at(other), 6);
      await commit(log, 'only-t', at(topic), 7);
      await log.deleteTopic('t');
      const again = await log.createTopic({ name: 't' });
      equal(plain(await log.groups.committed('g', [at(again)])), [[null, '', null]], 'of the new topic');
      equal(plain(await log.groups.committed('g', [at(other)])), [[6, '', null]], 'of the other topic');
      equal(
        (await log.groups.list()).map((g) => g.groupId),
        ['g'],
        'groups',
      );
    },
  },
];
