// Members that outlive their connection: how long they are kept, who may take them up, and static members.
import { describe, expect, it } from 'vitest';
import { Bench, type Joined, outcome, reconciled, settled, WISHES } from './groups.test-support.ts';
import { createResumeToken, hashOfToken } from './resume-tokens.ts';

const tokenOf = (member: Joined): string => member.membership.resumeToken ?? '';

describe('a member whose connection is lost', () => {
  it('is kept for its sessionTimeoutMs after it was last heard, with its partitions, and is then gone', async () => {
    const bench = new Bench();
    const [first, second] = [await bench.join({ sessionTimeoutMs: 10_000 }), await bench.join()];
    await reconciled([first, second]);
    bench.clock.advance(4_000);
    first.membership.release({ heardAt: bench.clock.now() - 3_000 });
    bench.clock.advance(6_999);
    await settled();
    expect(second.owns()).toHaveLength(2);
    expect(second.pushes).toHaveLength(1);
    bench.clock.advance(1);
    await settled();
    expect(second.owns()).toHaveLength(4);
    expect(first.fenced).toEqual([]);
    expect(bench.clock.pending).toBe(0);
  });

  it('is kept no longer than its release allows', async () => {
    const bench = new Bench();
    const first = await bench.join();
    first.membership.release({ heardAt: bench.clock.now(), atMostMs: 5_000 });
    bench.clock.advance(4_999);
    expect(await bench.groups.list()).toMatchObject([{ members: 1 }]);
    bench.clock.advance(1);
    expect(await bench.groups.list()).toEqual([]);
  });

  it('is gone at once when it was heard too long ago', async () => {
    const bench = new Bench();
    const first = await bench.join();
    first.membership.release({ heardAt: bench.clock.now() - 30_000 });
    expect(await bench.groups.list()).toEqual([]);
  });

  it('says nothing and is told nothing any more', async () => {
    const bench = new Bench();
    const first = await bench.join();
    await bench.join();
    const epoch = first.epoch();
    first.membership.release({ heardAt: bench.clock.now() });
    first.membership.owned(epoch, []);
    first.membership.release({ heardAt: 0 });
    await first.membership.leave();
    expect(await outcome(first.update(WISHES))).toBe('UNKNOWN_MEMBER_ID');
    await settled();
    const { members } = await bench.groups.describe('g');
    expect(members[0]).toMatchObject({ memberId: first.memberId, connected: false });
    expect(members[0]?.assignment).toHaveLength(4);
    const told = first.pushes.length;
    await bench.groups.expire('g');
    expect([first.pushes.length, first.fenced]).toEqual([told, []]);
  });

  it('is not fenced for what it cannot let go of: its session decides', async () => {
    const bench = new Bench();
    const first = await bench.join({ sessionTimeoutMs: 50_000, rebalanceTimeoutMs: 1_000 });
    const second = await bench.join();
    first.membership.release({ heardAt: bench.clock.now() });
    bench.clock.advance(49_999);
    await settled();
    expect(second.owns()).toEqual([]);
    const again = await bench.resume(first, { rebalanceTimeoutMs: 1_000 });
    bench.clock.advance(1_000);
    await settled();
    expect(again.fenced).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(second.owns()).toHaveLength(4);
  });
});

describe('who comes back with the resume token', () => {
  it('has the member again, with its epoch and its partitions, and nobody else notices', async () => {
    const bench = new Bench();
    const [first, second] = [await bench.join(), await bench.join()];
    await reconciled([first, second]);
    const pushes = second.pushes.length;
    first.membership.release({ heardAt: bench.clock.now() });
    bench.clock.advance(29_999);
    const again = await bench.resume(first);
    expect([again.memberId, again.epoch(), again.owns()]).toEqual([first.memberId, first.epoch(), first.owns()]);
    again.letGo();
    bench.clock.advance(100_000);
    await settled();
    expect(again.fenced).toEqual([]);
    expect(second.pushes).toHaveLength(pushes);
    expect(await bench.groups.list()).toEqual([{ groupId: 'g', state: 'Stable', members: 2 }]);
  });

  it('takes it from the connection that holds it, which is told before the answer and speaks for it no more', async () => {
    const bench = new Bench();
    const first = await bench.join();
    let save = (): void => undefined;
    bench.saving = new Promise((resolve) => {
      save = resolve;
    });
    const answer = bench.resume(first);
    await settled();
    expect(first.takenOver).toBe(1);
    save();
    const again = await answer;
    await first.membership.leave();
    first.membership.release({ heardAt: 0 });
    first.membership.owned(first.epoch(), []);
    await settled();
    expect(again.owns()).toHaveLength(4);
    expect(first.fenced).toEqual([]);
    expect(await bench.groups.describe('g')).toMatchObject({ members: [{ connected: true }] });
  });

  it('finds what has changed meanwhile', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const epoch = first.epoch();
    first.membership.release({ heardAt: bench.clock.now() });
    const second = await bench.join();
    const again = await bench.resume(first);
    expect(again.owns()).toHaveLength(2);
    expect(again.epoch()).toBeGreaterThan(epoch);
    again.letGo();
    await settled();
    expect(second.owns()).toHaveLength(2);
  });

  it('says anew what it wants: topics, assignor and timeouts are those of the newest join', async () => {
    const bench = new Bench({}, { t: 2, u: 1 });
    const first = await bench.join();
    const again = await bench.resume(first, {
      topics: ['u'],
      sessionTimeoutMs: 6_000,
      assignor: 'range',
      clientId: 'new',
    });
    expect(again.owns()).toEqual(['u-0']);
    expect(again.membership.heartbeatIntervalMs).toBe(2_000);
    expect(await bench.groups.describe('g')).toMatchObject({ assignor: 'range', members: [{ clientId: 'new' }] });
    again.membership.release({ heardAt: bench.clock.now() });
    bench.clock.advance(6_000);
    expect(await bench.groups.list()).toEqual([]);
  });
});

describe('a resume token', () => {
  it('is 256 random bits as 43 characters that need no escaping, and another one each time', async () => {
    const tokens = Array.from({ length: 50 }, createResumeToken);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(new Set(tokens).size).toBe(50);
    const bench = new Bench();
    const first = await bench.join();
    const second = await bench.resume(first);
    expect(tokenOf(first)).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(tokenOf(second)).not.toBe(tokenOf(first));
  });

  it('is kept as its SHA-256 alone', async () => {
    expect(await hashOfToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const bench = new Bench({ hashToken: undefined });
    const first = await bench.join();
    const text = bench.disk.get('g') ?? '';
    expect(text).not.toContain(tokenOf(first));
    expect(bench.state()?.members[0]?.tokenHashes).toEqual([await hashOfToken(tokenOf(first))]);
    expect((await bench.resume(first)).memberId).toBe(first.memberId);
  });

  it('stays good after its successor was sent, since that may be lost; not once the successor has arrived', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const lost = await bench.resume(first);
    const second = await bench.resume(first);
    expect(await outcome(bench.resume(lost)), 'an answer that was never used').toBe('UNKNOWN_MEMBER_ID');
    second.letGo();
    expect(await outcome(bench.resume(first)), 'spent').toBe('UNKNOWN_MEMBER_ID');
    expect(second.takenOver).toBe(0);
    const third = await bench.resume(second);
    expect(second.takenOver).toBe(1);
    expect(third.memberId).toBe(first.memberId);
  });

  it('stays as it is when the connection that holds the member states other topics: what is said before that answer arrives spends nothing', async () => {
    const bench = new Bench();
    const first = await bench.join();
    const { memberId } = first;
    const resumeToken = tokenOf(first);
    first.letGo();
    await first.update(WISHES);
    first.letGo();
    expect(tokenOf(first)).toBe(resumeToken);
    const again = await bench.resume(first);
    await again.update(WISHES);
    expect(await outcome(bench.join({ memberId, resumeToken })), 'the answer may be lost still').toBe('resolved');
  });

  it('is worth nothing for another member, in another group, to another principal, or without the member’s id', async () => {
    const bench = new Bench();
    const first = await bench.join({ principal: 'ada' });
    const second = await bench.join({ principal: 'ada' });
    const other = await bench.join({ groupId: 'h' });
    const { memberId, membership } = first;
    const { resumeToken } = membership;
    const refusals = [
      { memberId },
      { memberId, resumeToken: '' },
      { memberId, resumeToken: tokenOf(second), principal: 'ada' },
      { memberId: second.memberId, resumeToken, principal: 'ada' },
      { memberId, resumeToken, principal: 'eve' },
      { memberId, resumeToken },
      { memberId, resumeToken, principal: 'ada', groupId: 'h' },
      { memberId: other.memberId, resumeToken, principal: 'ada', groupId: 'h' },
      { memberId: 'chosen by the client', principal: 'ada' },
      { memberId: 'chosen by the client', principal: 'ada', groupId: 'new' },
    ];
    for (const request of refusals) {
      expect(await outcome(bench.join(request)), JSON.stringify(request)).toBe('UNKNOWN_MEMBER_ID');
    }
    expect([first, second, other].map(({ takenOver, fenced }) => [takenOver, fenced])).toEqual([
      [0, []],
      [0, []],
      [0, []],
    ]);
    expect((await bench.groups.list()).map(({ groupId }) => groupId)).toEqual(['g', 'h']);
    const newcomer = await bench.join({ resumeToken, principal: 'ada' });
    expect(newcomer.memberId).not.toBe(memberId);
    expect((await bench.resume(first, { principal: 'ada' })).memberId).toBe(memberId);
  });

  it('takes up nobody after the member left, or was fenced', async () => {
    const bench = new Bench();
    const [first, second] = [await bench.join(), await bench.join()];
    await first.membership.leave();
    await bench.groups.expire('g', second.memberId);
    for (const member of [first, second]) expect(await outcome(bench.resume(member))).toBe('UNKNOWN_MEMBER_ID');
  });
});

describe('a static member', () => {
  it('whose place was taken while it was away is told so, and does not take it back', async () => {
    const bench = new Bench();
    const older = await bench.join({ instanceId: 'i' });
    older.membership.release({ heardAt: bench.clock.now() });
    const newer = await bench.join({ instanceId: 'i' });
    expect(await outcome(bench.resume(older, { instanceId: 'i' }))).toBe('FENCED_INSTANCE_ID');
    expect([newer.fenced, newer.takenOver]).toEqual([[], 0]);
    await newer.membership.leave();
    expect(await outcome(bench.resume(older, { instanceId: 'i' }))).toBe('UNKNOWN_MEMBER_ID');
  });

  it('that comes back gets the very same partitions under another member id, and nobody else’s move', async () => {
    const bench = new Bench({}, { t: 5, u: 2 });
    const wishes = { topics: ['t', 'u'] };
    const members = [
      await bench.join(wishes),
      await bench.join({ ...wishes, instanceId: 'i' }),
      await bench.join(wishes),
    ];
    await reconciled(members);
    const [, old] = members;
    if (old === undefined) throw new Error('no member');
    const had = members.map((member) => member.owns());
    old.membership.release({ heardAt: bench.clock.now() });
    const again = await bench.join({ ...wishes, instanceId: 'i' });
    await settled();
    expect(again.memberId).not.toBe(old.memberId);
    expect(again.epoch()).toBeGreaterThan(old.epoch());
    expect(members.map((member) => (member === old ? again : member).owns())).toEqual(had);
    expect(await bench.groups.list()).toEqual([{ groupId: 'g', state: 'Stable', members: 3 }]);
    expect(await outcome(bench.resume(old))).toBe('UNKNOWN_MEMBER_ID');
    bench.clock.advance(100_000);
    expect(await bench.groups.list()).toMatchObject([{ members: 3 }]);
  });

  it('has one live holder: the older one is fenced, and what it says then does nothing', async () => {
    const bench = new Bench({}, { t: 1 });
    const older = await bench.join({ instanceId: 'i' });
    const newer = await bench.join({ instanceId: 'i' });
    expect(older.fenced).toEqual(['FENCED_INSTANCE_ID']);
    expect(newer.owns()).toEqual(['t-0']);
    expect(await outcome(older.update(WISHES))).toBe('UNKNOWN_MEMBER_ID');
    await older.membership.leave();
    older.membership.release({ heardAt: 0 });
    expect(await bench.groups.list()).toMatchObject([{ members: 1 }]);
  });

  it('resumes with its token as any other', async () => {
    const bench = new Bench();
    const first = await bench.join({ instanceId: 'i' });
    const again = await bench.resume(first, { instanceId: 'i' });
    expect([again.memberId, again.epoch(), first.fenced, first.takenOver]).toEqual([
      first.memberId,
      first.epoch(),
      [],
      1,
    ]);
  });

  it('frees for others what the older one was letting go of', async () => {
    const bench = new Bench();
    const older = await bench.join({ instanceId: 'i' });
    const second = await bench.join();
    expect(second.owns()).toEqual([]);
    const newer = await bench.join({ instanceId: 'i' });
    await settled();
    expect([newer.owns(), second.owns()].map(({ length }) => length)).toEqual([2, 2]);
    expect(older.owns()).toEqual(newer.owns());
  });

  it('that leaves is gone as any other', async () => {
    const bench = new Bench();
    const [first, second] = [await bench.join({ instanceId: 'i' }), await bench.join()];
    await reconciled([first, second]);
    await first.membership.leave();
    await settled();
    expect(second.owns()).toHaveLength(4);
  });
});
