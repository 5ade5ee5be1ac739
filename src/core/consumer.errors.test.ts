// What an application sees where something is wrong with its group or its offsets: code, names, and what travelled for it. The gateway's half is in server/group-errors.test.ts.
import { firstValueFrom } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { ERROR_TABLE, type ErrorCode, LogError } from '../protocol/index.ts';
import { createTestGateway } from '../testing/index.ts';
import { consumerOf, T0, T1, tapped } from './consumer.test-support.ts';
import type { Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';

/** Codes that only the consumer itself gives. */
const OWN: readonly ErrorCode[] = ['ILLEGAL_STATE', 'COMMIT_FAILED', 'NO_OFFSET_FOR_PARTITION'];

async function setUp() {
  const gateway = await createTestGateway({
    topics: [{ name: 't', partitions: 2 }, { name: 'u' }],
    autoCreateTopics: false,
  });
  await gateway.produce('t', ['a', 'b', 'c']);
  const consumers: Consumer[] = [];
  const { transport, received, of } = tapped(gateway);
  return {
    gateway,
    /** Frames with that code that the consumers have got. */
    told: (code: ErrorCode) => received.filter((frame) => JSON.stringify(frame).includes(`"${code}"`)),
    /** Commits the consumers have sent. */
    commits: () => of('commit').length,
    consumer(config: ConsumerConfig = {}) {
      const consumer = consumerOf(gateway, { autoCommit: false, transport, ...config });
      consumers.push(consumer);
      return consumer;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(consumers.map((consumer) => consumer.close({ timeoutMs: 100 }).catch(() => undefined)));
      await gateway.close();
    },
  };
}
type World = Awaited<ReturnType<typeof setUp>>;
type Work = (world: World) => Promise<unknown>;
interface Said {
  /** What it names. */
  readonly message: RegExp;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly logStart?: number;
  readonly logEnd?: number;
  /** What the gateway said. */
  readonly cause?: ErrorCode;
  /** Commits sent: one that is refused for good is not tried again. */
  readonly commits?: number;
}

const at = (offset: number, partition = T0) => ({ ...partition, offset });
const inGroup = { groupId: 'g' } as const;
/** The ways to read, each of which fails in the same way. */
const READERS: readonly [string, (consumer: Consumer) => Promise<unknown>][] = [
  ['poll', (consumer) => consumer.poll({ timeoutMs: 5_000 })],
  ['stream', (consumer) => firstValueFrom(consumer.stream())],
  ['batches', (consumer) => firstValueFrom(consumer.batches())],
  ['for await', (consumer) => consumer[Symbol.asyncIterator]().next()],
  ['forEach', (consumer) => consumer.forEach(() => undefined)],
];
const read = (code: ErrorCode, what: string, begin: (world: World) => Promise<Consumer>, said: Said) =>
  READERS.map(([name, how]): [ErrorCode, string, Work, Said] => [
    code,
    `${name}: ${what}`,
    async (world) => {
      const consumer = await begin(world);
      // Until a seek, however often it is asked.
      const first: unknown = await how(consumer).catch((error: unknown) => error);
      expect(first).toMatchObject({ code });
      return how(consumer);
    },
    said,
  ]);
async function assigned(world: World, config?: ConsumerConfig): Promise<Consumer> {
  const consumer = world.consumer(config);
  await consumer.assign([T0]);
  return consumer;
}
async function subscribed(world: World, config?: ConsumerConfig): Promise<Consumer> {
  const consumer = world.consumer({ ...inGroup, ...config });
  await consumer.subscribe('t');
  return consumer;
}
/** A static member whose instance id another member has taken over. */
async function fenced(world: World): Promise<Consumer> {
  const older = await subscribed(world, { groupInstanceId: 'host-7' });
  await subscribed(world, { groupInstanceId: 'host-7' });
  return older;
}

const TABLE: readonly [ErrorCode, string, Work, Said][] = [
  ...read('ILLEGAL_STATE', 'nothing is subscribed to or assigned', async (w) => w.consumer(), {
    message: /subscribe\(\) or assign\(\)/,
  }),
  [
    'ILLEGAL_STATE',
    'assign while subscribed',
    async (w) => (await subscribed(w)).assign([T0]),
    { message: /assign.*subscribe.*unsubscribe\(\)/ },
  ],
  [
    'ILLEGAL_STATE',
    'subscribe while assigned',
    async (w) => (await assigned(w)).subscribe('t'),
    { message: /subscribe.*assign.*unsubscribe\(\)/ },
  ],
  [
    'ILLEGAL_STATE',
    'a second poll',
    async (w) => {
      const consumer = await assigned(w, { autoOffsetReset: 'latest' });
      const first = consumer.poll({ timeoutMs: 50 });
      await consumer.poll().finally(() => first);
    },
    { message: /await it first/ },
  ],
  [
    'ILLEGAL_STATE',
    'poll beside a stream',
    async (w) => {
      const consumer = await assigned(w, { autoOffsetReset: 'latest' });
      const reading = consumer.stream().subscribe();
      await consumer.poll().finally(() => reading.unsubscribe());
    },
    { message: /stream.*one reader at a time/ },
  ],
  ...(
    [
      'seek',
      'pause',
      'resume',
      'position',
      'currentLag',
      'seekToBeginning',
      'seekToEnd',
      'seekToTail',
      'seekToTimestamp',
    ] as const
  ).map((call): [ErrorCode, string, Work, Said] => [
    'ILLEGAL_STATE',
    `${call} of a partition that is not assigned`,
    async (w) => {
      const consumer = await assigned(w);
      if (call === 'seek') return consumer.seek(T1, 0);
      if (call === 'position' || call === 'currentLag') return consumer[call](T1);
      if (call === 'seekToTail' || call === 'seekToTimestamp') return consumer[call](1, [T1]);
      return consumer[call]([T1]);
    },
    { message: new RegExp(`^${call}: t-1 is not assigned`), ...T1 },
  ]),

  [
    'INVALID_GROUP_ID',
    'commit() without a groupId',
    async (w) => (await assigned(w)).commit(),
    { message: /^commit: .*groupId/, commits: 0 },
  ],
  [
    'INVALID_GROUP_ID',
    'commit(offsets) without a groupId',
    async (w) => (await assigned(w)).commit([at(1)]),
    { message: /^commit: .*groupId/, commits: 0 },
  ],
  [
    'INVALID_GROUP_ID',
    'committed without a groupId',
    async (w) => (await assigned(w)).committed(T0),
    { message: /^committed: .*groupId/ },
  ],
  ...(['join', 'commit', 'committed'] as const).map((type): [ErrorCode, string, Work, Said] => [
    'INVALID_GROUP_ID',
    `the gateway refuses the group id in a ${type}`,
    async (w) => {
      const consumer = type === 'join' ? w.consumer(inGroup) : await subscribed(w);
      w.gateway.failNext(type, 'INVALID_GROUP_ID');
      if (type === 'join') return consumer.subscribe('t');
      return type === 'commit' ? consumer.commit([at(1)]) : consumer.committed(T0);
    },
    { message: /./, ...(type === 'commit' ? { commits: 1 } : {}) },
  ]),

  ...([undefined, 'g'] as const).flatMap((groupId) =>
    read(
      'NO_OFFSET_FOR_PARTITION',
      `nothing is committed ${groupId === undefined ? 'without' : 'in'} a group, and autoOffsetReset is 'none'`,
      (w) => assigned(w, { groupId, autoOffsetReset: 'none' }),
      { message: /^t-0: .*autoOffsetReset.*seek/, ...T0 },
    ),
  ),
  [
    'NO_OFFSET_FOR_PARTITION',
    'position',
    async (w) => (await assigned(w, { ...inGroup, autoOffsetReset: 'none' })).position(T0),
    { message: /^t-0: /, ...T0 },
  ],

  ...read(
    'OFFSET_OUT_OF_RANGE',
    "a position beyond the end, and autoOffsetReset is 'none'",
    async (w) => {
      const consumer = await assigned(w, { autoOffsetReset: 'none' });
      consumer.seek(T0, 9);
      return consumer;
    },
    { message: /9.*0 to 3/, ...at(9), logStart: 0, logEnd: 3 },
  ),
  ...read(
    'OFFSET_OUT_OF_RANGE',
    "a commit that retention has passed, and autoOffsetReset is 'none'",
    async (w) => {
      const old = { name: 'old', config: { 'retention.ms': '1000' } };
      await w.gateway.log.createTopic(old);
      await w.gateway.produce('old', [{ value: 'a', timestamp: 1 }]);
      await w.gateway.produce('old', [{ value: 'b', timestamp: 2 }]);
      await w.gateway.produce('old', ['c']);
      const consumer = w.consumer({ ...inGroup, autoOffsetReset: 'none' });
      await consumer.commit([{ topic: 'old', partition: 0, offset: 1 }]);
      w.gateway.log.retain();
      await consumer.assign([{ topic: 'old', partition: 0 }]);
      return consumer;
    },
    { message: /1.*2 to 3/, topic: 'old', partition: 0, offset: 1, logStart: 2, logEnd: 3 },
  ),

  [
    'COMMIT_FAILED',
    'a partition that the member does not own',
    async (w) => (await subscribed(w)).commit([{ topic: 'u', partition: 0, offset: 1 }]),
    { message: /no longer owns.*u-0/, topic: 'u', partition: 0, offset: 1, cause: 'FENCED_MEMBER_EPOCH', commits: 1 },
  ],
  [
    'COMMIT_FAILED',
    'with assign, while the group has a member',
    async (w) => {
      await subscribed(w);
      await (await assigned(w, inGroup)).commit([at(1)]);
    },
    { message: /"g" has members/, cause: 'UNKNOWN_MEMBER_ID', commits: 1 },
  ],
  [
    'COMMIT_FAILED',
    'a member that the group no longer knows',
    async (w) => {
      const consumer = await subscribed(w);
      w.gateway.failNext('commit', 'UNKNOWN_MEMBER_ID');
      await consumer.commit([at(1)]);
    },
    { message: /UNKNOWN_MEMBER_ID/, cause: 'UNKNOWN_MEMBER_ID', commits: 1 },
  ],
  [
    'COMMIT_FAILED',
    'a member that was fenced',
    async (w) => {
      const consumer = await subscribed(w);
      w.gateway.failNext('commit', 'FENCED_MEMBER_EPOCH');
      await consumer.commit([at(1)]);
    },
    { message: /FENCED_MEMBER_EPOCH/, cause: 'FENCED_MEMBER_EPOCH', commits: 1 },
  ],
  [
    'COMMIT_FAILED',
    'a stale epoch, of a partition that is no longer owned',
    async (w) => {
      const consumer = await subscribed(w);
      w.gateway.failNext('commit', 'STALE_MEMBER_EPOCH');
      await consumer.commit([{ topic: 'u', partition: 0, offset: 1 }]);
    },
    { message: /STALE_MEMBER_EPOCH/, cause: 'STALE_MEMBER_EPOCH', commits: 1 },
  ],
  [
    'COMMIT_FAILED',
    'a member whose instance id another has taken over',
    async (w) => {
      const older = await fenced(w);
      await older.poll({ timeoutMs: 5_000 }).catch(() => undefined);
      await older.commit([at(1)]);
    },
    { message: /FENCED_INSTANCE_ID/, cause: 'FENCED_INSTANCE_ID' },
  ],

  ...read('FENCED_INSTANCE_ID', 'another member has taken the instance id over', fenced, {
    message: /groupInstanceId "host-7"/,
  }),
];

describe('an application sees', () => {
  it.each(TABLE)('%s: %s', async (code, _, work, { message, cause, commits, ...names }) => {
    await using world = await setUp();
    const error: unknown = await work(world).then(
      () => new Error('nothing failed'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(LogError);
    expect(error).toMatchObject({
      code,
      retriable: ERROR_TABLE[code].retriable,
      message: expect.stringMatching(message),
      ...names,
      ...(cause === undefined ? {} : { cause: expect.objectContaining({ code: cause }) }),
    });
    if (commits !== undefined) expect(world.commits()).toBe(commits);
    for (const own of OWN) expect(world.told(own)).toEqual([]);
  });

  it('nothing of a stale epoch while the partition is still owned: the commit is tried again', async () => {
    await using world = await setUp();
    const consumer = await subscribed(world);
    world.gateway.failNext('commit', 'STALE_MEMBER_EPOCH');
    await consumer.commit([at(2)]);
    expect(world.commits()).toBe(2);
    expect(await consumer.committed(T0)).toMatchObject({ offset: 2 });
  });
  it('nothing of UNKNOWN_MEMBER_ID when a member that was away is gone: it loses its partitions and joins anew', async () => {
    await using world = await setUp();
    const consumer = world.consumer({ ...inGroup, sessionTimeoutMs: 500 });
    const calls: string[] = [];
    await consumer.subscribe('t', {
      listener: {
        onPartitionsAssigned: (partitions) => void calls.push(`assigned ${partitions.length}`),
        onPartitionsRevoked: (partitions) => void calls.push(`revoked ${partitions.length}`),
        onPartitionsLost: (partitions) => void calls.push(`lost ${partitions.length}`),
      },
    });
    expect(await consumer.poll()).toHaveLength(3);
    const before = consumer.groupMetadata()?.memberId;
    world.gateway.refuseDials(true);
    world.gateway.dropConnections();
    await vi.waitFor(async () => expect(await world.gateway.log.groups.list()).toEqual([]), { timeout: 10_000 });
    world.gateway.refuseDials(false);
    // Nothing was committed: what was read comes again.
    while ((await consumer.poll({ timeoutMs: 1_000 })).length === 0);
    expect(calls).toEqual(['assigned 2', 'lost 2', 'assigned 2']);
    expect(world.told('UNKNOWN_MEMBER_ID')).toHaveLength(1);
    expect(consumer.groupMetadata()?.memberId).not.toBe(before);
  });
  it('of a member whose instance id was taken over, that its partitions are lost and that it is none any more', async () => {
    await using world = await setUp();
    const older = world.consumer({ ...inGroup, groupInstanceId: 'host-7' });
    const calls: string[] = [];
    await older.subscribe('t', {
      listener: {
        onPartitionsRevoked: () => void calls.push('revoked'),
        onPartitionsLost: (partitions) => void calls.push(`lost ${partitions.length}`),
      },
    });
    const newer = await subscribed(world, { groupInstanceId: 'host-7' });
    await expect(older.poll({ timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' });
    expect(calls).toEqual(['lost 2']);
    expect(older.groupMetadata()).toBeNull();
    expect(await newer.poll()).toHaveLength(3);
  });
});
