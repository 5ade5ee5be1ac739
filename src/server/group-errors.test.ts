// What the gateway says where a consumer ends up with one of the errors of groups and offsets: which frame, which code, what it names. The consumer's half is in core/consumer.errors.test.ts.
import { describe, expect, it } from 'vitest';
import {
  type ClientFrame,
  type ClientFrameOf,
  ERROR_TABLE,
  type ErrorCode,
  encodeBatch,
  encodeClientFrame,
  LogError,
  type ServerFrame,
} from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import { describeError } from './error-frames.ts';
import { joinFrame } from './groups.test-support.ts';
import { memoryLog } from './memory-log.ts';

async function setUp() {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random });
  const { topicId } = await log.createTopic({ name: 't', partitions: 2, config: { 'retention.ms': '10000' } });
  const connect = async () => {
    const peer = new SessionPeer({ log, clock });
    await peer.hello();
    return peer;
  };
  const append = (values: readonly string[]) =>
    log.append(
      { topicId, partition: 0 },
      encodeBatch(
        values.map((value) => ({ key: null, value: new TextEncoder().encode(value), timestamp: clock.now() })),
      ),
    );
  const peer = await connect();
  let id = 0;
  const join = async (of = peer, more: Partial<ClientFrameOf<'join'>> = {}) => {
    const reply = await of.request(joinFrame(++id, 1, more));
    if (reply.type !== 'join') return reply;
    const owned = reply.partitions.map(({ topicId: of, partitions }) => ({ topicId: of, partitions }));
    return Object.assign(reply, {
      own: () => of.send({ type: 'owned', consumer: 1, memberEpoch: reply.memberEpoch, partitions: owned }),
    });
  };
  const member = async (of = peer, more: Partial<ClientFrameOf<'join'>> = {}) => {
    const reply = await join(of, more);
    if (reply.type !== 'join') throw new Error(reply.message);
    reply.own();
    const { memberId, memberEpoch } = reply;
    return { memberId, memberEpoch };
  };
  const commit = (of: Partial<ClientFrameOf<'commit'>> = {}, by = peer) =>
    by.request({ type: 'commit', id: ++id, groupId: 'g', offsets: [{ topicId, partition: 0, offset: 1 }], ...of });
  const fetch = async (offset: number) => {
    const limit = 1 << 20;
    const partitions = [{ topicId, partition: 0, epoch: 1, offset, limit }];
    peer.send({
      type: 'fetch',
      consumer: 1,
      isolation: 'read_uncommitted',
      minBytes: 1,
      maxWaitMs: 0,
      maxPartitionBytes: limit,
      limit,
      partitions,
    });
    return peer.frame('fetchError');
  };
  return { clock, log, topicId, connect, append, peer, join, member, commit, fetch };
}
type World = Awaited<ReturnType<typeof setUp>>;

/** The code; where it happens; what is done; what the frame says beside it. */
const TABLE: readonly [ErrorCode, string, (world: World) => Promise<ServerFrame>, object][] = [
  [
    'OFFSET_OUT_OF_RANGE',
    'a fetch beyond the end',
    async (w) => {
      await w.append(['a', 'b', 'c']);
      return w.fetch(4);
    },
    { type: 'fetchError', partition: 0, offset: 4, logStart: 0, logEnd: 3, message: /4.*0 to 3/ },
  ],
  [
    'OFFSET_OUT_OF_RANGE',
    'a fetch before the log start, which retention has moved',
    async (w) => {
      await w.append(['a', 'b']);
      w.clock.advance(11_000);
      await w.append(['c']);
      w.log.retain();
      return w.fetch(1);
    },
    { type: 'fetchError', partition: 0, offset: 1, logStart: 2, logEnd: 3, message: /1.*2 to 3/ },
  ],
  ...[
    { groupId: '', what: 'a group id of 0 characters', not: '0' },
    { groupId: 'x'.repeat(256), what: 'a group id of 256 characters', not: '256' },
    { groupId: 'a\0b', what: 'a group id with a NUL', not: 'one with a NUL' },
  ].flatMap(({ groupId, what, not }): [ErrorCode, string, (world: World) => Promise<ServerFrame>, object][] => {
    const said = { type: 'error', message: new RegExp(`1 to 255 characters, not ${not}`) };
    return [
      ['INVALID_GROUP_ID', `${what} in a join`, (w) => w.join(w.peer, { groupId }), said],
      ['INVALID_GROUP_ID', `${what} in a commit`, (w) => w.commit({ groupId }), said],
      [
        'INVALID_GROUP_ID',
        `${what} in a look for commits`,
        (w) =>
          w.peer.request({ type: 'committed', id: 99, groupId, partitions: [{ topicId: w.topicId, partition: 0 }] }),
        said,
      ],
      [
        'INVALID_GROUP_ID',
        `${what} that is described`,
        (w) => w.peer.request({ type: 'describeGroup', id: 99, groupId }),
        said,
      ],
      [
        'INVALID_GROUP_ID',
        `${what} that is deleted`,
        (w) => w.peer.request({ type: 'deleteGroup', id: 99, groupId }),
        said,
      ],
    ];
  }),
  [
    'UNKNOWN_MEMBER_ID',
    'a commit of a member that the group never had',
    async (w) => {
      const { memberEpoch } = await w.member();
      return w.commit({ memberId: 'nobody', memberEpoch });
    },
    { type: 'error', message: /"g".*nobody/ },
  ],
  [
    'UNKNOWN_MEMBER_ID',
    'a commit of a member that has left',
    async (w) => {
      const member = await w.member();
      await w.peer.request({ type: 'leave', id: 99, consumer: 1 });
      return w.commit(member);
    },
    { type: 'error', message: /"g"/ },
  ],
  [
    'UNKNOWN_MEMBER_ID',
    'a commit without a member while the group has one',
    async (w) => {
      await w.member();
      return w.commit();
    },
    { type: 'error', message: /"g" has members/ },
  ],
  [
    'UNKNOWN_MEMBER_ID',
    'a join that takes up a member with a wrong token',
    async (w) => {
      const { memberId } = await w.member();
      return w.join(await w.connect(), { memberId, resumeToken: 'x'.repeat(43) });
    },
    { type: 'error', message: /./ },
  ],
  [
    'STALE_MEMBER_EPOCH',
    'a commit with an epoch that another join has ended',
    async (w) => {
      const { memberId, memberEpoch } = await w.member();
      await w.member(await w.connect());
      await w.peer.frame('assignment');
      return w.commit({ memberId, memberEpoch });
    },
    { type: 'error', retriable: true, message: /epoch/ },
  ],
  [
    'FENCED_MEMBER_EPOCH',
    'a commit with an epoch that was never given',
    async (w) => {
      const { memberId, memberEpoch } = await w.member();
      return w.commit({ memberId, memberEpoch: memberEpoch + 7 });
    },
    { type: 'error', message: /epoch/ },
  ],
  [
    'FENCED_INSTANCE_ID',
    'the older of two members of one instance id',
    async (w) => {
      await w.member(w.peer, { instanceId: 'i' });
      await w.member(await w.connect(), { instanceId: 'i' });
      return w.peer.frame('fenced');
    },
    { type: 'fenced', consumer: 1, message: /groupInstanceId "i"/ },
  ],
  [
    'UNKNOWN_MEMBER_ID',
    'a commit of a member whose instance id another has taken over',
    async (w) => {
      const member = await w.member(w.peer, { instanceId: 'i' });
      await w.member(await w.connect(), { instanceId: 'i' });
      return w.commit(member);
    },
    { type: 'error', message: /"g"/ },
  ],
];

describe('the gateway answers', () => {
  it.each(TABLE)('%s to %s', async (code, _, provoke, said) => {
    const world = await setUp();
    const { message, ...rest } = said as { message: RegExp };
    const frame = await provoke(world);
    expect(frame).toMatchObject({
      retriable: ERROR_TABLE[code].retriable,
      ...rest,
      code,
      message: expect.stringMatching(message),
    });
    // The socket goes on.
    expect(world.peer.closed).toBeUndefined();
  });
  it('FENCED_MEMBER_EPOCH in the entry of a partition that the member does not own, and commits the others', async () => {
    const w = await setUp();
    const { topicId: other } = await w.log.createTopic({ name: 'other' });
    const member = await w.member();
    const offsets = [
      { topicId: other, partition: 0, offset: 1 },
      { topicId: w.topicId, partition: 0, offset: 1 },
    ];
    expect(await w.commit({ ...member, offsets })).toMatchObject({
      type: 'commit',
      partitions: [
        {
          topicId: other,
          partition: 0,
          error: { code: 'FENCED_MEMBER_EPOCH', message: expect.stringContaining('other-0') },
        },
        { topicId: w.topicId, partition: 0 },
      ],
    });
    const committed = await w.log.groups.committed('g', offsets);
    expect(committed.map(({ offset }) => offset)).toEqual([null, 1]);
  });
  it('a null offset, which is no error, where nothing is committed', async () => {
    const w = await setUp();
    const partitions = [{ topicId: w.topicId, partition: 0 }];
    expect(await w.peer.request({ type: 'committed', id: 1, groupId: 'g', partitions })).toEqual({
      type: 'committed',
      id: 1,
      partitions: [{ topicId: w.topicId, partition: 0, offset: null, metadata: '' }],
    });
  });
});

describe('what only a client can know', () => {
  const OF_CLIENTS = Object.keys(ERROR_TABLE).slice(0, 9) as ErrorCode[];

  it('is the first part of the table', () => {
    expect(OF_CLIENTS).toEqual(expect.arrayContaining(['ILLEGAL_STATE', 'COMMIT_FAILED', 'NO_OFFSET_FOR_PARTITION']));
  });
  it.each(OF_CLIENTS)('%s never travels, whatever a log throws', (code) => {
    expect(describeError(new LogError(code, 'secret'))).toMatchObject({
      code: 'UNKNOWN_SERVER_ERROR',
      message: expect.not.stringContaining('secret'),
    });
  });
  it('every other code travels as it is', () => {
    for (const code of Object.keys(ERROR_TABLE).slice(9) as ErrorCode[]) {
      const error = new LogError(code, 'why', { offset: 1, logStart: 2, logEnd: 3 });
      expect(describeError(error)).toBe(error);
    }
  });
});
