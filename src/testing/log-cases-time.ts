// Conformance cases of the Log port: lookups by offset and by time, and retention. Data only; asserts by throwing.
import { compressBatch } from '../protocol/index.ts';
import type { Log, PartitionRef } from '../server/index.ts';
import {
  append,
  assert,
  at,
  batchOf,
  endsOf,
  equal,
  isPending,
  type LogCase,
  readOf,
  recordsOf,
  rejects,
  valuesOf,
} from './log-case-kit.ts';

async function lookup(log: Log, ref: PartitionRef, when: 'earliest' | 'latest' | number) {
  const [answer] = await log.listOffsets([{ ...ref, at: when }], 'read_uncommitted');
  assert(answer !== undefined, 'no answer');
  if (answer.error !== undefined) throw answer.error;
  return [answer.offset, answer.timestamp ?? null];
}
/** The answer by definition: the first record, in order of offsets, at or after the time. */
function expected(timestamps: readonly number[], when: number): [number | null, number | null] {
  const offset = timestamps.findIndex((timestamp) => timestamp >= when);
  return offset < 0 ? [null, null] : [offset, timestamps[offset] ?? null];
}

export const timeCases: readonly LogCase[] = [
  {
    name: 'earliest and latest are where the log begins and ends',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      equal(await lookup(log, at(topic), 'earliest'), [0, null], 'earliest of an empty log');
      equal(await lookup(log, at(topic), 'latest'), [0, null], 'latest of an empty log');
      equal(await lookup(log, at(topic), 0), [null, null], 'by time in an empty log');
      await append(log, at(topic), 'a', 'b');
      equal(await lookup(log, at(topic), 'earliest'), [0, null], 'earliest');
      equal(await lookup(log, at(topic), 'latest'), [2, null], 'latest');
    },
  },
  {
    name: 'a lookup of several partitions answers each in order, errors included',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a');
      const answers = await log.listOffsets(
        [
          { ...at(topic, 7), at: 'latest' },
          { ...at(topic), at: 'latest' },
          { topicId: '00000000-0000-4000-8000-000000000000', partition: 0, at: 5 },
        ],
        'read_uncommitted',
      );
      equal(
        answers.map((a) => a.error?.code ?? a.offset),
        ['UNKNOWN_TOPIC_OR_PARTITION', 1, 'UNKNOWN_TOPIC_ID'],
        'answers',
      );
    },
  },
  {
    name: 'a lookup by time finds the exact record inside a batch',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const timestamps = [100, 110, 120, 130, 140, 150];
      await log.append(at(topic), batchOf(['a', 'b', 'c'], { timestamps: timestamps.slice(0, 3) }));
      await log.append(at(topic), batchOf(['d', 'e', 'f'], { timestamps: timestamps.slice(3) }));
      for (let when = 95; when <= 155; when += 5)
        equal(await lookup(log, at(topic), when), expected(timestamps, when), `at ${when}`);
    },
  },
  {
    name: 'a lookup by time finds the exact record inside a compressed batch',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const timestamps = [100, 110, 120, 130];
      await log.append(at(topic), await compressBatch(batchOf(['a', 'b', 'c', 'd'], { timestamps }), 'gzip'));
      for (const when of [100, 101, 120, 125, 130, 131])
        equal(await lookup(log, at(topic), when), expected(timestamps, when), `at ${when}`);
    },
  },
  {
    name: 'compressed batches are stored and served as they came',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const batch = await compressBatch(batchOf(['a'.repeat(1_000)]), 'gzip');
      const copy = Uint8Array.from(batch);
      await log.append(at(topic), batch);
      const result = await log.read(readOf(at(topic), 0));
      equal([...result.buffer.subarray(16, result.batchBytes)], [...copy.subarray(16)], 'bytes from the magic on');
    },
  },
  {
    name: 'timestamps out of order: the first record at or after the time, by offset, wherever the batches are cut',
    async run({ create }) {
      const log = await create();
      let state = 1;
      const random = (below: number): number => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      for (let round = 0; round < 6; round++) {
        const topic = await log.createTopic({ name: `t${round}` });
        const timestamps: number[] = [];
        for (let batch = 0; batch < 20; batch++) {
          const size = 1 + random(6);
          // Mostly forward, with late ones and, now and then, one from the future; large values cut the index apart.
          const some = Array.from(
            { length: size },
            () => 1_000 + batch * 50 + random(400) + (random(40) === 0 ? 5_000 : 0),
          );
          timestamps.push(...some);
          const filler = 'x'.repeat(random(3) === 0 ? 30_000 : 10);
          await log.append(
            at(topic),
            batchOf(
              some.map(() => filler),
              { timestamps: some },
            ),
          );
        }
        for (const when of [0, 1_000, 1_100, 1_333, 1_500, 1_777, 2_000, 2_345, 2_400, 6_000, 7_000, 10_000])
          equal(await lookup(log, at(topic), when), expected(timestamps, when), `round ${round} at ${when}`);
        for (const when of timestamps)
          equal(await lookup(log, at(topic), when), expected(timestamps, when), `round ${round} at ${when}`);
      }
    },
  },
  {
    name: 'retention by size removes the oldest batches and never a newer one first',
    needs: 'retain',
    async run({ create, retain }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', config: { 'retention.bytes': '100000' } });
      for (let i = 0; i < 10; i++) await append(log, at(topic), `${i}`.repeat(30_000));
      await retain?.(log);
      const { logStart, highWatermark } = endsOf(log, at(topic));
      equal(highWatermark, 10, 'high watermark');
      assert(logStart > 0 && logStart <= 7, `the log begins at ${logStart}`);
      equal(
        (await valuesOf(log, at(topic), logStart)).map((value) => value?.[0]),
        Array.from({ length: 10 - logStart }, (_, i) => `${logStart + i}`),
        'what is left',
      );
      const error = await rejects(log.read(readOf(at(topic), 0)), 'OFFSET_OUT_OF_RANGE');
      equal([error.logStart, error.logEnd], [logStart, 10], 'bounds');
      equal(await lookup(log, at(topic), 'earliest'), [logStart, null], 'earliest');
      equal((await lookup(log, at(topic), 0))[0], logStart, 'first by time');
    },
  },
  {
    name: 'retention by age may remove everything, and offsets are never given again',
    needs: 'retain',
    async run({ create, retain, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', config: { 'retention.ms': '60000' } });
      const now = () => [clock.now()];
      for (const value of ['a', 'b', 'c']) await log.append(at(topic), batchOf([value], { timestamps: now() }));
      // Where the clock is a real one that can only be moved on, appending takes its time too.
      clock.advance(45_000);
      await retain?.(log);
      equal(endsOf(log, at(topic)).logStart, 0, 'start while young');
      clock.advance(16_000);
      await retain?.(log);
      equal(endsOf(log, at(topic)).logStart, 3, 'start when old');
      equal(endsOf(log, at(topic)).highWatermark, 3, 'high watermark');
      equal((await log.read(readOf(at(topic), 3))).batchBytes, 0, 'bytes at the end');
      equal(await lookup(log, at(topic), 0), [null, null], 'by time');
      equal((await log.append(at(topic), batchOf(['d'], { timestamps: now() }))).baseOffset, 3, 'next offset');
      equal(await valuesOf(log, at(topic), 3), ['d'], 'values');
    },
  },
  {
    name: 'retention of one topic leaves others alone, and without a limit nothing is ever removed',
    needs: 'retain',
    async run({ create, retain, clock }) {
      const log = await create();
      const kept = await log.createTopic({ name: 'kept' });
      const unlimited = await log.createTopic({
        name: 'unlimited',
        config: { 'retention.ms': '-1', 'retention.bytes': '-1' },
      });
      const short = await log.createTopic({ name: 'short', config: { 'retention.ms': '1000' } });
      for (const topic of [kept, unlimited, short]) await log.append(at(topic), batchOf(['a'], { timestamps: [1] }));
      clock.advance(100_000);
      await retain?.(log);
      equal(
        [kept, unlimited, short].map((topic) => endsOf(log, at(topic)).logStart),
        [0, 0, 1],
        'log starts',
      );
    },
  },
  {
    name: 'lookups by time stay right after retention, with timestamps out of order',
    needs: 'retain',
    async run({ create, retain }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', config: { 'retention.bytes': '200000' } });
      const timestamps = [9_000, 100, 50, 200, 150, 300, 9_500, 250, 9_900, 400];
      for (const timestamp of timestamps)
        await log.append(at(topic), batchOf(['x'.repeat(40_000)], { timestamps: [timestamp] }));
      await retain?.(log);
      const { logStart } = endsOf(log, at(topic));
      assert(logStart > 0, 'nothing was removed');
      for (const when of [0, 100, 175, 250, 300, 301, 9_000, 9_500, 9_501, 9_900, 9_901]) {
        const offset = timestamps.findIndex((timestamp, i) => i >= logStart && timestamp >= when);
        equal((await lookup(log, at(topic), when))[0], offset < 0 ? null : offset, `at ${when}`);
      }
    },
  },
  {
    name: 'a reader that waits at the end is not disturbed by retention',
    needs: 'retain',
    async run({ create, retain, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', config: { 'retention.ms': '1000' } });
      await log.append(at(topic), batchOf(['a'], { timestamps: [clock.now()] }));
      const waiting = log.read(readOf(at(topic), 1, { maxWaitMs: 10_000_000 }));
      assert(await isPending(waiting), 'it did not wait');
      clock.advance(5_000);
      await retain?.(log);
      await log.append(at(topic), batchOf(['b'], { timestamps: [clock.now()] }));
      let result = await waiting;
      if (result.batchBytes === 0) result = await log.read(readOf(at(topic), result.nextOffset));
      equal(
        recordsOf(result, 0, 1).map((r) => r.value),
        ['b'],
        'records',
      );
    },
  },
];
