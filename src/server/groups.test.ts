// The coordinator: who owns what, hand-over, and what is told of a group.
import { describe, expect, it } from 'vitest';
import { Bench, join, outcome, reconciled, settled, WISHES } from './groups.test-support.ts';
import { memoryLog } from './memory-log.ts';

describe('a group', () => {
  it('gives its first member everything', async () => {
    const first = await new Bench({}, { t: 3 }).join();
    expect(first.owns()).toEqual(['t-0', 't-1', 't-2']);
    expect(first.pushes).toEqual([]);
  });

  it('gives a newcomer its share only when the others have let go of it', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const second = await bench.join();
    expect(second.owns()).toEqual([]);
    expect(first.owns()).toHaveLength(2);
    expect(await bench.groups.list()).toEqual([{ groupId: 'g', state: 'Reconciling', members: 2 }]);
    first.letGo();
    await settled();
    expect(second.owns()).toHaveLength(2);
    expect([...first.owns(), ...second.owns()].sort()).toEqual(['t-0', 't-1', 't-2', 't-3']);
    expect([first.pushes.length, second.pushes.length]).toEqual([1, 1]);
    expect(await bench.groups.list()).toEqual([{ groupId: 'g', state: 'Stable', members: 2 }]);
  });

  it('hands what a member had to the others when it leaves, at a higher epoch, and nothing else', async () => {
    const bench = new Bench({}, { t: 6 });
    const members = [await bench.join(), await bench.join(), await bench.join()];
    await reconciled(members);
    const [first, second, third] = members.map((member) => ({ member, had: member.owns(), epoch: member.epoch() }));
    await first?.member.membership.leave();
    await first?.member.membership.leave();
    await settled();
    for (const stayed of [second, third]) {
      expect(stayed?.member.owns()).toEqual(expect.arrayContaining(stayed?.had ?? []));
      expect(stayed?.member.owns()).toHaveLength(3);
      expect(stayed?.member.epoch()).toBeGreaterThan(stayed?.epoch ?? 0);
    }
  });

  it('names a heartbeat interval of a third of the session timeout, 25 seconds at most', async () => {
    const bench = new Bench();
    expect((await bench.join({ sessionTimeoutMs: 9_000 })).membership.heartbeatIntervalMs).toBe(3_000);
    expect((await bench.join({ sessionTimeoutMs: 300_000 })).membership.heartbeatIntervalMs).toBe(25_000);
  });

  it('follows its topics: those that appear, those that grow, and those that are recreated with another id', async () => {
    const bench = new Bench({}, {});
    const member = await bench.join();
    expect(member.owns()).toEqual([]);
    bench.topic('t', 2);
    await settled();
    expect(member.owns()).toEqual(['t-0', 't-1']);
    bench.topic('t', 3);
    await settled();
    expect(member.owns()).toEqual(['t-0', 't-1', 't-2']);
    const [old] = member.membership.partitions;
    const before = member.epoch();
    bench.topic('t', 0);
    await settled();
    expect(member.owns()).toEqual([]);
    expect(member.epoch()).toBeGreaterThan(before);
    bench.topic('t', 1);
    await settled();
    expect(member.owns()).toEqual(['t-0']);
    expect(member.membership.partitions[0]?.topicId).not.toBe(old?.topicId);
  });

  it('moves nothing, and tells nobody, when a topic changes that nobody wants', async () => {
    const bench = new Bench();
    const member = await bench.join();
    const { saves } = bench;
    bench.topic('other', 3);
    await settled();
    expect(member.pushes).toEqual([]);
    expect(bench.saves).toBe(saves);
  });

  it('moves nothing but what a deleted topic had', async () => {
    const bench = new Bench({}, { t: 4, u: 4 });
    const members = [await bench.join({ topics: ['t', 'u'] }), await bench.join({ topics: ['t', 'u'] })];
    await reconciled(members);
    const had = members.map((member) => member.owns().filter((name) => name.startsWith('t')));
    bench.topic('u', 0);
    await settled();
    expect(members.map((member) => member.owns())).toEqual(had);
  });

  it('moves a topic that its owner no longer wants only after the owner has let go', async () => {
    const bench = new Bench({}, { t: 1, u: 1 });
    const first = await bench.join({ topics: ['t', 'u'] });
    const second = await bench.join({ topics: ['u'] });
    await reconciled([first]);
    await first.update({ ...WISHES, topics: ['t', 'u'] });
    await second.update({ ...WISHES, topics: [] });
    await reconciled([second]);
    expect(first.owns()).toEqual(['t-0', 'u-0']);
    await second.update({ ...WISHES, topics: ['u'] });
    await first.update({ ...WISHES, topics: ['t'] });
    expect(second.owns()).toEqual([]);
    first.membership.owned(first.epoch() - 1, []);
    await settled();
    expect(second.owns(), 'what is said of an old epoch says nothing').toEqual([]);
    first.letGo();
    await settled();
    expect(second.owns()).toEqual(['u-0']);
  });

  it('keeps with a member what it says it still has, until it says otherwise', async () => {
    const bench = new Bench({}, { t: 2 });
    const first = await bench.join();
    const all = [...first.membership.partitions];
    const second = await bench.join();
    first.membership.owned(first.epoch(), all);
    await settled();
    expect(second.owns()).toEqual([]);
    first.letGo();
    await settled();
    expect(second.owns()).toHaveLength(1);
  });

  it('gives back what its holder has not let go of yet, when the newcomer that was to get it is gone', async () => {
    const bench = new Bench({}, { t: 5 });
    const first = await bench.join({ topics: ['later'] });
    const holder = await bench.join();
    await first.update(WISHES);
    await reconciled([first, holder]);
    const had = [first.owns(), holder.owns()];
    expect(had.map((of) => of.length)).toEqual([2, 3]);
    const newcomer = await bench.join();
    await settled();
    expect(holder.owns()).toHaveLength(2);
    await newcomer.membership.leave();
    await reconciled([first, holder]);
    expect([first.owns(), holder.owns()]).toEqual(had);
    expect(await bench.groups.list()).toMatchObject([{ state: 'Stable' }]);
  });

  it('fences a member that does not let go within its rebalance timeout', async () => {
    const bench = new Bench();
    const first = await bench.join({ rebalanceTimeoutMs: 5_000 });
    const second = await bench.join();
    bench.clock.advance(4_999);
    expect(first.fenced).toEqual([]);
    bench.clock.advance(1);
    await settled();
    expect(first.fenced).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(second.owns()).toEqual(['t-0', 't-1', 't-2', 't-3']);
    expect(bench.clock.pending).toBe(0);
  });

  it('shares out as most of its members want: uniform, also when they are divided', async () => {
    const bench = new Bench();
    const assignor = async () => (await bench.groups.describe('g')).assignor;
    const first = await bench.join({ assignor: 'range' });
    expect(await assignor()).toBe('range');
    const second = await bench.join();
    expect(await assignor()).toBe('uniform');
    const third = await bench.join({ assignor: 'range' });
    expect(await assignor()).toBe('range');
    await third.update({ ...WISHES, assignor: 'uniform' });
    expect(await assignor()).toBe('uniform');
    await second.membership.leave();
    await third.membership.leave();
    expect(await assignor()).toBe('range');
    expect(first.fenced).toEqual([]);
  });

  it('takes no more than its bound of members, but back whom it has', async () => {
    const bench = new Bench({ maxGroupMembers: 2 });
    const first = await bench.join();
    await bench.join({ instanceId: 'i' });
    expect(await outcome(bench.join())).toBe('GROUP_MAX_SIZE_REACHED');
    expect(await outcome(bench.join({ groupId: 'another' }))).toBe('resolved');
    expect(await outcome(bench.resume(first))).toBe('resolved');
    expect(await outcome(bench.join({ instanceId: 'i' }))).toBe('resolved');
  });

  it('has an id of 1 to 255 characters, none of them NUL', async () => {
    const bench = new Bench();
    for (const groupId of ['', 'a\0b', 'x'.repeat(256)]) {
      expect(await outcome(bench.join({ groupId }))).toBe('INVALID_GROUP_ID');
      expect(await outcome(bench.groups.commit(groupId, undefined, []))).toBe('INVALID_GROUP_ID');
      expect(await outcome(bench.groups.delete(groupId))).toBe('INVALID_GROUP_ID');
    }
  });
});

describe('what is told of a group', () => {
  it('is who is there, what each may be working on, and what it is to own', async () => {
    const bench = new Bench({}, { t: 2 });
    const first = await bench.join({ clientId: 'one', instanceId: 'i' });
    const second = await bench.join({ clientId: 'two' });
    second.membership.release({ heardAt: bench.clock.now() });
    const [kept] = first.owns();
    const described = await bench.groups.describe('g');
    const other = kept === 't-0' ? 1 : 0;
    const both = [0, 1].map((partition) => ({ topic: 't', partition }));
    expect(described).toMatchObject({ groupId: 'g', state: 'Reconciling', assignor: 'uniform' });
    expect(described.members).toEqual([
      {
        memberId: first.memberId,
        clientId: 'one',
        groupInstanceId: 'i',
        epoch: first.epoch(),
        topics: ['t'],
        connected: true,
        assignment: both,
        targetAssignment: [{ topic: 't', partition: 1 - other }],
      },
      {
        memberId: second.memberId,
        clientId: 'two',
        groupInstanceId: undefined,
        epoch: second.epoch(),
        topics: ['t'],
        connected: false,
        assignment: [],
        targetAssignment: [{ topic: 't', partition: other }],
      },
    ]);
    expect(described.offsets).toEqual(both.map((of) => ({ ...of, committed: null, metadata: '', end: 10, lag: 10 })));
    first.letGo();
    expect(await bench.groups.describe('g')).toMatchObject({ state: 'Stable' });
  });

  it('is Empty when only its commits are left, and nothing where there are none', async () => {
    const bench = new Bench();
    const member = await bench.join();
    await member.membership.leave();
    expect(await bench.groups.list()).toEqual([]);
    expect(await outcome(bench.groups.describe('g'))).toBe('GROUP_ID_NOT_FOUND');
    const topicId = bench.topics.byName('t')?.topicId ?? '';
    await bench.groups.commit('g', undefined, [{ topicId, partition: 0, offset: 4 }]);
    expect(await bench.groups.list()).toEqual([{ groupId: 'g', state: 'Empty', members: 0 }]);
    expect(await bench.groups.describe('g')).toMatchObject({
      state: 'Empty',
      members: [],
      offsets: [{ committed: 4 }],
    });
  });
});

describe('deleting a group', () => {
  it('takes its commits, and is refused while it has members, connected or kept', async () => {
    const bench = new Bench();
    const topicId = bench.topics.byName('t')?.topicId ?? '';
    await bench.groups.commit('g', undefined, [{ topicId, partition: 0, offset: 4 }]);
    const member = await bench.join();
    expect(await outcome(bench.groups.delete('g'))).toBe('NON_EMPTY_GROUP');
    member.membership.release({ heardAt: bench.clock.now() });
    expect(await outcome(bench.groups.delete('g'))).toBe('NON_EMPTY_GROUP');
    bench.clock.advance(30_000);
    expect(await outcome(bench.groups.delete('g'))).toBe('resolved');
    expect(await bench.groups.committed('g', [{ topicId, partition: 0 }])).toMatchObject([{ offset: null }]);
    expect(bench.state()).toBeUndefined();
    expect(await outcome(bench.groups.delete('g'))).toBe('GROUP_ID_NOT_FOUND');
  });
});

describe('for tests', () => {
  it('members expire at once: connected ones are fenced, kept ones are gone', async () => {
    const bench = new Bench();
    const [first, second, third] = [await bench.join(), await bench.join(), await bench.join()];
    second.membership.release({ heardAt: bench.clock.now() });
    await bench.groups.expire('g', first.memberId);
    expect(first.fenced).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(third.fenced).toEqual([]);
    await bench.groups.expire('g');
    expect(third.fenced).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(await outcome(bench.resume(second))).toBe('UNKNOWN_MEMBER_ID');
    expect(await outcome(bench.groups.expire('g', 'nobody'))).toBe('UNKNOWN_MEMBER_ID');
    expect(bench.clock.pending).toBe(0);
  });

  it('a rebalance moves something wherever two want it, and loses nothing', async () => {
    const bench = new Bench();
    const members = [await bench.join(), await bench.join({ assignor: 'range' })];
    await reconciled(members);
    for (let round = 0; round < 3; round++) {
      const had = members.map((member) => member.owns());
      await bench.groups.rebalance('g');
      await reconciled(members);
      expect(members.map((member) => member.owns())).not.toEqual(had);
      expect(members.flatMap((member) => member.owns()).sort()).toEqual(['t-0', 't-1', 't-2', 't-3']);
    }
    await bench.groups.rebalance('nobody');
  });

  it('the log in memory has both', async () => {
    const { clock } = new Bench();
    const log = memoryLog({ clock, random: Math.random });
    await log.createTopic({ name: 't', partitions: 2 });
    const members = [await join(log.groups), await join(log.groups)];
    await reconciled(members);
    const had = members.map((member) => member.owns());
    await log.groups.rebalance('g');
    await reconciled(members);
    expect(members.map((member) => member.owns())).toEqual(had.reverse());
    await log.groups.expire('g');
    expect(await log.groups.list()).toEqual([]);
  });
});
