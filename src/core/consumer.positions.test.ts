// Subscribing, assigning, positions, resets and commits, sentence by sentence, against the in-memory gateway.
import { describe, expect, it } from 'vitest';
import { createTestGateway, ManualClock } from '../testing/index.ts';
import { textConsumerOf as consumerOf, eventsOf, numbered, T0, T1, tapped, values } from './consumer.test-support.ts';
import { Consumer } from './consumer.ts';

describe('the constructor', () => {
  it('names every wrong and unknown key', async () => {
    await using gateway = await createTestGateway();
    const wrong = { transport: gateway.transport, groupid: 'g', maxPollRecords: 0, autoOffsetReset: 'now' };
    // @ts-expect-error: wrong on purpose.
    const make = () => new Consumer(wrong);
    expect(make).toThrow(/did you mean "groupId"/);
    expect(make).toThrow(/maxPollRecords must be/);
    expect(make).toThrow(/autoOffsetReset must be 'earliest', 'latest', 'none' or/);
  });
  it('does not dial', async () => {
    await using gateway = await createTestGateway();
    await using consumer = consumerOf(gateway);
    await Promise.resolve();
    expect(gateway.transport.sockets).toEqual([]);
    expect(consumer.assignment()).toEqual([]);
  });
});

describe('subscribe', () => {
  it("resolves when start positions are fixed: what is produced afterwards is delivered, also with 'latest'", async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['old']);
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    await consumer.subscribe('t');
    await gateway.produce('t', ['new']);
    expect(values(await consumer.poll())).toEqual(['new']);
  });
  it('replaces the subscription, and what was dropped stops being delivered at once', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }, { name: 'u' }] });
    await gateway.produce('t', ['t']);
    await gateway.produce('u', ['u']);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe(['t', 'u']);
    await consumer.subscribe(['u']);
    expect([...consumer.subscription()]).toEqual(['u']);
    expect(consumer.assignment()).toEqual([{ topic: 'u', partition: 0 }]);
    expect(values(await consumer.poll())).toEqual(['u']);
    expect(await consumer.poll({ timeoutMs: 10 })).toEqual([]);
  });
  it('and assign exclude each other until unsubscribe; [] is unsubscribe', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    await expect(consumer.assign([T0])).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
    await consumer.subscribe([]);
    await consumer.assign([T0]);
    await expect(consumer.subscribe('t')).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
  });
  it('without a groupId reads all partitions, and new ones from the earliest offset', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'a-1', partitions: 2 }] });
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    await consumer.subscribe(/a-\d+/);
    expect(consumer.assignment()).toHaveLength(2);
    await gateway.produce('xa-2', ['no: the whole name must match']);
    await gateway.produce('__a-3', ['no: internal']);
    await gateway.produce('a-2', ['yes']);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['yes']);
    expect([...consumer.subscription()].sort()).toEqual(['a-1', 'a-2']);
  });
  it('creates an unknown topic where the log allows it', async () => {
    await using gateway = await createTestGateway();
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    await consumer.subscribe('t');
    await gateway.produce('t', ['a']);
    expect(values(await consumer.poll())).toEqual(['a']);
  });
  it('of an unknown topic resolves, says UNKNOWN_TOPIC_OR_PARTITION, and takes effect when it appears', async () => {
    await using gateway = await createTestGateway({ autoCreateTopics: false });
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    expect(events).toMatchObject([{ type: 'error', error: { code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 't' } }]);
    await gateway.produce('t', ['a']);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['a']);
  });
  it('rejects a name that is not allowed, and says what is', async () => {
    await using gateway = await createTestGateway();
    await using consumer = consumerOf(gateway);
    await expect(consumer.subscribe('not allowed')).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' });
    await expect(consumer.assign([{ topic: 't', partition: -1 }])).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    // @ts-expect-error: wrong on purpose.
    await expect(consumer.subscribe('t', { timeout: 5 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
  it('waits for an unreachable gateway until the timeout or the signal', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    gateway.refuseDials(true);
    await using consumer = consumerOf(gateway);
    await expect(consumer.subscribe('t', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    const abort = new AbortController();
    const waiting = consumer.subscribe('t', { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    const third = consumer.subscribe('t');
    gateway.refuseDials(false);
    await third;
    expect(consumer.assignment()).toEqual([T0]);
  });
  it('after a timeout stays in force', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    gateway.refuseDials(true);
    await using consumer = consumerOf(gateway);
    await expect(consumer.subscribe('t', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    gateway.refuseDials(false);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['a']);
  });
});

describe('assign', () => {
  it('keeps position and pause of partitions that stay', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 3 }] });
    await gateway.produce(
      't',
      numbered(4).map((value) => ({ value, partition: 0 })),
    );
    await gateway.produce('t', [{ value: 'other', partition: 1 }]);
    await using consumer = consumerOf(gateway, { maxPollRecords: 2 });
    await consumer.assign([T0]);
    expect(values(await consumer.poll())).toEqual(['v0', 'v1']);
    consumer.pause([T0]);
    await consumer.assign([T0, T1]);
    expect(consumer.paused()).toEqual([T0]);
    expect(values(await consumer.poll())).toEqual(['other']);
    consumer.resume([T0]);
    expect(values(await consumer.poll())).toEqual(['v2', 'v3']);
  });
  it('with auto-commit on first commits the old positions', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce('t', ['a', 'b']);
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.assign([T0]);
    expect(await consumer.poll()).toHaveLength(2);
    await consumer.poll({ timeoutMs: 0 });
    await consumer.assign([T1]);
    expect(await consumer.committed(T0)).toMatchObject({ offset: 2 });
  });
});

describe('seeking and resetting', () => {
  it('precedence: an explicit seek, then the committed offset, then autoOffsetReset', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(10));
    {
      await using first = consumerOf(gateway, { groupId: 'g' });
      await first.assign([T0]);
      expect(await first.position(T0)).toBe(0);
      await first.commit([{ ...T0, offset: 4, metadata: 'µ' }]);
      expect(await first.position(T0)).toBe(0);
      expect(await first.committed(T0)).toEqual({ offset: 4, metadata: 'µ' });
      await first.unsubscribe();
    }
    await using second = consumerOf(gateway, { groupId: 'g' });
    await second.assign([T0]);
    expect((await second.poll())[0]?.offset).toBe(4);
    await second.unsubscribe();
    const assigning = second.assign([T0]);
    second.seek(T0, 7);
    await assigning;
    expect((await second.poll())[0]?.offset).toBe(7);
  });
  it("'none' is NO_OFFSET_FOR_PARTITION on every poll until a seek", async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'none', groupId: 'g' });
    await consumer.assign([T0]);
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION', topic: 't', partition: 0 });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION' });
    consumer.seek(T0, 0);
    expect(values(await consumer.poll())).toEqual(['a']);
  });
  it('{durationMs} begins at the first record that is young enough', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const now = Date.now();
    for (const age of [90_000, 50_000, 10]) await gateway.produce('t', [{ value: `${age}`, timestamp: now - age }]);
    await using consumer = consumerOf(gateway, { autoOffsetReset: { durationMs: 60_000 } });
    await consumer.subscribe('t');
    expect(values(await consumer.poll())).toEqual(['50000', '10']);
  });
  it('seek on an unassigned partition is ILLEGAL_STATE, negative is INVALID_REQUEST', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.assign([T0]);
    expect(() => consumer.seek(T1, 0)).toThrow(expect.objectContaining({ code: 'ILLEGAL_STATE' }));
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => consumer.seek(T0, offset)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
    }
  });
  it('takes effect at once and the last seek wins, also against a lookup still in flight', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(10));
    await using consumer = consumerOf(gateway, { maxPollRecords: 1 });
    await consumer.assign([T0]);
    expect((await consumer.poll())[0]?.offset).toBe(0);
    gateway.holdDelivery(true);
    consumer.seekToEnd([T0]);
    await Promise.resolve();
    consumer.seek(T0, 8);
    consumer.seekToBeginning();
    consumer.seek(T0, { offset: 5, metadata: '' });
    gateway.holdDelivery(false);
    expect((await consumer.poll({ timeoutMs: 5_000 }))[0]?.offset).toBe(5);
    expect((await consumer.poll({ timeoutMs: 5_000 }))[0]?.offset).toBe(6);
  });
  it('of a paused partition that then goes and comes again leaves nothing of the old fetch', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    const tap = tapped(gateway);
    await using consumer = consumerOf(gateway, { transport: tap.transport });
    await consumer.assign([T0]);
    expect(values(await consumer.poll())).toEqual(['a']);
    consumer.pause([T0]);
    consumer.seek(T0, 0);
    await consumer.assign([]);
    await consumer.assign([T0]);
    await gateway.produce('t', ['b']);
    const read: (string | null)[] = [];
    while (read.length < 2) read.push(...values(await consumer.poll({ timeoutMs: 5_000 })));
    expect(read).toEqual(['a', 'b']);
    expect(tap.of('fetchClose')).toHaveLength(1);
  });
  it('takes nothing that is on its way for the same partition as it was assigned before', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce('t', [{ value: 'a', partition: 0 }]);
    const tap = tapped(gateway);
    await using consumer = consumerOf(gateway, { transport: tap.transport });
    await consumer.assign([T1]);
    const again = (): Promise<unknown> => {
      const assigned = Promise.all([consumer.assign([T1]), consumer.assign([T0])]);
      consumer.seek(T0, 0);
      return assigned;
    };
    await again();
    expect(values(await consumer.poll())).toEqual(['a']);
    tap.hold(true);
    await gateway.produce('t', [{ value: 'b', partition: 0 }]);
    await expect.poll(() => tap.held).toEqual(['data']);
    const assigned = again();
    await expect.poll(() => tap.of('fetch')).toHaveLength(3);
    tap.hold(false);
    await assigned;
    const read: (string | null)[] = [];
    while (read.length < 2) read.push(...values(await consumer.poll({ timeoutMs: 5_000 })));
    expect(read).toEqual(['a', 'b']);
  });
  it('to the beginning, the end, the tail and a time', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    for (let i = 0; i < 10; i++) await gateway.produce('t', [{ value: `${i}`, timestamp: 1_000 + i }]);
    await using consumer = consumerOf(gateway);
    await consumer.assign([T0, T1]);
    consumer.seekToEnd();
    expect(await consumer.position(T0)).toBe(10);
    consumer.seekToTail(3, [T0]);
    expect(await consumer.position(T0)).toBe(7);
    consumer.seekToTail(30, [T0]);
    expect(await consumer.position(T0)).toBe(0);
    await consumer.seekToTimestamp(1_004, [T0]);
    expect(await consumer.position(T0)).toBe(4);
    await consumer.seekToTimestamp(new Date(5_000));
    expect(await consumer.position(T0)).toBe(10);
    consumer.seekToBeginning([T0]);
    expect(await consumer.position(T0)).toBe(0);
    expect(await consumer.beginningOffsets([T0, T1])).toEqual([
      { ...T0, offset: 0 },
      { ...T1, offset: 0 },
    ]);
    expect(await consumer.endOffsets([T0])).toEqual([{ ...T0, offset: 10 }]);
    expect(
      await consumer.offsetsForTimes([
        { ...T0, timestamp: 1_004 },
        { ...T0, timestamp: 9_999 },
      ]),
    ).toEqual([{ ...T0, offset: 4, timestamp: 1_004 }, null]);
    expect(await consumer.position(T0)).toBe(0);
  });
  it('a seek beyond the end is handled by autoOffsetReset, with a gap that says from where to where', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    await using consumer = consumerOf(gateway);
    const events = eventsOf(consumer);
    await consumer.assign([T0]);
    consumer.seek(T0, 100);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['a', 'b']);
    expect(events.filter(({ type }) => type === 'gap')).toEqual([
      { type: 'gap', ...T0, from: 100, to: 0, cause: 'reset' },
    ]);
  });
  it("with 'none' it is the error, with the log's start and end, on every poll until a seek", async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'none' });
    await consumer.assign([T0]);
    consumer.seek(T0, 100);
    const outside = { code: 'OFFSET_OUT_OF_RANGE', topic: 't', partition: 0, offset: 100, logStart: 0, logEnd: 2 };
    await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject(outside);
    await expect(consumer.poll()).rejects.toMatchObject(outside);
    consumer.seek(T0, 1);
    expect(values(await consumer.poll())).toEqual(['b']);
  });
  it('a topic that is deleted and created anew is a gap, and is read from its beginning', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c']);
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    await gateway.produce('t', ['d']);
    expect(values(await consumer.poll())).toEqual(['d']);
    await gateway.log.deleteTopic('t');
    await gateway.log.createTopic({ name: 't' });
    await gateway.produce('t', ['new']);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['new']);
    expect(events.filter(({ type }) => type === 'gap')).toEqual([
      { type: 'gap', ...T0, from: 4, to: 0, cause: 'recreated' },
    ]);
  });
  it('a topic recreated while the connection was down is noticed as well', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c']);
    await using consumer = consumerOf(gateway);
    const events = eventsOf(consumer);
    await consumer.assign([T0]);
    expect(await consumer.poll()).toHaveLength(3);
    gateway.refuseDials(true);
    gateway.dropConnections();
    await gateway.log.deleteTopic('t');
    await gateway.log.createTopic({ name: 't' });
    await gateway.produce('t', ['new 1', 'new 2', 'new 3', 'new 4']);
    gateway.refuseDials(false);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['new 1', 'new 2', 'new 3', 'new 4']);
    expect(events.filter(({ type }) => type === 'gap')).toMatchObject([{ from: 3, to: 0, cause: 'recreated' }]);
  });
});

describe('pausing', () => {
  it('delivers nothing of the partition, keeps what is buffered, and the others go on', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce(
      't',
      numbered(3).map((value) => ({ value, partition: 0 })),
    );
    await using consumer = consumerOf(gateway, { maxPollRecords: 1 });
    await consumer.assign([T0, T1]);
    expect(values(await consumer.poll())).toEqual(['v0']);
    consumer.pause([T0]);
    await gateway.produce('t', [{ value: 'other', partition: 1 }]);
    expect(values(await consumer.poll())).toEqual(['other']);
    expect(await consumer.poll({ timeoutMs: 10 })).toEqual([]);
    const received = consumer.metrics().bytesConsumed;
    consumer.resume();
    expect(values([...(await consumer.poll()), ...(await consumer.poll())])).toEqual(['v1', 'v2']);
    expect(consumer.metrics().bytesConsumed).toBe(received);
  });
});

describe('commits', () => {
  it('commit() commits the positions; the group resumes there', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(5));
    const config = { groupId: 'g', autoCommit: false, maxPollRecords: 2 };
    {
      await using consumer = consumerOf(gateway, config);
      await consumer.subscribe('t');
      expect(await consumer.committed(T0)).toBeNull();
      await consumer.poll();
      await consumer.commit();
      await consumer.poll();
    }
    await using next = consumerOf(gateway, config);
    await next.subscribe('t');
    expect((await next.poll())[0]?.offset).toBe(2);
  });
  it('auto-commit never covers the records in hand; close() commits positions', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(6));
    const consumer = consumerOf(gateway, { groupId: 'g', autoCommitIntervalMs: 5, maxPollRecords: 2 });
    const events = eventsOf(consumer);
    const commits = () =>
      events.flatMap((event) => (event.type === 'commit' ? event.offsets.map(({ offset }) => offset) : []));
    await consumer.subscribe('t');
    await consumer.poll();
    await consumer.poll();
    await expect.poll(() => commits().at(-1)).toBe(2);
    await expect.poll(() => gateway.log.groups.committed('g', []).then(() => true)).toBe(true);
    expect(commits().at(-1)).toBe(2);
    await consumer.close();
    expect(commits().at(-1)).toBe(4);
    await consumer.close();
  });
  it('an automatic commit does not go behind what commit() committed, though its records are in hand', async () => {
    const clock = new ManualClock();
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(2));
    await using consumer = consumerOf(gateway, { clock, groupId: 'g', autoCommitIntervalMs: 1_000 });
    await consumer.subscribe('t');
    await consumer.poll();
    await consumer.commit();
    await clock.tick(2_000);
    expect(await consumer.committed(T0)).toMatchObject({ offset: 2 });
  });
  it('asyncDispose commits only what is processed', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(6));
    {
      await using consumer = consumerOf(gateway, { groupId: 'g', maxPollRecords: 2 });
      await consumer.subscribe('t');
      await consumer.poll();
      await consumer.poll();
    }
    await using next = consumerOf(gateway, { groupId: 'g' });
    await next.subscribe('t');
    expect((await next.poll())[0]?.offset).toBe(2);
  });
  it('need a groupId; a wrong offset is INVALID_REQUEST and nothing is sent', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using alone = consumerOf(gateway);
    await alone.assign([T0]);
    await expect(alone.commit()).rejects.toMatchObject({ code: 'INVALID_GROUP_ID' });
    await expect(alone.committed(T0)).rejects.toMatchObject({ code: 'INVALID_GROUP_ID' });
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.assign([T0]);
    for (const offset of [-1, 1.5, 2 ** 53]) {
      await expect(consumer.commit([{ ...T0, offset }])).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    }
    expect(await consumer.committed(T0)).toBeNull();
  });
  it('a member that no longer owns the partition gets COMMIT_FAILED', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }, { name: 'u' }] });
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    await expect(consumer.commit([{ topic: 'u', partition: 0, offset: 0 }])).rejects.toMatchObject({
      code: 'COMMIT_FAILED',
    });
  });
});

describe('a member of a group', () => {
  it('joins, calls the listener before anything is delivered, and tells who it is', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce('t', ['a']);
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    const calls: string[] = [];
    await consumer.subscribe('t', {
      listener: {
        async onPartitionsAssigned(partitions, view) {
          calls.push(`assigned ${partitions.length}`);
          view.seekToEnd(partitions);
          await view.position(T0);
        },
        onPartitionsRevoked(partitions, view) {
          calls.push(`revoked ${partitions.length} of ${view.assignment().length}`);
        },
      },
    });
    expect(calls).toEqual(['assigned 2']);
    expect(consumer.groupMetadata()).toMatchObject({
      groupId: 'g',
      memberId: expect.any(String),
      epoch: expect.any(Number),
    });
    await gateway.produce('t', ['b']);
    expect(values(await consumer.poll())).toEqual(['b']);
    await consumer.close();
    expect(calls).toEqual(['assigned 2', 'revoked 2 of 2']);
    expect(await gateway.log.groups.describe('g').catch(({ code }) => code)).toMatchObject({ members: [] });
  });
  it('resolves with an empty assignment while it stands by, and takes over when the owner leaves', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(4));
    const first = consumerOf(gateway, { groupId: 'g' });
    await first.subscribe('t');
    expect(await first.poll()).toHaveLength(4);
    await using second = consumerOf(gateway, { groupId: 'g', sessionTimeoutMs: 60 });
    const seen: (readonly unknown[])[] = [];
    second.assignment$.subscribe((assignment) => seen.push(assignment));
    await second.subscribe('t');
    expect(second.assignment()).toEqual([]);
    expect(await second.poll({ timeoutMs: 0 })).toEqual([]);
    await first.close();
    await expect.poll(() => second.assignment()).toEqual([T0]);
    await gateway.produce('t', ['new']);
    // What the first committed on closing is not read again.
    expect(values(await second.poll())).toEqual(['new']);
    expect(seen).toEqual([[], [T0]]);
  });
  it('gives a topic up only when nothing of it is in hand, and commits it before', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }, { name: 'u' }] });
    for (const topic of ['t', 'u']) await gateway.produce(topic, numbered(4));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    const calls: string[] = [];
    const listener = {
      onPartitionsRevoked: ([first]: readonly { topic: string }[]) => void calls.push(`${first?.topic}`),
    };
    await consumer.subscribe(['t', 'u'], { listener });
    while ((await consumer.poll({ timeoutMs: 20 })).length > 0 && consumer.metrics().recordsConsumed < 8);
    await consumer.subscribe(['t'], { listener });
    expect(calls).toEqual([]);
    expect(await consumer.poll({ timeoutMs: 20 })).toEqual([]);
    expect(calls).toEqual(['u']);
    expect(consumer.assignment()).toEqual([T0]);
    expect(await consumer.committed({ topic: 'u', partition: 0 })).toMatchObject({ offset: 4 });
  });
  it('comes back after a dropped connection and goes on where it was', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(3));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    expect(await consumer.poll()).toHaveLength(3);
    gateway.dropConnections();
    await gateway.produce('t', ['after']);
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['after']);
    await consumer.commit();
    expect(await consumer.committed(T0)).toMatchObject({ offset: 4 });
  });
  it('a listener that throws surfaces at the next poll, and the assignment stands', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t', {
      listener: {
        onPartitionsAssigned() {
          throw new Error('mine');
        },
      },
    });
    await expect(consumer.poll()).rejects.toThrow('mine');
    expect(values(await consumer.poll())).toEqual(['a']);
  });
});

describe('closing', () => {
  it('completes the observables; later calls are CLOSED', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const waiting = consumer.poll({ timeoutMs: 5_000 });
    const completed: string[] = [];
    for (const name of ['status$', 'assignment$', 'lag$', 'events$'] as const) {
      const source: import('rxjs').Observable<unknown> = consumer[name];
      source.subscribe({ complete: () => completed.push(name) });
    }
    await Promise.all([consumer.close(), expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })]);
    expect(completed.sort()).toEqual(['assignment$', 'events$', 'lag$', 'status$']);
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(() => consumer.seek(T0, 0)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(consumer.metrics()).toMatchObject({ closed: true, assignmentCount: 0, bufferedBytes: 0 });
    expect(gateway.transport.sockets).toEqual([]);
  });
  it('a final close of the connection fails every read with its reason', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const waiting = consumer.poll({ timeoutMs: 5_000 });
    gateway.dropConnections(4401);
    await expect(waiting).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('observation', () => {
  it('tells lag, and caughtUp once it has all', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(4));
    await using consumer = consumerOf(gateway, { maxPollRecords: 2 });
    const events = eventsOf(consumer);
    const caughtUp = () => events.filter(({ type }) => type === 'caughtUp').length;
    await consumer.subscribe('t');
    await consumer.poll();
    expect(consumer.currentLag(T0)).toBe(2);
    expect(caughtUp()).toBe(0);
    await consumer.poll();
    expect(consumer.currentLag(T0)).toBe(0);
    expect(caughtUp()).toBe(1);
    consumer.seek(T0, 0);
    await consumer.poll();
    await consumer.poll();
    expect(caughtUp()).toBe(2);
    expect(consumer.metrics()).toMatchObject({ recordsConsumed: 8, lag: 0, assignmentCount: 1, closed: false });
  });
  it('gives up what is older when told to, and says so', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway, { maxPollRecords: 1, whenBehind: { skipToLiveAfterMs: 20 } });
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    await gateway.produce('t', ['live']);
    expect(await consumer.poll()).toHaveLength(1);
    await gateway.produce('t', numbered(100));
    expect(await consumer.poll()).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await consumer.poll();
    expect(await consumer.position(T0)).toBe(101);
    expect(events.filter(({ type }) => type === 'gap')).toMatchObject([{ cause: 'skipped', to: 101 }]);
  });
});
