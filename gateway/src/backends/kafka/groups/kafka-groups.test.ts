// Groups on a real Kafka, as gateways see them: members that come and go, come back, and are taken up elsewhere. Skipped where KAFKA_BROKERS is not set.
import { type Clock, systemClock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { expect, it, vi } from 'vitest';
import { describeWithKafka, unique } from '../test-kafka.ts';
import { SkippingClock } from '../test-skipping-clock.ts';
import { join, makeTopic, openLog, resumeOf, settledOver, type TestMember } from './test-groups.ts';

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'resolved';
  } catch (error) {
    return error instanceof LogError ? error.code : String(error);
  }
};
const states = (members: readonly TestMember[]) =>
  members.map((one) => [one.pushes.length, one.errors, one.takenOver()]);

for (const groupProtocol of ['consumer', 'classic'] as const) {
  describeWithKafka(`members of a ${groupProtocol} group`, () => {
    async function setUp(partitions = 4) {
      const log = await openLog({ groupProtocol });
      const topic = await makeTopic(log, partitions);
      return { log, topic, of: { groupId: unique('g'), topics: [topic] } };
    }

    it('share partitions; who leaves gives the others what it had', async () => {
      const { log, of } = await setUp();
      const first = await join(log, of);
      await settledOver([first], 4);
      const second = await join(log, of);
      await settledOver([first, second], 4);
      expect([first.owns().length, second.owns().length]).toEqual([2, 2]);
      await second.membership.leave();
      await settledOver([first], 4);
      expect(await log.groups.describe(of.groupId)).toMatchObject({ state: 'Stable', members: [{ connected: true }] });
      await first.membership.leave();
      expect(await codeOf(log.groups.describe(of.groupId))).toBe('GROUP_ID_NOT_FOUND');
    });

    it('are kept for their sessionTimeoutMs without a client, then leave', async () => {
      const clock = new SkippingClock();
      const log = await openLog({ groupProtocol }, clock);
      const of = { groupId: unique('g'), topics: [await makeTopic(log, 4)] };
      const [first, second] = [await join(log, of), await join(log, of)];
      await settledOver([first, second], 4);
      second.membership.release({ heardAt: clock.now() });
      const { members } = await log.groups.describe(of.groupId);
      expect(
        members.map(({ memberId, connected }) => [memberId === first.membership.memberId, connected]).sort(),
      ).toEqual([
        [false, false],
        [true, true],
      ]);
      clock.advance(29_000);
      expect(log.groups.counts?.()).toMatchObject({ membersConnected: 1, membersHeld: 1 });
      expect(first.owns()).toHaveLength(2);
      clock.advance(1_000);
      await settledOver([first], 4);
    });

    it('are taken up by their token in the gateway that holds them; the older connection is told, nobody else', async () => {
      const { log, of } = await setUp();
      const [first, second] = [await join(log, of), await join(log, of)];
      await settledOver([first, second], 4);
      const before = states([first]);
      const epoch = second.epoch();
      const again = await join(log, { ...of, ...resumeOf(second) });
      expect([again.membership.memberId, again.owns(), again.epoch()]).toEqual([
        second.membership.memberId,
        second.owns(),
        epoch,
      ]);
      expect([second.takenOver(), again.pushes, states([first])]).toEqual([true, [], before]);
      // It has said what it owns: the token it came with is spent.
      expect(await codeOf(join(log, { ...of, ...resumeOf(second) }))).toBe('UNKNOWN_MEMBER_ID');
      expect(await codeOf(join(log, { ...of, ...resumeOf(again), principal: 'mallory' }))).toBe('UNKNOWN_MEMBER_ID');
      expect(log.groups.counts?.()).toMatchObject({ resumed: 1 });
    });

    it('are taken up by another gateway: same partitions, no rebalance; the older one learns it from the coordinator', async () => {
      const { log, of } = await setUp();
      const elsewhere = await openLog({ groupProtocol });
      const [first, second] = [await join(log, of), await join(log, of)];
      await settledOver([first, second], 4);
      const [before, had] = [states([first]), second.owns()];
      const { epoch } = await log.groups.describe(of.groupId);
      const again = await join(elsewhere, { ...of, ...resumeOf(second) });
      expect([again.membership.memberId, again.owns()]).toEqual([second.membership.memberId, had]);
      await vi.waitFor(() => expect(second.takenOver()).toBe(true), { timeout: 10_000 });
      await vi.waitFor(async () =>
        expect(await log.groups.describe(of.groupId)).toMatchObject({ state: 'Stable', epoch, members: [{}, {}] }),
      );
      // What the older one still says is for nothing.
      const topicId = again.membership.partitions[0]?.topicId ?? '';
      const partition = again.membership.partitions[0]?.partitions[0] ?? 0;
      const commit = (of_: TestMember, at: typeof log) =>
        codeOf(
          at.groups.commit(of.groupId, { memberId: of_.membership.memberId, memberEpoch: of_.epoch() }, [
            { topicId, partition, offset: 7 },
          ]),
        );
      expect([await commit(second, log), await commit(again, elsewhere)]).toEqual(['UNKNOWN_MEMBER_ID', 'resolved']);
      // And back, with the newest token; then the older ones are spent.
      const back = await join(log, { ...of, ...resumeOf(again) });
      expect([back.membership.memberId, back.owns()]).toEqual([second.membership.memberId, had]);
      expect(await codeOf(join(elsewhere, { ...of, ...resumeOf(second) }))).toBe('UNKNOWN_MEMBER_ID');
      expect(states([first])).toEqual(before);
    });

    it('that another gateway had meanwhile come back to one that has not heard of it', async () => {
      const { log: there, of } = await setUp();
      // No heartbeat becomes due here.
      const still: Clock = {
        now: () => systemClock.now(),
        after: (ms, run) => (ms < 50 ? systemClock.after(ms, run) : () => undefined),
      };
      const here = await openLog({ groupProtocol }, still);
      const isIn = async (member: TestMember): Promise<void> => {
        const { memberId, memberEpoch, partitions } = member.membership;
        expect([memberId, member.owns().length]).toEqual([first.membership.memberId, 4]);
        const offsets = [{ topicId: partitions[0]?.topicId ?? '', partition: 0, offset: 1 }];
        expect(await codeOf(here.groups.commit(of.groupId, { memberId, memberEpoch }, offsets))).toBe('resolved');
      };
      const first = await join(here, of);
      first.membership.release({ heardAt: still.now() });
      const second = await join(there, { ...of, ...resumeOf(first) });
      const third = await join(here, { ...of, ...resumeOf(second) });
      await isIn(third);
      // Classic coordinators name their members themselves, so that nobody can tell who took one up.
      if (groupProtocol === 'classic') return;
      third.membership.release({ heardAt: still.now() });
      const lost = await join(there, { ...of, ...resumeOf(third) }, { keeps: true });
      expect(lost.owns()).toHaveLength(4);
      await isIn(await join(here, { ...of, ...resumeOf(third) }));
    });

    it('stay with the newer connection where the older one ended while it was about to take them up', async () => {
      const { log: there, of } = await setUp();
      const member = await join(there, of);
      await there.close();
      const [slow, quick] = [await openLog({ groupProtocol }), await openLog({ groupProtocol })];
      let isOver = false;
      const listener = { onAssignment() {}, onFenced() {}, onTakenOver() {}, isOver: () => isOver };
      const late = codeOf(slow.groups.join({ ...of, ...resumeOf(member), ...times, clientId: 'c' }, listener));
      isOver = true;
      expect(await late).toBe('UNKNOWN_MEMBER_ID');
      const again = await join(quick, { ...of, ...resumeOf(member) });
      const { memberId, memberEpoch, partitions } = again.membership;
      const offsets = [{ topicId: partitions[0]?.topicId ?? '', partition: 0, offset: 1 }];
      expect(await codeOf(quick.groups.commit(of.groupId, { memberId, memberEpoch }, offsets))).toBe('resolved');
      expect([memberId, again.takenOver()]).toEqual([member.membership.memberId, false]);
    });

    it('that were held when their client came back through another gateway stay its own when the hold ends', async () => {
      const clock = new SkippingClock();
      const log = await openLog({ groupProtocol }, clock);
      const of = { groupId: unique('g'), topics: [await makeTopic(log, 2)] };
      const member = await join(log, of);
      await settledOver([member], 2);
      member.membership.release({ heardAt: clock.now() });
      const again = await join(await openLog({ groupProtocol }), { ...of, ...resumeOf(member) });
      // Whichever comes first: its hold's end, or the news.
      clock.advance(30_000);
      await vi.waitFor(() => expect(log.groups.counts?.()).toMatchObject({ membersHeld: 0 }), { timeout: 10_000 });
      expect([again.owns().length, again.pushes, again.errors]).toEqual([2, [], []]);
      expect(await log.groups.describe(of.groupId)).toMatchObject({ members: [{ assignment: [{}, {}] }] });
    });

    it('survive the end of their gateway, and are taken up through the next', async () => {
      const { log, topic, of } = await setUp();
      const others = await openLog({ groupProtocol });
      const [first, second] = [await join(others, of), await join(log, of)];
      await settledOver([first, second], 4);
      const [before, had] = [states([first]), second.owns()];
      await log.close();
      const next = await openLog({ groupProtocol });
      const again = await join(next, { ...of, ...resumeOf(second) });
      expect([again.membership.memberId, again.owns(), states([first])]).toEqual([
        second.membership.memberId,
        had,
        before,
      ]);
      await again.membership.update({ ...of, topics: [topic, 'groups.none'], ...times });
      expect(again.owns()).toEqual(had);
    });

    it('that a gateway was about to take up when it ended stand in nobody’s way', async () => {
      const { log, of } = await setUp();
      let member = await join(log, of);
      let last = log;
      for (let i = 0; i < 5; i++) {
        await last.close();
        const ending = await openLog({ groupProtocol });
        const lost = codeOf(join(ending, { ...of, ...resumeOf(member) }, { keeps: true }));
        await vi.waitFor(() => expect(ending.groups.counts?.()).toMatchObject({ groups: 1 }), { interval: 1 });
        // Somewhere on the way: before the coordinator has heard of it, or behind it.
        await new Promise((resolve) => setTimeout(resolve, i * 5));
        await ending.close();
        await lost;
        last = await openLog({ groupProtocol });
        const next = await join(last, { ...of, ...resumeOf(member) }).catch(() => join(last, of));
        await settledOver([next], 4);
        // Classic coordinators name their members themselves, so that nobody can tell who took one up.
        const { memberId } = next.membership;
        if (groupProtocol === 'consumer') expect([memberId, next.pushes]).toEqual([member.membership.memberId, []]);
        member = next;
      }
    });

    it('of a gateway that ends leave where nobody could take them up again', async () => {
      const { log, of } = await setUp();
      const ending = await openLog({ groupProtocol, resumeSecret: undefined });
      const [first, second] = [await join(log, of), await join(ending, of)];
      await settledOver([first, second], 4);
      await ending.close();
      await settledOver([first], 4);
      expect((await log.groups.describe(of.groupId)).members).toHaveLength(1);
    });

    it('cannot ask for the instance id that gateways gave another one', async () => {
      const { log, of } = await setUp();
      const { memberId } = (await join(log, of)).membership;
      expect(await codeOf(join(log, { ...of, instanceId: `dlog.${memberId}` }))).toBe('INVALID_REQUEST');
    });

    it('are nobody’s for a token of another secret', async () => {
      const { log, of } = await setUp();
      const member = await join(log, of);
      const stranger = await openLog({ groupProtocol, resumeSecret: 'what nobody else here has been told' });
      expect(await codeOf(join(stranger, { ...of, ...resumeOf(member) }))).toBe('UNKNOWN_MEMBER_ID');
      expect(await codeOf(join(stranger, { ...of, ...resumeOf(member), resumeToken: 'x' }))).toBe('UNKNOWN_MEMBER_ID');
      expect([member.takenOver(), member.errors]).toEqual([false, []]);
    });

    it('of one instance id: the newest has it, whichever gateway it came through, and what the older had', async () => {
      const { log, of } = await setUp();
      const other = await join(log, of);
      const fixed = { ...of, instanceId: 'host-1' };
      const first = await join(log, fixed);
      await settledOver([other, first], 4);
      const [before, had] = [states([other]), first.owns()];
      const second = await join(log, fixed);
      expect(first.errors.map(({ code }) => code)).toEqual(['FENCED_INSTANCE_ID']);
      expect(second.owns()).toEqual(had);
      const elsewhere = await openLog({ groupProtocol });
      const third = await join(elsewhere, fixed);
      expect(third.owns()).toEqual(had);
      await vi.waitFor(() => expect(second.errors.map(({ code }) => code)).toEqual(['FENCED_INSTANCE_ID']), {
        timeout: 10_000,
      });
      expect(await codeOf(join(elsewhere, { ...fixed, ...resumeOf(second) }))).toBe('FENCED_INSTANCE_ID');
      expect(states([other])).toEqual(before);
      expect((await log.groups.describe(of.groupId)).members.map((member) => member.groupInstanceId).sort()).toEqual([
        'host-1',
        undefined,
      ]);
    });

    it('commit what they own, with the newest epoch; nobody else does', async () => {
      const { log, of } = await setUp();
      const first = await join(log, of);
      await settledOver([first], 4);
      const topicId = first.membership.partitions[0]?.topicId ?? '';
      const commit = (partition: number, who: TestMember | undefined, epoch = who?.epoch() ?? 0, offset = 5) =>
        codeOf(
          log.groups
            .commit(
              of.groupId,
              who === undefined ? undefined : { memberId: who.membership.memberId, memberEpoch: epoch },
              [{ topicId, partition, offset, metadata: 'é', leaderEpoch: 0 }],
            )
            .then(([answer]) => {
              if (answer?.error !== undefined) throw answer.error;
            }),
        );
      expect(await commit(0, first)).toBe('resolved');
      expect(await commit(0, undefined)).toBe('UNKNOWN_MEMBER_ID');
      expect(await commit(0, first, first.epoch() + 5)).toBe('FENCED_MEMBER_EPOCH');
      expect(await commit(0, first, first.epoch() - 1)).toBe('STALE_MEMBER_EPOCH');
      expect(await commit(4, first)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
      expect(await commit(0, first, undefined, -1)).toBe('INVALID_REQUEST');
      // Its epoch moves on at the coordinator with every one of these, and it may not have heard of it.
      const joining = Array.from({ length: 3 }, () => join(log, of));
      const outcomes: string[] = [];
      for (let offset = 10; offset < 40; offset++) outcomes.push(await commit(0, first, undefined, offset));
      const members = [first, ...(await Promise.all(joining))];
      await settledOver(members, 4);
      const kept = first.owns().map((name) => Number(name.slice(2)));
      if (kept.includes(0)) expect(new Set(outcomes)).toEqual(new Set(['resolved']));
      const lost = [0, 1, 2, 3].find((partition) => !kept.includes(partition)) ?? 0;
      expect(await commit(lost, first)).toBe('FENCED_MEMBER_EPOCH');
      const [committed] = await log.groups.committed(of.groupId, [{ topicId, partition: 0 }]);
      expect(committed).toMatchObject({ metadata: 'é', leaderEpoch: 0 });
    });

    it('and groups are listed and described as they are, offsets and lag included', async () => {
      const { log, topic, of } = await setUp(2);
      const elsewhere = await openLog({ groupProtocol });
      const [first, second] = [
        await join(log, { ...of, clientId: 'my dashboard' }),
        await join(elsewhere, { ...of, clientId: 'other', instanceId: 'i' }),
      ];
      await settledOver([first, second], 2);
      const topicId = (await log.topics([topic]))[0]?.topicId ?? '';
      const mine = Number(first.owns()[0]?.slice(2));
      await log.groups.commit(of.groupId, { memberId: first.membership.memberId, memberEpoch: first.epoch() }, [
        { topicId, partition: mine, offset: 0, metadata: 'm' },
      ]);
      await vi.waitFor(async () => {
        const described = await log.groups.describe(of.groupId);
        expect(described).toMatchObject({ groupId: of.groupId, state: 'Stable' });
        expect(described.members).toHaveLength(2);
        expect(described.members.find(({ memberId }) => memberId === first.membership.memberId)).toMatchObject({
          clientId: 'my dashboard',
          groupInstanceId: undefined,
          topics: [topic],
          connected: true,
          assignment: [{ topic, partition: mine }],
          targetAssignment: [{ topic, partition: mine }],
        });
        expect(described.members.find(({ groupInstanceId }) => groupInstanceId === 'i')).toMatchObject({
          connected: true,
        });
        expect(described.offsets).toEqual([
          { topic, partition: 0, committed: mine === 0 ? 0 : null, metadata: mine === 0 ? 'm' : '', end: 0, lag: 0 },
          { topic, partition: 1, committed: mine === 1 ? 0 : null, metadata: mine === 1 ? 'm' : '', end: 0, lag: 0 },
        ]);
      });
      expect(await log.groups.list()).toContainEqual({ groupId: of.groupId, state: 'Stable', members: 2 });
      expect(await codeOf(log.groups.delete(of.groupId))).toBe('NON_EMPTY_GROUP');
      await first.membership.leave();
      await second.membership.leave();
      expect(await log.groups.list()).toContainEqual({ groupId: of.groupId, state: 'Empty', members: 0 });
      await log.groups.delete(of.groupId);
      expect(await codeOf(log.groups.delete(of.groupId))).toBe('GROUP_ID_NOT_FOUND');
    });

    it('that asked for no topic yet are members all the same, and get what they ask for later', async () => {
      const { log, topic, of } = await setUp(2);
      const member = await join(log, { ...of, topics: [] });
      expect(member.owns()).toEqual([]);
      await member.membership.update({ ...of, ...times });
      await settledOver([member], 2);
      await member.membership.update({ ...of, topics: [], ...times });
      await vi.waitFor(() => expect(member.owns()).toEqual([]), { timeout: 10_000 });
      expect(topic).toMatch(/^groups\.t\./);
    });
  });
}

describeWithKafka('gateways that speak different group protocols', () => {
  it('share a group, and can take each other’s members up', async () => {
    const [newer, older] = [await openLog(), await openLog({ groupProtocol: 'classic' })];
    const of = { groupId: unique('g'), topics: [await makeTopic(newer, 4)] };
    const [first, second] = [await join(older, of), await join(newer, of)];
    await settledOver([first, second], 4);
    expect(await newer.groups.describe(of.groupId)).toMatchObject({ members: [{}, {}] });
    const had = first.owns();
    const again = await join(newer, { ...of, ...resumeOf(first) });
    expect([again.membership.memberId, again.owns()]).toEqual([first.membership.memberId, had]);
    await settledOver([again, second], 4);
    await vi.waitFor(() => expect(first.takenOver()).toBe(true), { timeout: 10_000 });
    expect(second.errors).toEqual([]);
  });
});

const times = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000, maxPollIntervalMs: 300_000 };
