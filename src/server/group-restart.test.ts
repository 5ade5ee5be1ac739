// What a coordinator knows after its process was killed: all that any client was ever told.
import { describe, expect, it } from 'vitest';
import { Bench, type Joined, outcome, reconciled, settled } from './groups.test-support.ts';

const had = (members: readonly Joined[]) => members.map((member) => [member.memberId, member.epoch(), member.owns()]);

describe('after a restart', () => {
  it('members come back with the same ids, epochs and partitions; nothing is lost, nothing doubled', async () => {
    const bench = new Bench({}, { t: 7, u: 3 });
    const wishes = { topics: ['t', 'u'] };
    const members = [
      await bench.join(wishes),
      await bench.join(wishes),
      await bench.join({ ...wishes, instanceId: 'i' }),
    ];
    await reconciled(members);
    const before = had(members);
    const { epoch } = await bench.groups.describe('g');
    bench.restart();
    expect(await bench.groups.describe('g')).toMatchObject({
      state: 'Stable',
      epoch,
      members: members.map(({ memberId }) => ({ memberId, connected: false })),
    });
    const back: Joined[] = [];
    for (const member of members) back.push(await bench.resume(member, wishes));
    await reconciled(back);
    expect(had(back)).toEqual(before);
    expect(back.flatMap(({ pushes }) => pushes)).toEqual([]);
  });

  it('every member is kept for its sessionTimeoutMs from then on', async () => {
    const bench = new Bench();
    await bench.join({ sessionTimeoutMs: 10_000 });
    bench.clock.advance(60_000);
    bench.restart();
    await settled();
    bench.clock.advance(9_999);
    expect(await bench.groups.list()).toMatchObject([{ members: 1 }]);
    bench.clock.advance(1);
    expect(await bench.groups.list()).toEqual([]);
    await settled();
    expect(bench.state()).toBeUndefined();
  });

  it('what a member was letting go of is still its own until it says so', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const second = await bench.join();
    bench.restart();
    const [again, other] = [await bench.resume(first), await bench.resume(second)];
    expect(again.owns()).toHaveLength(2);
    expect(other.owns()).toEqual([]);
    await reconciled([again, other]);
    expect(other.owns()).toHaveLength(2);
  });

  it('epochs go on from where they were', async () => {
    const bench = new Bench();
    const first = await bench.join();
    await (await bench.join()).membership.leave();
    await settled();
    const epoch = first.epoch();
    bench.restart();
    const newcomer = await bench.join();
    expect(newcomer.epoch()).toBeGreaterThan(epoch);
  });

  it('topics that went meanwhile are dropped, new ones are shared out', async () => {
    const bench = new Bench({}, { t: 2, u: 2 });
    const member = await bench.join({ topics: ['t', 'u', 'v'] });
    bench.topics.delete('t');
    bench.topics.set('v', 1);
    bench.restart();
    const again = await bench.resume(member, { topics: ['t', 'u', 'v'] });
    expect(again.owns().sort()).toEqual(['u-0', 'u-1', 'v-0']);
    expect(again.epoch()).toBeGreaterThan(member.epoch());
    expect(await bench.groups.describe('g')).toMatchObject({ state: 'Stable' });
  });

  it('tokens are good as they were: the spent one is not, the newest is', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const second = await bench.resume(first);
    second.letGo();
    await settled();
    bench.restart();
    expect(await outcome(bench.resume(first))).toBe('UNKNOWN_MEMBER_ID');
    expect(await outcome(bench.resume(second))).toBe('resolved');
  });

  it('commits wait until members are known, and only they may commit', async () => {
    const bench = new Bench();
    const { memberId, membership } = await bench.join();
    const topicId = bench.topics.byName('t')?.topicId ?? '';
    bench.restart();
    const commit = (member?: { memberId: string; memberEpoch: number }) =>
      outcome(bench.groups.commit('g', member, [{ topicId, partition: 0, offset: 1 }]));
    expect(await Promise.all([commit(), commit({ memberId, memberEpoch: membership.memberEpoch })])).toEqual([
      'UNKNOWN_MEMBER_ID',
      'resolved',
    ]);
  });

  it('a state that cannot be read is reported and forgotten; other groups are as they were', async () => {
    const bench = new Bench();
    const member = await bench.join({ groupId: 'good' });
    const good = bench.state('good');
    const wrong = [
      'no JSON',
      '{}',
      'null',
      JSON.stringify({ ...good, epoch: -1 }),
      JSON.stringify({ ...good, members: [{ ...good?.members[0], held: [{ topicId: 7 }] }] }),
    ];
    for (const [i, text] of wrong.entries()) bench.disk.set(`bad ${i}`, text);
    bench.restart();
    expect((await bench.groups.list()).map(({ groupId }) => groupId)).toEqual(['good']);
    expect(bench.errors).toHaveLength(wrong.length);
    expect([...bench.disk.keys()]).toEqual(['good']);
    expect((await bench.resume(member, { groupId: 'good' })).memberId).toBe(member.memberId);
  });

  it('a state that can neither be read nor be removed leaves the others as they were', async () => {
    const bench = new Bench();
    const member = await bench.join({ groupId: 'good' });
    const good = bench.disk.get('good') ?? '';
    bench.disk.clear();
    bench.disk.set('bad', '{}').set('good', good);
    bench.full = true;
    bench.restart();
    expect((await bench.groups.list()).map(({ groupId }) => groupId)).toEqual(['good']);
    expect((await bench.resume(member, { groupId: 'good' })).memberId).toBe(member.memberId);
  });

  it('a state that says one partition is held twice gives it to one', async () => {
    const bench = new Bench();
    await bench.join();
    const state = bench.state();
    const [one] = state?.members ?? [];
    bench.disk.set('g', JSON.stringify({ ...state, members: [one, { ...one, memberId: 'twin' }] }));
    bench.restart();
    const { members } = await bench.groups.describe('g');
    const all = members.flatMap(({ assignment }) => assignment.map(({ partition }) => partition));
    expect(all.sort()).toEqual([0, 1, 2, 3]);
  });

  it('a store that cannot say what it has is reported; groups begin anew', async () => {
    const bench = new Bench();
    await bench.join();
    bench.disk.set('g', '{}');
    bench.full = true;
    bench.restart();
    expect(await outcome(bench.join())).toBe('resolved');
    expect(bench.errors.length).toBeGreaterThan(1);
  });
});

describe('nothing is told before it was saved', () => {
  /** Saves wait for `go`. */
  function held() {
    const bench = new Bench();
    let go = (): void => undefined;
    const hold = () => {
      bench.saving = new Promise((resolve) => {
        go = () => {
          bench.saving = undefined;
          resolve();
        };
      });
    };
    return { bench, hold, go: () => go() };
  }

  it('neither the answer to a join nor what it means for others', async () => {
    const { bench, hold, go } = held();
    const first = await bench.join();
    hold();
    let answered = false;
    const second = bench.join().then((joined) => {
      answered = true;
      return joined;
    });
    await settled();
    expect([answered, first.pushes]).toEqual([false, []]);
    expect(bench.state()?.members).toHaveLength(1);
    go();
    await second;
    await settled();
    expect(first.pushes).toHaveLength(1);
    expect(bench.state()?.members).toHaveLength(2);
  });

  it('and what is told is what was saved, though more has happened since', async () => {
    const { bench, hold, go } = held();
    const first = await bench.join();
    hold();
    bench.topic('t', 5);
    await settled();
    bench.topic('t', 6);
    await settled();
    const waiting = go;
    waiting();
    await settled();
    expect(first.pushes.map(({ partitions }) => partitions[0]?.partitions.length)).toEqual([5, 6]);
    const told = first.epoch();
    expect(bench.state()?.members[0]?.epoch).toBe(told);
  });

  it('also in the answer to a join, which says what was saved with it', async () => {
    const bench = new Bench();
    const goes: (() => void)[] = [];
    const hold = () => {
      bench.saving = new Promise((resolve) => goes.push(resolve));
    };
    hold();
    const answer = bench.join();
    await settled();
    bench.topic('t', 5);
    hold();
    goes[0]?.();
    const member = await answer;
    expect(member.owns()).toHaveLength(4);
    expect(bench.state()?.members[0]).toMatchObject({ epoch: member.epoch(), assigned: { length: 4 } });
    goes[1]?.();
    await settled();
    expect(member.owns()).toHaveLength(5);
  });

  it('so that commits at the epoch a member knows are taken, as long as it may still work on what it commits', async () => {
    const { bench, hold, go } = held();
    const first = await bench.join();
    const topicId = bench.topics.byName('t')?.topicId ?? '';
    const commit = (memberEpoch: number) =>
      outcome(
        bench.groups.commit('g', { memberId: first.memberId, memberEpoch }, [{ topicId, partition: 0, offset: 1 }]),
      );
    const known = first.epoch();
    hold();
    bench.topic('t', 5);
    await settled();
    expect(await commit(known)).toBe('resolved');
    go();
    await settled();
    expect(first.epoch()).toBeGreaterThan(known);
    expect([await commit(known), await commit(first.epoch())]).toEqual(['STALE_MEMBER_EPOCH', 'resolved']);
  });

  it('what a crash took back nobody was told', async () => {
    const { bench, hold } = held();
    const first = await bench.join();
    const before = had([first]);
    hold();
    const never = bench.join();
    bench.topic('t', 9);
    await settled();
    bench.restart();
    bench.saving = undefined;
    expect(had([first])).toEqual(before);
    const again = await bench.resume(first);
    expect(again.owns()).toHaveLength(9);
    expect(await bench.groups.list()).toMatchObject([{ members: 1 }]);
    void never;
  });

  it('changes that come together are saved together, one save at a time', async () => {
    const { bench, hold, go } = held();
    await bench.join();
    const before = bench.saves;
    hold();
    const joins = Array.from({ length: 20 }, () => bench.join());
    await settled();
    expect(bench.saves).toBe(before + 1);
    go();
    await Promise.all(joins);
    expect(bench.saves).toBeLessThanOrEqual(before + 3);
    expect(bench.state()?.members).toHaveLength(21);
  });

  it('on a full disk it is reported, and membership goes on without', async () => {
    const bench = new Bench();
    bench.full = true;
    const [first, second] = [await bench.join(), await bench.join()];
    await reconciled([first, second]);
    expect([first.owns().length, second.owns().length]).toEqual([2, 2]);
    expect(bench.errors.length).toBeGreaterThan(1);
    bench.full = false;
    await second.membership.leave();
    expect(bench.state()?.members).toHaveLength(1);
  });

  it('what could not be saved is tried again, less and less often, until it is', async () => {
    const bench = new Bench();
    bench.full = true;
    await bench.join();
    const failuresIn = async (ms: number) => {
      const before = bench.errors.length;
      await bench.clock.tick(ms);
      return bench.errors.length - before;
    };
    expect(await failuresIn(999)).toBe(0);
    expect(await failuresIn(1)).toBe(1);
    for (const ms of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) expect(await failuresIn(ms)).toBe(1);
    bench.full = false;
    expect(await failuresIn(60_000)).toBe(0);
    expect(bench.state()?.members).toHaveLength(1);
    expect(bench.clock.pending).toBe(0);
  });

  it('that a group has no members any more is tried again too, until it is forgotten', async () => {
    const bench = new Bench();
    const member = await bench.join();
    bench.full = true;
    await member.membership.leave();
    expect(bench.state()?.members).toHaveLength(1);
    bench.full = false;
    await bench.clock.tick(1_000);
    expect(bench.state()).toBeUndefined();
    expect(bench.clock.pending).toBe(0);
  });

  it('once the coordinator is closed nothing is tried again', async () => {
    const bench = new Bench();
    bench.full = true;
    await bench.join();
    expect(bench.clock.pending).toBe(1);
    await bench.groups.close();
    expect(bench.clock.pending).toBe(0);
  });

  it('closing waits for what is being saved, and leaves no timer', async () => {
    const { bench, hold, go } = held();
    const first = await bench.join();
    first.membership.release({ heardAt: bench.clock.now() });
    await bench.join();
    hold();
    bench.topic('t', 8);
    const closed = bench.groups.close();
    let done = false;
    void closed.then(() => {
      done = true;
    });
    await settled();
    expect(done).toBe(false);
    go();
    await closed;
    expect(bench.state()?.members.flatMap(({ assigned }) => assigned)).not.toHaveLength(0);
    expect(bench.clock.pending).toBe(0);
    expect(await outcome(bench.join())).toBe('BROKER_NOT_AVAILABLE');
  });

  it('leaves nothing behind of a group whose members have all left', async () => {
    const bench = new Bench();
    const first = await bench.join();
    await first.membership.leave();
    expect(bench.disk.size).toBe(0);
    const again = await bench.join();
    expect(bench.state()?.members.map(({ memberId }) => memberId)).toEqual([again.memberId]);
  });
});
