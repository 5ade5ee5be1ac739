// Whatever a socket says, the session never throws, logs nothing unexpected, and others are served on.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBatch, encodeProduceFrame } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import { memoryLog } from './memory-log.ts';

const VALUES = fc.oneof(
  fc.constantFrom(0, 1, -1, 2 ** 31, Number.MAX_SAFE_INTEGER, 1.5, 1e308, '', 't', 'no such', null, true, [], {}),
  fc.string({ maxLength: 8 }),
  fc.integer(),
);

describe('a session under fire', () => {
  it('survives frames with fields replaced, dropped and added, and random bytes', async () => {
    const clock = new ManualClock();
    const log = memoryLog({ clock, random: Math.random });
    const { topicId } = await log.createTopic({ name: 't', partitions: 2 });
    const other = new SessionPeer({ log, clock });
    await other.hello();
    const spec = { topicId, partition: 0, epoch: 1, offset: 0, limit: 10_000 };
    const seeds: object[] = [
      { type: 'hello', versions: [1], codecs: ['gzip'] },
      { type: 'ping', id: 1 },
      { type: 'metadata', id: 2, topics: ['t'], autoCreate: true, watch: true },
      { type: 'createTopic', id: 3, name: 'x', partitions: 1 },
      { type: 'deleteTopic', id: 4, name: 'x' },
      { type: 'listOffsets', id: 5, isolation: 'read_committed', partitions: [{ topicId, partition: 0, at: 5 }] },
      {
        type: 'fetch',
        consumer: 1,
        isolation: 'read_uncommitted',
        minBytes: 1,
        maxWaitMs: 10,
        maxPartitionBytes: 1_000,
        limit: 10_000,
        partitions: [spec],
      },
      { type: 'credit', consumer: 1, limit: 20_000, partitions: [{ topicId, partition: 0, epoch: 1, limit: 9 }] },
      { type: 'fetchClose', consumer: 1, partitions: [{ topicId, partition: 0 }] },
      { type: 'fetchClose', consumer: 1 },
      { type: 'initProducer', id: 6 },
      {
        type: 'join',
        id: 7,
        consumer: 1,
        groupId: 'g',
        memberId: 'm',
        instanceId: 'i',
        topics: ['t'],
        sessionTimeoutMs: 9_000,
        rebalanceTimeoutMs: 9_000,
        maxPollIntervalMs: 9_000,
      },
      { type: 'owned', consumer: 1, memberEpoch: 1, partitions: [{ topicId, partitions: [0] }] },
      { type: 'leave', id: 8, consumer: 1 },
      {
        type: 'commit',
        id: 9,
        groupId: 'g',
        memberId: 'm',
        memberEpoch: 1,
        offsets: [{ topicId, partition: 0, offset: 1 }],
      },
      { type: 'committed', id: 10, groupId: 'g', partitions: [{ topicId, partition: 0 }] },
      {
        type: 'join',
        id: 14,
        consumer: 2,
        groupId: 'g',
        instanceId: 'i',
        assignor: 'range',
        topics: ['t', 'x'],
        sessionTimeoutMs: 1_000,
        rebalanceTimeoutMs: 1_000,
        maxPollIntervalMs: 1_000,
      },
      {
        type: 'join',
        id: 15,
        consumer: 2,
        groupId: 'g',
        memberId: 'm',
        resumeToken: 'r',
        topics: ['t'],
        sessionTimeoutMs: 1_000,
        rebalanceTimeoutMs: 1_000,
        maxPollIntervalMs: 1_000,
      },
      { type: 'deleteGroup', id: 16, groupId: 'g' },
      { type: 'listGroups', id: 11 },
      { type: 'describeGroup', id: 12, groupId: 'g' },
      { type: 'heartbeat', consumers: [{ consumer: 1, busyMs: 10_000 }] },
    ];
    const produce = encodeProduceFrame(
      13,
      topicId,
      0,
      encodeBatch([{ key: null, value: new Uint8Array(40), timestamp: 1 }]),
    );
    const text = fc.oneof(
      fc.constantFrom(...seeds).map((seed) => JSON.stringify(seed)),
      fc.tuple(fc.constantFrom(...seeds), fc.nat(10), VALUES).map(([seed, at, value]) => {
        const entries = Object.entries(seed);
        const entry = entries[at % entries.length];
        if (entry !== undefined) entry[1] = value;
        return JSON.stringify(Object.fromEntries(entries));
      }),
      fc.tuple(fc.constantFrom(...seeds), fc.nat(10)).map(([seed, at]) => {
        const entries = Object.entries(seed);
        entries.splice(at % entries.length, 1);
        return JSON.stringify(Object.fromEntries(entries));
      }),
      fc.tuple(fc.constantFrom(...seeds), fc.nat(200)).map(([seed, at]) => JSON.stringify(seed).slice(0, at)),
      fc.string(),
      fc.json(),
    );
    const binary = fc.oneof(
      fc.constant(produce),
      fc.tuple(fc.nat(produce.length - 1), fc.nat(255)).map(([at, value]) => {
        const changed = produce.slice();
        changed[at] = value;
        return changed;
      }),
      fc.nat(produce.length).map((length) => produce.slice(0, length)),
      fc.uint8Array({ maxLength: 100 }),
    );
    const moves = fc.oneof(
      { weight: 6, arbitrary: text },
      { weight: 2, arbitrary: binary },
      { weight: 1, arbitrary: fc.nat(5_000) },
    );
    const closes = fc.constantFrom(undefined, 1000, 1001, 1006, 4510);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(moves, { maxLength: 40 }), closes, async (greets, sequence, code) => {
        const peer = new SessionPeer({ log, clock, limits: { maxMalformedFrames: 1_000 } });
        if (greets) await peer.hello([]);
        for (const move of sequence) {
          if (typeof move === 'string') peer.session.onText(move);
          else if (typeof move === 'number') {
            clock.advance(move);
            other.send({ type: 'heartbeat' });
          } else peer.session.onBinary(move);
          if (sequence.length % 3 === 0) await Promise.resolve();
        }
        await peer.settle();
        peer.session.onClosed(code);
        await peer.settle();
        expect(peer.logged.filter(({ level }) => level === 'error')).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(other.closed).toBeUndefined();
    expect(await other.request({ type: 'listGroups', id: 1 })).toMatchObject({ type: 'listGroups' });
    expect(log.waitingReads).toBe(0);
  });
});
