// Conformance cases of the Log port: committed offsets, and members. Data only; asserts by throwing.
import type { Assignment, CommittedOffset, JoinRequest, Log, Membership, PartitionRef } from '../server/index.ts';
import { assert, at, equal, type LogCase, rejects } from './log-case-kit.ts';

const plain = (answers: readonly CommittedOffset[]) =>
  answers.map((a) => [a.offset, a.metadata, a.leaderEpoch ?? null]);
async function commit(log: Log, groupId: string, ref: PartitionRef, offset: number, metadata?: string) {
  const answers = await log.groups.commit(groupId, undefined, [{ ...ref, offset, metadata }]);
  for (const { error } of answers) if (error !== undefined) throw error;
}

interface Member {
  readonly membership: Membership;
  readonly instanceId: string | undefined;
  /** What it was last told, by answer or push. */
  told(): Assignment;
  /** The next push, or the last one that came and was not awaited. */
  pushed(): Promise<Assignment>;
}
async function join(log: Log, request: Partial<JoinRequest> = {}): Promise<Member> {
  const pushes: Assignment[] = [];
  let awaited = 0;
  let wake = (): void => undefined;
  const membership = await log.groups.join(
    {
      groupId: 'g',
      clientId: 'case',
      topics: ['t'],
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      maxPollIntervalMs: 300_000,
      ...request,
    },
    {
      onAssignment(assignment) {
        pushes.push(assignment);
        wake();
      },
      onFenced: () => undefined,
      onTakenOver: () => undefined,
    },
  );
  const { memberEpoch, partitions } = membership;
  const told = () => pushes.at(-1) ?? { memberEpoch, partitions };
  return {
    membership,
    instanceId: request.instanceId,
    told,
    async pushed() {
      while (pushes.length <= awaited) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      awaited = pushes.length;
      return told();
    },
  };
}
const letGo = ({ membership, told }: Member) => membership.owned(told().memberEpoch, told().partitions);
const resume = (log: Log, { membership: { memberId, resumeToken }, instanceId }: Member) =>
  join(log, { memberId, resumeToken, instanceId });
const numbersOf = ({ partitions }: Assignment) => partitions.flatMap((of) => of.partitions);

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
  {
    name: 'a member is taken up with its token after the log was closed and opened again, and has what it had',
    needs: 'reopen',
    async run({ create, reopen }) {
      const log = await create();
      await log.createTopic({ name: 't', partitions: 4 });
      const members = [await join(log), await join(log, { instanceId: 'i' })];
      await members[0]?.pushed();
      for (const member of members) letGo(member);
      await members[1]?.pushed();
      assert(reopen !== undefined, 'it can be opened again');
      const again = await reopen(log);
      const { members: kept } = await again.groups.describe('g');
      equal(
        kept.map(({ assignment }) => assignment.length),
        [2, 2],
        'what members have',
      );
      for (const member of members) {
        const back = await resume(again, member);
        equal(back.membership.memberId, member.membership.memberId, 'who it is');
        equal(back.told().partitions, member.told().partitions, 'what it is told');
        assert(back.told().memberEpoch >= member.told().memberEpoch, 'its epoch is older');
      }
      await rejects(join(again, { memberId: 'another', resumeToken: 'x' }), 'UNKNOWN_MEMBER_ID');
    },
  },
  {
    name: 'after the log was opened again a member whose client does not come back is gone in its sessionTimeoutMs',
    needs: 'reopen',
    async run({ create, reopen, clock }) {
      const log = await create();
      await log.createTopic({ name: 't' });
      await join(log, { sessionTimeoutMs: 5_000 });
      assert(reopen !== undefined, 'it can be opened again');
      const again = await reopen(log);
      const newcomer = await join(again);
      equal(numbersOf(newcomer.told()), [], 'what the newcomer has');
      clock.advance(5_000);
      equal(numbersOf(await newcomer.pushed()), [0], 'what it has then');
    },
  },
  {
    name: 'what members lost and got is what they have after the log was opened again',
    needs: 'reopen',
    async run({ create, reopen }) {
      const log = await create();
      await log.createTopic({ name: 't', partitions: 3 });
      await log.createTopic({ name: 'u', partitions: 2 });
      const member = await join(log, { topics: ['t', 'u'] });
      const leaver = await join(log, { groupId: 'left' });
      await log.deleteTopic('u');
      await member.pushed();
      await leaver.membership.leave();
      assert(reopen !== undefined, 'it can be opened again');
      const again = await reopen(log);
      equal(
        (await again.groups.list()).map(({ groupId, members }) => [groupId, members]),
        [['g', 1]],
        'groups',
      );
      const back = await resume(again, member);
      equal(numbersOf(back.told()), [0, 1, 2], 'partitions');
    },
  },
  {
    name: 'a commit needs the member that owns the partition; without one the group must have none',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { membership } = await join(log);
      const { memberId, memberEpoch } = membership;
      const offsets = [{ ...at(topic), offset: 1 }];
      await rejects(log.groups.commit('g', undefined, offsets), 'UNKNOWN_MEMBER_ID');
      await rejects(log.groups.commit('g', { memberId: 'nobody', memberEpoch }, offsets), 'UNKNOWN_MEMBER_ID');
      await rejects(
        log.groups.commit('g', { memberId, memberEpoch: memberEpoch - 1 }, offsets),
        'STALE_MEMBER_EPOCH',
        'FENCED_MEMBER_EPOCH',
      );
      equal(
        (await log.groups.commit('g', { memberId, memberEpoch }, offsets)).map((a) => a.error?.code ?? 'ok'),
        ['ok'],
        'its own',
      );
      await membership.leave();
      await rejects(log.groups.commit('g', { memberId, memberEpoch }, offsets), 'UNKNOWN_MEMBER_ID');
      await commit(log, 'g', at(topic), 2);
    },
  },
  {
    name: 'deleting a group takes its commits; a group with members, and one that is not there, is refused',
    async run({ create, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await rejects(log.groups.delete('g'), 'GROUP_ID_NOT_FOUND');
      await commit(log, 'g', at(topic), 5);
      await commit(log, 'h', at(topic), 6);
      const { membership } = await join(log);
      await rejects(log.groups.delete('g'), 'NON_EMPTY_GROUP');
      membership.release({ heardAt: clock.now(), atMostMs: 1_000 });
      await rejects(log.groups.delete('g'), 'NON_EMPTY_GROUP');
      clock.advance(1_000);
      await log.groups.delete('g');
      equal(plain(await log.groups.committed('g', [at(topic)])), [[null, '', null]], 'committed of g');
      equal(plain(await log.groups.committed('h', [at(topic)])), [[6, '', null]], 'committed of h');
      await rejects(log.groups.delete('g'), 'GROUP_ID_NOT_FOUND');
    },
  },
];
