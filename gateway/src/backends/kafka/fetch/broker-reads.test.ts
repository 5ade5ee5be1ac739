import { LogError } from 'distributedlog/protocol';
import type { PartitionEnds, PartitionRef, ReadRequest, ReadResult } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerReads, type FetchLimits } from './broker-reads.ts';
import { keyOf } from './fetch-session.ts';
import { PendingRead } from './pending-read.ts';
import { from } from './test-fetch.ts';
import { ModelBroker } from './test-model-broker.ts';

const TOPIC = '11111111-2222-3333-4444-555555555555';
const LIMITS: FetchLimits = { lanes: 3, maxRequestBytes: 2_000, maxPollMs: 500, aheadBytes: 0, maxAheadBytes: 0 };

function setUp(limits: Partial<FetchLimits> = {}) {
  const clock = new ManualClock();
  const broker = new ModelBroker(clock);
  const seen = new Map<string, PartitionEnds>();
  const failed: [PendingRead, number | LogError][] = [];
  const group = new BrokerReads(
    { nodeId: 1, isolation: 'read_uncommitted', patient: false },
    {
      clock,
      send: (_node, connection, request) => broker.send(connection, request),
      saw: (ref, ends) => seen.set(keyOf(ref), ends),
      ends: (ref) => seen.get(keyOf(ref)),
      failed: (read, why) => {
        failed.push([read, why]);
        if (why instanceof LogError) group.add(read);
      },
      counted: () => {},
    },
    { ...LIMITS, ...limits },
  );
  const read = (request: Partial<ReadRequest> & Pick<ReadRequest, 'offset'>): PendingRead => {
    const nothing = (): ReadResult => ({
      ...(seen.get(`${TOPIC}/${request.partition ?? 0}`) ?? NOTHING_SEEN),
      buffer: new Uint8Array(16),
      batchBytes: 0,
      nextOffset: request.offset,
      aborted: [],
    });
    const whole = from(TOPIC, request.offset, { maxWaitMs: 30_000, ...request });
    const pending = new PendingRead(whole, { clock, nothing, timeoutMs: 60_000, onHurry: (one) => group.add(one) });
    pending.leader = 1;
    group.add(pending);
    return pending;
  };
  return { clock, broker, read, failed };
}
const NOTHING_SEEN = { logStart: 0, highWatermark: 0, lastStableOffset: 0, leaderEpoch: 0 };

function at(partition: number): PartitionRef {
  return { topicId: TOPIC, partition };
}
/** What a read must bring: whole batches from the one with its offset on, as many as fit, at least one. */
function isRight(broker: ModelBroker, { request }: PendingRead, result: ReadResult): void {
  const batches = broker.log(request).filter(({ lastOffset }) => lastOffset >= request.offset);
  const bytes = Buffer.from(result.buffer.subarray(request.headroom, request.headroom + result.batchBytes));
  let length = 0;
  let nextOffset = request.offset;
  for (const batch of batches) {
    if (length >= bytes.length) break;
    length += batch.bytes.length;
    nextOffset = batch.lastOffset + 1;
  }
  expect(bytes.equals(Buffer.concat(batches.map((one) => one.bytes)).subarray(0, bytes.length))).toBe(true);
  expect([length, nextOffset]).toEqual([bytes.length, result.nextOffset]);
  if (bytes.length > (batches[0]?.bytes.length ?? 0)) expect(bytes.length).toBeLessThanOrEqual(request.maxBytes);
}

describe('reads at one broker', () => {
  it('that wait share one long poll, and one session that says only what changed', async () => {
    const { clock, broker, read } = setUp();
    const reads = [0, 1, 2, 3].map((partition) => read({ partition, offset: 0 }));
    await clock.settle();
    expect(broker.requests).toHaveLength(1);
    expect(broker.requests[0]).toMatchObject({ maxWaitMs: 500, minBytes: 1, sessionEpoch: 0 });
    broker.append(at(2), 1, 10);
    expect(await reads[2]?.result).toMatchObject({ nextOffset: 1 });
    read({ partition: 2, offset: 1 });
    await clock.settle();
    expect(broker.requests).toHaveLength(2);
    expect(broker.requests[1]).toMatchObject({ sessionEpoch: 1, forgotten: [] });
    expect(broker.requests[1]?.partitions.map(({ partition, offset }) => [partition, offset])).toEqual([[2, 1]]);
    await clock.tick(500);
    expect(broker.requests[2]).toMatchObject({ sessionEpoch: 2, partitions: [], forgotten: [] });
  });

  it('whose records are there do not wait behind those that wait for some', async () => {
    const { clock, broker, read } = setUp();
    broker.append(at(1), 3, 10);
    for (let i = 0; i < 20; i++) {
      read({ partition: 0, offset: i });
      await clock.settle();
    }
    const there = read({ partition: 1, offset: 0, maxWaitMs: 0, minBytes: 0 });
    await clock.settle();
    expect(there.over).toBe(true);
    expect(await there.result).toMatchObject({ nextOffset: 3 });
  });

  it('of the same partition and offset are answered by one request, each with bytes of its own', async () => {
    const { clock, broker, read } = setUp();
    const reads = Array.from({ length: 5 }, () => read({ offset: 0 }));
    await clock.settle();
    const late = read({ offset: 0 });
    await clock.settle();
    expect(broker.requests).toHaveLength(1);
    broker.append(at(0), 2, 10);
    const results = await Promise.all([...reads, late].map(({ result }) => result));
    for (const [i, result] of results.entries()) isRight(broker, reads[i] ?? late, result);
    expect(new Set(results.map(({ buffer }) => buffer.buffer)).size).toBe(6);
  });

  it('get a first batch that is too large for an answer shared with others', async () => {
    const { clock, broker, read } = setUp();
    const first = read({ partition: 0, offset: 0, maxBytes: 500 });
    const second = read({ partition: 1, offset: 0, maxBytes: 500 });
    await clock.settle();
    broker.append(at(0), 1, 5_000);
    broker.append(at(1), 1, 5_000);
    await clock.settle();
    for (const one of [first, second]) {
      expect(one.over).toBe(true);
      isRight(broker, one, await one.result);
    }
  });

  it('that were aborted or whose time is over are answered at once, whatever the broker does', async () => {
    const { clock, broker, read } = setUp();
    const abort = new AbortController();
    const aborted = read({ offset: 0, signal: abort.signal });
    const short = read({ partition: 1, offset: 0, maxWaitMs: 20 });
    await clock.settle();
    abort.abort();
    await clock.tick(20);
    expect(await Promise.all([aborted.result, short.result])).toMatchObject([{ nextOffset: 0 }, { nextOffset: 0 }]);
    expect(broker.requests).toHaveLength(1);
  });

  it('begin another session where the broker has forgotten theirs', async () => {
    const { clock, broker, read } = setUp();
    const waiting = read({ offset: 0 });
    await clock.settle();
    broker.sessions.evict();
    await clock.tick(500);
    expect(broker.requests.map(({ sessionId, sessionEpoch }) => [sessionId, sessionEpoch])).toEqual([
      [0, 0],
      [1, 1],
      [0, 0],
    ]);
    broker.append(at(0), 1, 10);
    isRight(broker, waiting, await waiting.result);
  });

  it('that go on where an answer went on are answered with it, for a second', async () => {
    const { clock, broker, read } = setUp({ aheadBytes: 2_000, maxAheadBytes: 16_000 });
    for (let i = 0; i < 4; i++) broker.append(at(0), 1, 300);
    const there = { maxWaitMs: 0, minBytes: 0, maxBytes: 500 };
    for (const offset of [0, 1]) {
      const one = read({ offset, ...there });
      await clock.settle();
      isRight(broker, one, await one.result);
      expect(await one.result).toMatchObject({ nextOffset: offset + 1 });
    }
    expect(broker.requests).toHaveLength(1);
    await clock.tick(1_000);
    const late = read({ offset: 2, ...there });
    await clock.settle();
    isRight(broker, late, await late.result);
    expect(broker.requests).toHaveLength(2);
  });

  it('fail one by one where the broker refuses all of them for another reason', async () => {
    const { clock, broker, read, failed } = setUp();
    const reads = [read({ offset: 0 }), read({ partition: 1, offset: 0 })];
    broker.refusal = 42;
    await clock.settle();
    expect(failed).toEqual(reads.map((one) => [one, 42]));
    expect(broker.requests).toHaveLength(1);
  });

  it.each([
    [0, 0],
    [600, 8_000],
  ])(
    'bring what is there, whole and once, whatever is appended, aborted, lost or slow; %i bytes ahead',
    async (aheadBytes, maxAheadBytes) => {
      const step = fc.oneof(
        fc.record({
          type: fc.constant('append' as const),
          partition: fc.nat(2),
          records: fc.integer({ min: 1, max: 5 }),
          valueBytes: fc.constantFrom(1, 50, 300, 3_000),
          hole: fc.constantFrom(0, 0, 7),
        }),
        fc.record({
          type: fc.constant('read' as const),
          partition: fc.nat(2),
          reader: fc.nat(3),
          waits: fc.boolean(),
          maxBytes: fc.constantFrom(1, 200, 1_000, 10_000),
        }),
        fc.record({ type: fc.constant('tick' as const), ms: fc.constantFrom(1, 49, 500) }),
        fc.record({ type: fc.constant('abort' as const), reader: fc.nat(3) }),
        fc.record({ type: fc.constant('lose request' as const) }),
        fc.record({ type: fc.constant('lose answers' as const) }),
        fc.record({ type: fc.constant('evict' as const) }),
        fc.record({ type: fc.constant('turn' as const) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 150 }), async (steps) => {
          const { clock, broker, read } = setUp({ aheadBytes, maxAheadBytes });
          const readers = Array.from({ length: 4 }, () => ({ positions: [0, 0, 0], abort: new AbortController() }));
          const pending = new Set<PendingRead>();
          let wrong: unknown;
          for (const one of steps) {
            if (one.type === 'append') broker.append(at(one.partition), one.records, one.valueBytes, one.hole);
            else if (one.type === 'tick') await clock.tick(one.ms);
            else if (one.type === 'lose request') broker.losing++;
            else if (one.type === 'lose answers') broker.fail();
            else if (one.type === 'evict') broker.sessions.evict();
            else if (one.type === 'turn') await clock.settle();
            else if (one.type === 'abort') {
              readers[one.reader]?.abort.abort();
              const reader = readers[one.reader];
              if (reader !== undefined) reader.abort = new AbortController();
            } else {
              const reader = readers[one.reader];
              if (reader === undefined) continue;
              const { partition, maxBytes } = one;
              const offset = reader.positions[partition] ?? 0;
              const terms = one.waits ? { minBytes: 1, maxWaitMs: 30_000 } : { minBytes: 0, maxWaitMs: 0 };
              const there = broker.endOf(at(partition)) > offset;
              const { signal } = reader.abort;
              const headroom = 16 + one.reader;
              const started = read({ partition, offset, maxBytes, ...terms, headroom, signal });
              pending.add(started);
              started.result
                .then((result) => {
                  isRight(broker, started, result);
                  if (there && !signal.aborted) expect(result.batchBytes).toBeGreaterThan(0);
                  reader.positions[partition] = Math.max(reader.positions[partition] ?? 0, result.nextOffset);
                })
                .catch((error: unknown) => {
                  wrong ??= error;
                })
                .finally(() => pending.delete(started));
            }
          }
          // Requests that were lost while nothing was under way of them end, and everybody has had a turn.
          for (let i = 0; i < 4; i++) await clock.tick(500);
          if (wrong !== undefined) throw wrong;
          for (const { maxWaitMs, partitions } of broker.requests) {
            const bytes = partitions.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
            if (maxWaitMs === 0 && partitions.length > 1) expect(bytes).toBeLessThanOrEqual(LIMITS.maxRequestBytes);
          }
          for (const { request } of pending) {
            expect(request.maxWaitMs).toBeGreaterThan(0);
            expect(request.offset).toBeGreaterThanOrEqual(broker.endOf(request));
          }
        }),
        { numRuns: 150 },
      );
    },
  );
});
