// Requests over a session: topics, offsets, producing, groups, rates, heartbeats, and that nothing is left behind.
import { describe, expect, it } from 'vitest';
import { type ClientFrameOf, encodeBatch, encodeProduceFrame, LogError } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import { joinFrame } from './groups.test-support.ts';
import type { Limits } from './limits.ts';
import type { AppendResult, Log } from './log.ts';
import { type MemoryLogOptions, memoryLog } from './memory-log.ts';

async function setUp(limits?: Partial<Limits>, logOptions?: Partial<MemoryLogOptions>) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random, ...logOptions });
  const peer = new SessionPeer({ log, clock, limits });
  await peer.hello();
  return { clock, log, peer };
}
const batchOf = (value: string, producer?: { producerId: number; producerEpoch: number; baseSequence: number }) =>
  encodeBatch([{ key: null, value: new TextEncoder().encode(value), timestamp: 5_000 }], producer);
const fetchOf = (topicId: string, consumer = 1): ClientFrameOf<'fetch'> => ({
  type: 'fetch',
  consumer,
  isolation: 'read_uncommitted',
  minBytes: 1,
  maxWaitMs: 500,
  maxPartitionBytes: 1 << 20,
  limit: 1 << 20,
  partitions: [{ topicId, partition: 0, epoch: 1, offset: 0, limit: 1 << 20 }],
});

describe('metadata', () => {
  it('describes the topics asked for, or all', async () => {
    const { peer, log } = await setUp();
    await log.createTopic({ name: 'a' });
    await log.createTopic({ name: 'b', partitions: 3 });
    expect(await peer.request({ type: 'metadata', id: 1, topics: ['b'] })).toMatchObject({
      topics: [{ name: 'b', internal: false, partitions: [{ partition: 0 }, { partition: 1 }, { partition: 2 }] }],
    });
    expect(await peer.request({ type: 'metadata', id: 2 })).toMatchObject({
      topics: [{ name: 'a' }, { name: 'b' }],
    });
  });

  it('creates what is missing only when asked to, and tells invalid names apart', async () => {
    const { peer, log } = await setUp();
    expect(await peer.request({ type: 'metadata', id: 1, topics: ['x'] })).toEqual({
      type: 'metadata',
      id: 1,
      topics: [],
    });
    expect(
      await peer.request({ type: 'metadata', id: 2, topics: ['x', 'no good', 'x'], autoCreate: true }),
    ).toMatchObject({ topics: [{ name: 'x' }], errors: [{ topic: 'no good', code: 'INVALID_TOPIC_EXCEPTION' }] });
    expect((await log.topics()).map(({ name }) => name)).toEqual(['x']);
  });

  it('waits for a topic that another client is just creating', async () => {
    const clock = new ManualClock();
    const log = memoryLog({ clock, random: Math.random });
    const createTopic = log.createTopic.bind(log);
    log.createTopic = () => Promise.reject(new LogError('TOPIC_ALREADY_EXISTS', 'in a moment'));
    const peer = new SessionPeer({ log, clock });
    await peer.hello();
    const pending = clock.pending;
    peer.send({ type: 'metadata', id: 1, topics: ['x'], autoCreate: true });
    await peer.settle();
    expect(peer.all('metadata')).toEqual([]);
    await createTopic({ name: 'w' });
    const { topicId } = await createTopic({ name: 'x' });
    expect(await peer.frame('metadata')).toMatchObject({ topics: [{ name: 'x', topicId }] });
    expect(clock.pending).toBe(pending);

    peer.send({ type: 'metadata', id: 2, topics: ['never'], autoCreate: true });
    await peer.advance(5_000);
    expect(await peer.frame('metadata', 2)).toMatchObject({
      topics: [],
      errors: [{ topic: 'never', code: 'LEADER_NOT_AVAILABLE', retriable: true }],
    });
  });

  it('creates nothing where the log does not allow it', async () => {
    const { peer, log } = await setUp({}, { autoCreateTopics: false });
    expect(await peer.request({ type: 'metadata', id: 1, topics: ['x'], autoCreate: true })).toMatchObject({
      topics: [],
    });
    expect(await log.topics()).toEqual([]);
  });

  it('with watch pushes what is created and deleted from then on', async () => {
    const { peer, log } = await setUp();
    await log.createTopic({ name: 'before' });
    await peer.request({ type: 'metadata', id: 1, watch: true });
    await peer.request({ type: 'metadata', id: 2, watch: true });
    await log.createTopic({ name: 'after' });
    await log.deleteTopic('before');
    expect(peer.all('topics')).toMatchObject([
      { changed: [{ name: 'after' }], deleted: [] },
      { changed: [], deleted: ['before'] },
    ]);
  });

  it('is answered before a change is pushed that the answer does not know of', async () => {
    const { peer, log } = await setUp();
    await log.createTopic({ name: 'before' });
    const look = log.topics.bind(log);
    log.topics = async (names) => {
      const found = await look(names);
      await log.createTopic({ name: 'after' });
      return found;
    };
    await peer.request({ type: 'metadata', id: 1, watch: true });
    await expect.poll(() => peer.all('topics')).toMatchObject([{ changed: [{ name: 'after' }] }]);
    const types = peer.frames.map(({ type }) => type);
    expect(types.indexOf('metadata')).toBeLessThan(types.indexOf('topics'));
  });
});

describe('topics', () => {
  it('are created and deleted, with a new id each time', async () => {
    const { peer } = await setUp();
    const first = await peer.request({ type: 'createTopic', id: 1, name: 't', partitions: 2 });
    expect(first).toMatchObject({ type: 'createTopic', topic: { name: 't' } });
    expect(await peer.request({ type: 'createTopic', id: 2, name: 't' })).toMatchObject({
      type: 'error',
      id: 2,
      code: 'TOPIC_ALREADY_EXISTS',
      topic: 't',
    });
    expect(await peer.request({ type: 'deleteTopic', id: 3, name: 't' })).toEqual({ type: 'deleteTopic', id: 3 });
    expect(await peer.request({ type: 'deleteTopic', id: 4, name: 't' })).toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    const second = await peer.request({ type: 'createTopic', id: 5, name: 't' });
    if (first.type !== 'createTopic' || second.type !== 'createTopic') throw new Error('not created');
    expect(second.topic.topicId).not.toBe(first.topic.topicId);
  });

  it.each<[Partial<ClientFrameOf<'createTopic'>>, string]>([
    [{ name: '' }, 'INVALID_TOPIC_EXCEPTION'],
    [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
    [{ name: 'a'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION'],
    [{ partitions: 0 }, 'INVALID_PARTITIONS'],
    [{ partitions: 10_001 }, 'INVALID_PARTITIONS'],
    [{ replicationFactor: 3 }, 'INVALID_REPLICATION_FACTOR'],
    [{ config: { 'cleanup.policy': 'compact' } }, 'INVALID_REQUEST'],
    [{ config: { 'retention.ms': 'soon' } }, 'INVALID_REQUEST'],
  ])('with %o are refused with %s', async (spec, code) => {
    const { peer } = await setUp();
    expect(await peer.request({ type: 'createTopic', id: 1, name: 't', ...spec })).toMatchObject({ id: 1, code });
  });
});

describe('listOffsets', () => {
  it('answers earliest, latest and times in the order asked, each with its own error', async () => {
    const { peer, log } = await setUp();
    const { topicId } = await log.createTopic({ name: 't' });
    await log.append({ topicId, partition: 0 }, batchOf('a'));
    const ask = (at: 'earliest' | 'latest' | number, partition = 0) => ({ topicId, partition, at });
    expect(
      await peer.request({
        type: 'listOffsets',
        id: 1,
        isolation: 'read_uncommitted',
        partitions: [ask('latest'), ask('earliest'), ask(5_000), ask(5_001), ask('latest', 9)],
      }),
    ).toMatchObject({
      partitions: [
        { offset: 1 },
        { offset: 0 },
        { offset: 0, timestamp: 5_000 },
        { offset: null },
        { offset: null, partition: 9, error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } },
      ],
    });
  });
});

describe('producing', () => {
  it('answers with the offset, and an idempotent batch that comes again with the same', async () => {
    const { peer, log } = await setUp();
    const { topicId } = await log.createTopic({ name: 't' });
    const producer = await peer.request({ type: 'initProducer', id: 1 });
    if (producer.type !== 'initProducer') throw new Error('no producer');
    const { producerId, producerEpoch } = producer;
    const batch = (baseSequence: number) => batchOf('v', { producerId, producerEpoch, baseSequence });
    for (const [id, sequence] of [
      [2, 0],
      [3, 1],
      [4, 0],
      [5, 3],
    ] as const) {
      peer.session.onBinary(encodeProduceFrame(id, topicId, 0, batch(sequence)));
    }
    await peer.settle();
    expect(peer.all('produce').map(({ id, baseOffset }) => [id, baseOffset])).toEqual([
      [2, 0],
      [3, 1],
      [4, 0],
    ]);
    expect(peer.all('error')).toMatchObject([{ id: 5, code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }]);
  });

  it('refuses damaged batches, batches that are too large, and unknown topics, each by its id', async () => {
    const { peer, log } = await setUp({ maxBatchBytes: 1_000 });
    const { topicId } = await log.createTopic({ name: 't' });
    const damaged = batchOf('v');
    damaged[damaged.length - 1] = 255;
    peer.session.onBinary(encodeProduceFrame(1, topicId, 0, damaged));
    peer.session.onBinary(encodeProduceFrame(2, topicId, 0, batchOf('v'.repeat(2_000))));
    peer.session.onBinary(encodeProduceFrame(3, '00000000-0000-4000-8000-000000000000', 0, batchOf('v')));
    await peer.settle();
    expect(Object.fromEntries(peer.all('error').map(({ id, code }) => [id, code]))).toEqual({
      1: 'CORRUPT_MESSAGE',
      2: 'RECORD_TOO_LARGE',
      3: 'UNKNOWN_TOPIC_ID',
    });
  });

  it('keeps maxProduceInFlight with the log, pauses reading meanwhile, and keeps the order', async () => {
    const clock = new ManualClock();
    const inner = memoryLog({ clock, random: Math.random });
    const { topicId } = await inner.createTopic({ name: 't' });
    const waiting: (() => void)[] = [];
    let inFlight = 0;
    let most = 0;
    const log: Log = Object.create(inner, {
      logId: { value: 'l' },
      groups: { value: inner.groups },
      append: {
        value: async (...args: Parameters<Log['append']>): Promise<AppendResult> => {
          most = Math.max(most, ++inFlight);
          await new Promise<void>((resolve) => waiting.push(resolve));
          inFlight--;
          return inner.append(...args);
        },
      },
    });
    const peer = new SessionPeer({ log, clock, limits: { maxProduceInFlight: 3 } });
    await peer.hello();
    for (let id = 0; id < 10; id++) peer.session.onBinary(encodeProduceFrame(id, topicId, 0, batchOf(String(id))));
    expect(peer.reading).toBe(false);
    for (let i = 0; i < 10; i++) {
      waiting.shift()?.();
      await peer.settle();
    }
    expect(most).toBe(3);
    expect(peer.reading).toBe(true);
    expect(peer.all('produce').map(({ id, baseOffset }) => [id, baseOffset])).toEqual(
      Array.from({ length: 10 }, (_, i) => [i, i]),
    );
  });

  it('closes 4529 when frames keep coming although reading is paused', async () => {
    const clock = new ManualClock();
    const inner = memoryLog({ clock, random: Math.random });
    const { topicId } = await inner.createTopic({ name: 't' });
    const log: Log = Object.create(inner, {
      logId: { value: 'l' },
      groups: { value: inner.groups },
      append: { value: () => new Promise(() => undefined) },
    });
    const peer = new SessionPeer({ log, clock, limits: { maxProduceInFlight: 2, maxFrameBytes: 1_000 } });
    await peer.hello();
    const frame = encodeProduceFrame(1, topicId, 0, batchOf('v'.repeat(500)));
    for (let i = 0; i < 10 && peer.closed === undefined; i++) peer.session.onBinary(frame);
    expect(peer.closed).toMatchObject({ code: 4529 });
  });
});

describe('the rate limit', () => {
  it('delays requests over it, says so, and answers them all in order', async () => {
    const { peer } = await setUp({ requestsPerSecond: 10, requestBurst: 5 });
    for (let id = 0; id < 8; id++) peer.send({ type: 'ping', id });
    await peer.settle();
    expect(peer.all('ping').map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
    expect(peer.all('throttled')).toMatchObject([{ delayMs: 300 }]);
    await peer.advance(300);
    expect(peer.all('ping').map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('does not count heartbeats, credit and produce', async () => {
    const { peer, log } = await setUp({ requestsPerSecond: 1, requestBurst: 2 });
    const { topicId } = await log.createTopic({ name: 't' });
    for (let i = 0; i < 20; i++) {
      peer.send({ type: 'heartbeat' });
      peer.send({ type: 'credit', consumer: 1, partitions: [] });
      peer.session.onBinary(encodeProduceFrame(i, topicId, 0, batchOf('v')));
    }
    expect(await peer.request({ type: 'ping', id: 1 })).toMatchObject({ type: 'ping' });
    await peer.settle();
    expect(peer.all('produce')).toHaveLength(20);
    expect(peer.all('throttled')).toEqual([]);
  });

  it('lets only the last of many seeks through', async () => {
    const { peer, log } = await setUp({ requestsPerSecond: 1, requestBurst: 1, maxDelayedRequests: 5 });
    const { topicId } = await log.createTopic({ name: 't' });
    for (let i = 0; i < 10; i++) await log.append({ topicId, partition: 0 }, batchOf('v'));
    peer.send({ type: 'ping', id: 1 });
    const seek = (epoch: number, offset: number) =>
      peer.send({ ...fetchOf(topicId), partitions: [{ topicId, partition: 0, epoch, offset, limit: 1 << 20 }] });
    for (let epoch = 1; epoch <= 50; epoch++) seek(epoch, epoch % 10);
    seek(40, 3);
    await peer.advance(1_000);
    expect(peer.closed).toBeUndefined();
    expect(peer.all('feed')).toMatchObject([{ epoch: 50, offset: 0 }]);
  });

  it('keeps credit that comes for a fetch that still waits', async () => {
    const { peer, log } = await setUp({ requestsPerSecond: 1, requestBurst: 1 });
    const { topicId } = await log.createTopic({ name: 't' });
    await log.append({ topicId, partition: 0 }, batchOf('v'));
    peer.send({ type: 'ping', id: 1 });
    peer.send({
      ...fetchOf(topicId),
      limit: 0,
      partitions: [{ topicId, partition: 0, epoch: 1, offset: 0, limit: 0 }],
    });
    peer.send({
      type: 'credit',
      consumer: 1,
      limit: 1_000,
      partitions: [{ topicId, partition: 0, epoch: 1, limit: 1_000 }],
    });
    await peer.advance(1_000);
    expect(peer.data).toHaveLength(1);
  });

  it('forgets a fetch that is closed before its turn', async () => {
    const { peer, log } = await setUp({ requestsPerSecond: 1, requestBurst: 1 });
    const { topicId } = await log.createTopic({ name: 't' });
    peer.send({ type: 'ping', id: 1 });
    peer.send(fetchOf(topicId));
    peer.send({ type: 'fetchClose', consumer: 1 });
    await peer.advance(2_000);
    expect(peer.all('feed')).toEqual([]);
    expect(log.waitingReads).toBe(0);
  });

  it('melts commits that wait together: the latest offset is written, each one is answered', async () => {
    const { peer, log } = await setUp({ requestsPerSecond: 1, requestBurst: 1 });
    const { topicId } = await log.createTopic({ name: 't', partitions: 2 });
    peer.send({ type: 'ping', id: 0 });
    const commit = (id: number, partition: number, offset: number) =>
      peer.send({ type: 'commit', id, groupId: 'g', offsets: [{ topicId, partition, offset }] });
    commit(1, 0, 10);
    commit(2, 1, 5);
    commit(3, 0, 20);
    await peer.advance(1_000);
    expect(peer.all('commit').map(({ id, partitions }) => [id, partitions[0]?.partition])).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
    ]);
    const partitions = [0, 1].map((partition) => ({ topicId, partition }));
    expect((await log.groups.committed('g', partitions)).map(({ offset }) => offset)).toEqual([20, 5]);
  });

  it('closes 4529 when more than maxDelayedRequests wait', async () => {
    const { peer } = await setUp({ requestsPerSecond: 1, requestBurst: 1, maxDelayedRequests: 10 });
    for (let id = 0; id < 11; id++) peer.send({ type: 'ping', id });
    expect(peer.closed).toBeUndefined();
    peer.send({ type: 'ping', id: 11 });
    expect(peer.closed).toMatchObject({ code: 4529 });
  });
});

describe('heartbeats', () => {
  it.each([
    ['a produce frame', 'binary'],
    ['a request', '{"type":"ping","id":1}'],
    ['a binary frame that is no produce frame', 'nonsense'],
    ['a text frame that is malformed', '{'],
  ])('take %s for a sign of life', async (_, frame) => {
    const { peer, log } = await setUp();
    const { topicId } = await log.createTopic({ name: 't' });
    await peer.advance(25_000);
    expect(peer.all('heartbeat')).toHaveLength(1);
    if (frame === 'binary') peer.session.onBinary(encodeProduceFrame(1, topicId, 0, batchOf('v')));
    else if (frame === 'nonsense') peer.session.onBinary(new Uint8Array(3));
    else peer.session.onText(frame);
    await peer.advance(24_999);
    expect(peer.closed).toBeUndefined();
    await peer.advance(8_001);
    expect(peer.closed).toMatchObject({ code: 4508 });
  });

  it('come every heartbeatIntervalMs with the ends of all open partitions', async () => {
    const { peer, log } = await setUp();
    const { topicId } = await log.createTopic({ name: 't' });
    await log.append({ topicId, partition: 0 }, batchOf('v'));
    peer.send(fetchOf(topicId));
    await peer.advance(25_000);
    expect(peer.all('heartbeat')).toEqual([
      { type: 'heartbeat', ends: [{ topicId, partition: 0, logStart: 0, highWatermark: 1, lastStableOffset: 1 }] },
    ]);
    peer.send({ type: 'heartbeat' });
    await peer.advance(25_000);
    expect(peer.all('heartbeat')).toHaveLength(2);
  });

  it('without an answer close 4508', async () => {
    const { peer } = await setUp();
    await peer.advance(32_999);
    expect(peer.closed).toBeUndefined();
    await peer.advance(1);
    expect(peer.closed).toMatchObject({ code: 4508 });
  });

  it('are satisfied by any frame', async () => {
    const { peer } = await setUp();
    await peer.advance(30_000);
    peer.send({ type: 'ping', id: 1 });
    await peer.advance(10_000);
    expect(peer.closed).toBeUndefined();
  });

  it('are satisfied by data the peer takes, so that a full pipe is not a dead one', async () => {
    const { peer, log } = await setUp();
    const { topicId } = await log.createTopic({ name: 't' });
    peer.send(fetchOf(topicId));
    await peer.advance(26_000);
    await log.append({ topicId, partition: 0 }, batchOf('v'));
    await peer.settle();
    await peer.advance(8_000);
    expect(peer.closed).toBeUndefined();
  });

  it('come more often once a member of a group wants it', async () => {
    const { peer, log } = await setUp();
    await log.createTopic({ name: 't' });
    expect(await peer.request(joinFrame(1, 1, { sessionTimeoutMs: 9_000 }))).toMatchObject({
      heartbeatIntervalMs: 3_000,
    });
    await peer.advance(3_000);
    expect(peer.all('heartbeat')).toHaveLength(1);
  });
});

describe('the end of a session', () => {
  it('leaves nothing behind but its members for a while: no timer, no waiting read, no listener', async () => {
    const { peer, log, clock } = await setUp({ requestsPerSecond: 1, requestBurst: 5 });
    const { topicId } = await log.createTopic({ name: 't' });
    await peer.request({ type: 'metadata', id: 1, watch: true });
    await peer.request(joinFrame(2));
    peer.send({ type: 'owned', consumer: 1, memberEpoch: 1, partitions: [] });
    for (const consumer of [1, 2]) peer.send(fetchOf(topicId, consumer));
    for (let id = 3; id < 8; id++) peer.send({ type: 'ping', id });
    peer.session.onBinary(encodeProduceFrame(9, topicId, 0, batchOf('v')));
    await peer.settle();
    expect(log.waitingReads).toBe(2);
    expect(clock.pending).toBeGreaterThan(0);
    peer.session.onClosed();
    await peer.settle();
    const sent = peer.order.length;
    expect(log.waitingReads).toBe(0);
    expect(clock.pending, 'the end of the member').toBe(1);
    clock.advance(30_000);
    expect(clock.pending).toBe(0);
    expect(await log.groups.list()).toEqual([]);
    await log.createTopic({ name: 'later' });
    await log.append({ topicId, partition: 0 }, batchOf('v'));
    await peer.advance(100_000);
    expect(peer.order).toHaveLength(sent);
    expect(peer.logged).toEqual([]);
  });
});
