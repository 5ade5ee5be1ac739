// Groups over a session: joining, commits by members, and members that outlive their socket.
import { describe, expect, it } from 'vitest';
import { CLOSE_CODES, type ClientFrameOf, encodeBatch, type ServerFrameOf } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import { joinFrame } from './groups.test-support.ts';
import type { Limits } from './limits.ts';
import type { GroupPort, Log, Membership } from './log.ts';
import { memoryLog } from './memory-log.ts';

type Join = ClientFrameOf<'join'>;
type Joined = ServerFrameOf<'join'>;

async function setUp(partitions = 2) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random });
  const { topicId } = await log.createTopic({ name: 't', partitions });
  const connect = async (of: Log = log, limits?: Partial<Limits>) => {
    const peer = new SessionPeer({ log: of, clock, limits });
    await peer.hello();
    return peer;
  };
  return { clock, log, topicId, connect, peer: await connect() };
}
/** Joins, and says nothing more. */
async function answered(peer: SessionPeer, id = 1, more: Partial<Join> = {}, consumer = 1): Promise<Joined> {
  const reply = await peer.request(joinFrame(id, consumer, more));
  if (reply.type !== 'join') throw new Error(`${reply.code}: ${reply.message}`);
  return reply;
}
/** Joins, and says what it owns, as every client does. */
async function joined(peer: SessionPeer, id = 1, more: Partial<Join> = {}, consumer = 1): Promise<Joined> {
  const reply = await answered(peer, id, more, consumer);
  peer.send(ownedOf(reply, consumer));
  return reply;
}
const tokens = ({ memberId, resumeToken }: Joined) => ({ memberId, resumeToken });
const ownedOf = (
  { memberEpoch, partitions }: Pick<Joined, 'memberEpoch' | 'partitions'>,
  consumer = 1,
): ClientFrameOf<'owned'> => ({
  type: 'owned',
  consumer,
  memberEpoch,
  partitions: partitions.map((of) => ({ topicId: of.topicId, partitions: of.partitions })),
});

describe('groups', () => {
  it('are joined, committed to by their member, described, left and deleted', async () => {
    const { peer, log, topicId } = await setUp();
    const value = new TextEncoder().encode('v');
    await log.append({ topicId, partition: 0 }, encodeBatch([{ key: null, value, timestamp: 5_000 }]));
    const { memberId, memberEpoch, partitions, resumeToken } = await joined(peer);
    expect(partitions).toEqual([{ topic: 't', topicId, partitions: [0, 1] }]);
    expect(resumeToken).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const offsets = [{ topicId, partition: 0, offset: 1, metadata: 'm' }];
    expect(await peer.request({ type: 'commit', id: 2, groupId: 'g', memberId, memberEpoch, offsets })).toEqual({
      type: 'commit',
      id: 2,
      partitions: [{ topicId, partition: 0 }],
    });
    expect(await peer.request({ type: 'commit', id: 3, groupId: 'g', offsets })).toMatchObject({
      type: 'error',
      id: 3,
      code: 'UNKNOWN_MEMBER_ID',
    });
    expect(await peer.request({ type: 'listGroups', id: 4 })).toMatchObject({
      groups: [{ groupId: 'g', state: 'Stable', members: 1 }],
    });
    expect(await peer.request({ type: 'describeGroup', id: 5, groupId: 'g' })).toMatchObject({
      group: {
        state: 'Stable',
        assignor: 'uniform',
        members: [{ memberId, clientId: 'tester', topics: ['t'], connected: true }],
        offsets: [
          { topic: 't', partition: 0, committed: 1, metadata: 'm', end: 1, lag: 0 },
          { topic: 't', partition: 1, committed: null, end: 0, lag: 0 },
        ],
      },
    });
    expect(await peer.request({ type: 'deleteGroup', id: 6, groupId: 'g' })).toMatchObject({ code: 'NON_EMPTY_GROUP' });
    expect(await peer.request({ type: 'leave', id: 7, consumer: 1 })).toEqual({ type: 'leave', id: 7 });
    expect(await peer.request({ type: 'commit', id: 8, groupId: 'g', offsets })).toMatchObject({ type: 'commit' });
    expect(await peer.request({ type: 'deleteGroup', id: 9, groupId: 'g' })).toEqual({ type: 'deleteGroup', id: 9 });
    expect(await peer.request({ type: 'describeGroup', id: 10, groupId: 'g' })).toMatchObject({
      code: 'GROUP_ID_NOT_FOUND',
    });
  });

  it('state another subscription, or assignor, with the member id they were given, and keep their token', async () => {
    const { peer, log } = await setUp();
    const other = await log.createTopic({ name: 'other' });
    const member = await joined(peer);
    const again = await joined(peer, 2, { memberId: member.memberId, topics: ['other'], assignor: 'range' });
    expect(again).toMatchObject({ memberId: member.memberId, partitions: [{ topicId: other.topicId }] });
    expect(again.resumeToken).toBe(member.resumeToken);
    expect(await log.groups.describe('g')).toMatchObject({ assignor: 'range', members: [{ topics: ['other'] }] });
    expect(peer.all('assignment')).toEqual([]);
  });

  it('fence a member whose application is busy for longer than maxPollIntervalMs', async () => {
    const { peer, log } = await setUp();
    await joined(peer, 1, { maxPollIntervalMs: 1_000 });
    peer.send({ type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 1_000 }] });
    expect(peer.all('fenced')).toEqual([]);
    peer.send({ type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 1_001 }] });
    expect(peer.all('fenced')).toMatchObject([{ consumer: 1, code: 'FENCED_MEMBER_EPOCH' }]);
    await peer.settle();
    expect(await log.groups.list()).toEqual([]);
  });

  it('lose a member that was not heard for its sessionTimeoutMs, though its socket still stands', async () => {
    const { peer, connect, log, clock } = await setUp();
    await joined(peer, 1, { sessionTimeoutMs: 2_000 });
    const other = await connect();
    const second = await joined(other, 1);
    clock.advance(1_500);
    peer.send({ type: 'heartbeat' });
    clock.advance(1_999);
    expect(peer.all('fenced')).toEqual([]);
    clock.advance(1);
    expect(peer.all('fenced')).toMatchObject([{ consumer: 1, code: 'FENCED_MEMBER_EPOCH' }]);
    expect(peer.closed).toBeUndefined();
    await peer.settle();
    const { members } = await log.groups.describe('g');
    expect(members).toMatchObject([{ memberId: second.memberId, assignment: [{ partition: 0 }, { partition: 1 }] }]);
    expect(other.all('fenced')).toEqual([]);
  });

  it('take maxPollIntervalMs from the newest join', async () => {
    const { peer } = await setUp();
    const member = await joined(peer, 1, { maxPollIntervalMs: 1_000 });
    await joined(peer, 2, { memberId: member.memberId, maxPollIntervalMs: 5_000 });
    peer.send({ type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 5_000 }] });
    expect(peer.all('fenced')).toEqual([]);
    peer.send({ type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 5_001 }] });
    expect(peer.all('fenced')).toHaveLength(1);
  });

  it('tell a member that another took its instance id, and refuse its commits', async () => {
    const { peer, log, topicId, connect } = await setUp();
    const { memberId, memberEpoch } = await joined(peer, 1, { instanceId: 'i' });
    const other = await connect();
    expect(await joined(other, 1, { instanceId: 'i' })).toMatchObject({ partitions: [{ partitions: [0, 1] }] });
    expect(peer.all('fenced')).toMatchObject([{ consumer: 1, code: 'FENCED_INSTANCE_ID' }]);
    expect(peer.closed).toBeUndefined();
    const offsets = [{ topicId, partition: 0, offset: 1 }];
    expect(await peer.request({ type: 'commit', id: 2, groupId: 'g', memberId, memberEpoch, offsets })).toMatchObject({
      code: 'UNKNOWN_MEMBER_ID',
    });
    // What the older one does at its end must not hurt the newer.
    peer.session.onClosed();
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
  });

  it('tell what happens while a member joins in the answer or after it, never before, and epochs only rise', async () => {
    for (let turns = 0; turns < 24; turns++) {
      const { peer, log, connect } = await setUp(4);
      const other = await connect();
      const first = await joined(peer);
      peer.send(ownedOf(first));
      other.send(joinFrame(1));
      peer.send(joinFrame(2, 1, { memberId: first.memberId }));
      for (let i = 0; i < turns; i++) await Promise.resolve();
      await log.createTopic({ name: `u${turns}` });
      await log.deleteTopic('t');
      await peer.settle();
      for (const { frames } of [peer, other]) {
        const said = frames.filter((frame) => frame.type === 'join' || frame.type === 'assignment');
        expect(said[0]?.type).toBe('join');
        const epochs = said.map(({ memberEpoch }) => memberEpoch);
        expect(epochs, `after ${turns} turns`).toEqual([...epochs].sort((a, b) => a - b));
        expect(said.at(-1)?.partitions).toEqual([]);
      }
    }
  });

  it('answer a join with the newest assignment that came before its answer', async () => {
    const { log, clock } = await setUp();
    const groups = {
      join: async (...[request, listener]: Parameters<GroupPort['join']>) => {
        const { groupId, memberId, heartbeatIntervalMs } = await log.groups.join(request, listener);
        listener.onAssignment({ memberEpoch: 9, partitions: [] });
        return {
          groupId,
          memberId,
          heartbeatIntervalMs,
          memberEpoch: 8,
          partitions: [{ topic: 't', topicId: 'x', partitions: [0] }],
        };
      },
    };
    const peer = new SessionPeer({
      log: Object.create(log, { groups: { value: groups }, logId: { value: 'l' } }),
      clock,
    });
    await peer.hello();
    expect(await joined(peer)).toMatchObject({ memberEpoch: 9, partitions: [] });
    await peer.settle();
    expect(peer.all('assignment')).toEqual([]);
  });

  it('answer a join with the error when the member is fenced before its answer', async () => {
    const { peer, log } = await setUp();
    const inner = log.groups;
    const groups = {
      join: async (...args: Parameters<GroupPort['join']>) => {
        const membership = await inner.join(...args);
        await inner.expire('g');
        return membership;
      },
    };
    const slow = new SessionPeer({
      log: Object.create(log, { groups: { value: groups }, logId: { value: 'l' } }),
      clock: peer.clock,
    });
    await slow.hello();
    expect(await slow.request(joinFrame(1))).toMatchObject({ type: 'error', code: 'FENCED_MEMBER_EPOCH' });
    await slow.settle();
    expect(slow.all('fenced')).toEqual([]);
  });
});

describe('a member whose socket is gone', () => {
  it('keeps its partitions from everybody until sessionTimeoutMs after the last frame', async () => {
    const { peer, log, connect, clock, topicId } = await setUp();
    await joined(peer);
    await peer.advance(5_000);
    peer.send({ type: 'heartbeat' });
    await peer.advance(2_000);
    peer.session.onClosed(1006);
    const other = await connect();
    expect(await joined(other, 1, { sessionTimeoutMs: 300_000 }, 7)).toMatchObject({ partitions: [] });
    clock.advance(27_999);
    await other.settle();
    expect(other.all('assignment')).toEqual([]);
    expect(await log.groups.list()).toMatchObject([{ members: 2 }]);
    clock.advance(1);
    expect(await other.frame('assignment')).toMatchObject({
      consumer: 7,
      partitions: [{ topic: 't', topicId, partitions: [0, 1] }],
    });
  });

  it.each([
    ['the page goes away: 5 seconds at most', CLOSE_CODES.SUSPENDED.code, 5_000],
    ['the browser goes away: 5 seconds at most', 1001, 5_000],
    ['the page is frozen: the full time', CLOSE_CODES.FROZEN.code, 30_000],
    ['the client is done and did not leave: the full time', 1000, 30_000],
    ['the wire is cut: the full time', 1006, 30_000],
    ['nobody knows how: the full time', undefined, 30_000],
  ])('%s', async (_, code, keptMs) => {
    const { peer, log, clock } = await setUp();
    await joined(peer);
    peer.session.onClosed(code);
    clock.advance(keptMs - 1);
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
    clock.advance(1);
    expect(await log.groups.list()).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('is kept no longer than its own sessionTimeoutMs, and a page as long as pageHoldMs says', async () => {
    const { log, clock, connect } = await setUp();
    const [short, page] = [await connect(), await connect(log, { pageHoldMs: 500 })];
    await joined(short, 1, { sessionTimeoutMs: 1_000 });
    await joined(page, 1);
    short.session.onClosed(4510);
    page.session.onClosed(4510);
    clock.advance(500);
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
    clock.advance(500);
    expect(await log.groups.list()).toEqual([]);
  });

  it('is kept when the gateway itself closes the socket: drained, or silent', async () => {
    const { peer, log, connect, clock } = await setUp();
    await joined(peer);
    peer.session.close('DRAIN', 'The gateway is shutting down.');
    const silent = await connect();
    await joined(silent, 1, { groupId: 'h' });
    await silent.advance(18_001);
    expect(silent.closed?.code).toBe(CLOSE_CODES.TIMEOUT.code);
    expect((await log.groups.list()).map(({ members }) => members)).toEqual([1, 1]);
    clock.advance(12_000);
    expect(await log.groups.list()).toEqual([]);
  });

  it('is gone at once when it never said what it owns: nobody can know it', async () => {
    const { peer, log, connect } = await setUp();
    const first = await answered(peer);
    const other = await connect();
    expect(await joined(other)).toMatchObject({ partitions: [] });
    peer.session.onClosed(1006);
    expect(await other.frame('assignment')).toMatchObject({ partitions: [{ partitions: [0, 1] }] });
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
    const again = await connect();
    expect(await again.request(joinFrame(1, 1, tokens(first)))).toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
  });

  it('is kept though it said nothing, when it was there before or is static', async () => {
    const { peer, log, connect, clock } = await setUp();
    const first = await joined(peer);
    const other = await connect();
    await answered(other, 1, tokens(first));
    await answered(other, 2, { instanceId: 'i' }, 2);
    other.session.onClosed(1006);
    clock.advance(29_999);
    expect(await log.groups.list()).toMatchObject([{ members: 2 }]);
    clock.advance(1);
    expect(await log.groups.list()).toEqual([]);
  });

  it('that had left is not kept', async () => {
    const { peer, log } = await setUp();
    await joined(peer);
    await peer.request({ type: 'leave', id: 2, consumer: 1 });
    peer.session.onClosed(1006);
    expect(await log.groups.list()).toEqual([]);
  });
});

describe('a member taken up over another socket', () => {
  it('has its epoch and partitions, and the first socket is closed with 4409 before the answer goes out', async () => {
    const { peer, connect } = await setUp();
    const first = await joined(peer);
    const other = await connect();
    let closedBefore: number | undefined;
    other.send(joinFrame(1, 3, tokens(first)));
    await other.until(() => {
      const [answer] = other.all('join');
      if (answer !== undefined) closedBefore = peer.closed?.code;
      return answer !== undefined;
    });
    expect(closedBefore).toBe(CLOSE_CODES.FENCED.code);
    const { memberId, memberEpoch, partitions, resumeToken } = await other.frame('join');
    expect({ memberId, memberEpoch, partitions }).toEqual({
      memberId: first.memberId,
      memberEpoch: first.memberEpoch,
      partitions: first.partitions,
    });
    expect(resumeToken).not.toBe(first.resumeToken);
    expect(peer.all('fenced')).toEqual([]);
  });

  it('commits with the id and epoch it had; the first socket’s end changes nothing', async () => {
    const { peer, connect, topicId, clock, log } = await setUp();
    const first = await joined(peer);
    const other = await connect();
    await joined(other, 1, tokens(first));
    peer.session.onClosed(1006);
    clock.advance(5_000);
    const { memberId, memberEpoch } = first;
    const offsets = [{ topicId, partition: 1, offset: 3 }];
    expect(await other.request({ type: 'commit', id: 2, groupId: 'g', memberId, memberEpoch, offsets })).toEqual({
      type: 'commit',
      id: 2,
      partitions: [{ topicId, partition: 1 }],
    });
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
  });

  it('moves nothing for others, whether the first socket is still there or gone', async () => {
    const { peer, connect, clock } = await setUp();
    const first = await joined(peer);
    const bystander = await connect();
    await joined(bystander);
    peer.send(ownedOf(await peer.frame('assignment')));
    await bystander.frame('assignment');
    peer.session.onClosed(1006);
    clock.advance(6_000);
    const other = await connect();
    const again = await joined(other, 1, tokens(first));
    other.send(ownedOf(again));
    const third = await connect();
    await joined(third, 1, tokens(again));
    await third.settle();
    expect(bystander.all('assignment')).toHaveLength(1);
  });

  it('leaves the other members of the first socket for their clients to take up', async () => {
    const { peer, connect, log } = await setUp();
    const first = await joined(peer);
    const second = await joined(peer, 2, { groupId: 'h' }, 2);
    const other = await connect();
    await joined(other, 1, tokens(first));
    expect(await log.groups.describe('h')).toMatchObject({ members: [{ connected: false }] });
    expect(await joined(other, 2, { groupId: 'h', ...tokens(second) }, 2)).toMatchObject({ memberId: second.memberId });
  });

  it('needs the token: without it, or with a spent one, UNKNOWN_MEMBER_ID and the holder keeps it', async () => {
    const { peer, connect } = await setUp();
    const first = await joined(peer);
    peer.send(ownedOf(first));
    const other = await connect();
    const { memberId } = first;
    for (const [id, resumeToken] of [undefined, 'wrong', 'x'.repeat(43)].entries()) {
      expect(await other.request(joinFrame(id, 1, { memberId, resumeToken }))).toMatchObject({
        type: 'error',
        code: 'UNKNOWN_MEMBER_ID',
      });
    }
    const second = await joined(other, 5, tokens(first));
    other.send(ownedOf(second));
    const third = await connect();
    expect(await third.request(joinFrame(1, 1, tokens(first)))).toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
    expect(other.closed).toBeUndefined();
    expect(await joined(third, 2, tokens(second))).toMatchObject({ memberId });
    expect(other.closed?.code).toBe(CLOSE_CODES.FENCED.code);
  });

  it('was fenced meanwhile: its commits and its token are worth nothing', async () => {
    const { peer, connect, topicId, log } = await setUp();
    const first = await joined(peer);
    peer.session.onClosed(1006);
    await log.groups.expire('g');
    const other = await connect();
    const { memberId, memberEpoch } = first;
    const offsets = [{ topicId, partition: 0, offset: 3 }];
    expect(await other.request({ type: 'commit', id: 1, groupId: 'g', memberId, memberEpoch, offsets })).toMatchObject({
      code: 'UNKNOWN_MEMBER_ID',
    });
    expect(await other.request(joinFrame(2, 1, tokens(first)))).toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
  });
});

describe('what takes its time', () => {
  /** Members of which joins and updates are answered only after `answer`. */
  async function slow() {
    const { log, clock, connect, peer: unused } = await setUp();
    unused.session.onClosed();
    const memberIds: string[] = [];
    let gate = Promise.resolve();
    let answer = (): void => undefined;
    const hold = (): void => {
      gate = new Promise((resolve) => {
        answer = resolve;
      });
    };
    const groups = {
      join: async (...args: Parameters<GroupPort['join']>) => {
        const membership = await log.groups.join(...args);
        memberIds.push(membership.memberId);
        const update = membership.update.bind(membership);
        const slowly: Membership['update'] = async (wishes) => {
          const assignment = await update(wishes);
          await gate;
          return assignment;
        };
        await gate;
        return Object.assign(membership, { update: slowly });
      },
    };
    const peer = await connect(Object.create(log, { logId: { value: 'l' }, groups: { value: groups } }));
    return { log, clock, peer, memberIds, hold, answer: () => answer() };
  }

  it('leaves no timer when the socket closes while its member states other topics', async () => {
    const { peer, clock, hold, answer } = await slow();
    const { memberId } = await joined(peer);
    hold();
    peer.send(joinFrame(2, 1, { memberId, sessionTimeoutMs: 3_000 }));
    await peer.settle();
    peer.session.onClosed();
    answer();
    await peer.settle();
    expect(clock.pending, 'the end of the member').toBe(1);
    clock.advance(3_000);
    expect(clock.pending).toBe(0);
  });

  it('a member that is busy for too long while it states other topics is fenced after the answer, never before', async () => {
    const { peer, hold, answer } = await slow();
    const { memberId } = await joined(peer, 1, { maxPollIntervalMs: 1_000 });
    hold();
    peer.send(joinFrame(2, 1, { memberId, maxPollIntervalMs: 1_000 }));
    await peer.settle();
    peer.send({ type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 1_001 }] });
    await peer.settle();
    answer();
    await peer.settle();
    const said = peer.frames.filter(({ type }) => type === 'join' || type === 'fenced').map(({ type }) => type);
    expect(said).toEqual(['join', 'join', 'fenced']);
  });

  it('a member that left while it joined has no say in the next join of its consumer', async () => {
    const { peer, log, memberIds, hold, answer } = await slow();
    hold();
    peer.send(joinFrame(1));
    await peer.settle();
    await peer.request({ type: 'leave', id: 2, consumer: 1 });
    peer.send(joinFrame(3));
    await peer.settle();
    expect(memberIds).toHaveLength(2);
    await log.groups.expire('g', memberIds[0]);
    answer();
    await peer.settle();
    expect(peer.all('join')).toMatchObject([{ id: 3, memberId: memberIds[1] }]);
    expect(peer.all('error')).toMatchObject([{ id: 1, code: 'UNKNOWN_MEMBER_ID' }]);
    expect(peer.all('fenced')).toEqual([]);
  });
});

describe('a socket that closes while a member joins', () => {
  /** Joins reach the coordinator when `enter` is called. */
  async function held() {
    const { log, peer, connect, clock } = await setUp();
    let enter = (): void => undefined;
    const groups = {
      join: async (...args: Parameters<GroupPort['join']>) => {
        await new Promise<void>((resolve) => {
          enter = resolve;
        });
        return log.groups.join(...args);
      },
    };
    const slow: Log = Object.create(log, { logId: { value: 'l' }, groups: { value: groups } });
    return { log, peer, clock, slow: await connect(slow), enter: () => enter() };
  }

  it('lets a newcomer go, who was never told who it is', async () => {
    const { log, slow, enter } = await held();
    slow.send(joinFrame(1));
    await slow.settle();
    slow.session.onClosed();
    enter();
    await slow.settle();
    expect(await log.groups.list()).toEqual([]);
  });

  it('keeps a member that was being taken up', async () => {
    const { log, peer, slow, enter, clock } = await held();
    const first = await joined(peer);
    slow.send(joinFrame(1, 1, tokens(first)));
    await slow.settle();
    slow.session.onClosed();
    enter();
    await slow.settle();
    expect(await log.groups.describe('g')).toMatchObject({ members: [{ connected: false }] });
    clock.advance(30_000);
    expect(await log.groups.list()).toEqual([]);
  });
});
