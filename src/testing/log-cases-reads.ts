// Conformance cases of the Log port: appending and reading. Data only; asserts by throwing.
import { readBatchHeader, verifyBatch } from '../protocol/index.ts';
import {
  append,
  assert,
  at,
  batchOf,
  endsOf,
  equal,
  isPending,
  type LogCase,
  readAll,
  readOf,
  recordsOf,
  rejects,
  valuesOf,
} from './log-case-kit.ts';

export const readCases: readonly LogCase[] = [
  {
    name: 'offsets are given in order, without holes, for each partition alone',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', partitions: 2 });
      equal((await append(log, at(topic, 0), 'a', 'b')).baseOffset, 0, 'first');
      equal((await append(log, at(topic, 0), 'c')).baseOffset, 2, 'second');
      equal((await append(log, at(topic, 1), 'd')).baseOffset, 0, 'other partition');
      equal(
        (await readAll(log, at(topic, 0))).map((r) => [r.offset, r.value]),
        [
          [0, 'a'],
          [1, 'b'],
          [2, 'c'],
        ],
        'records',
      );
      equal(endsOf(log, at(topic, 0)).highWatermark, 3, 'high watermark');
      equal(endsOf(log, at(topic, 0)).lastStableOffset, 3, 'last stable offset');
    },
  },
  {
    name: 'many appends at once keep the order they were made in, and each gets its own offsets',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const values = Array.from({ length: 500 }, (_, i) => `value-${i}`);
      const results = await Promise.all(values.map((value) => append(log, at(topic), value)));
      equal(
        results.map((r) => r.baseOffset),
        values.map((_, i) => i),
        'offsets',
      );
      equal(await valuesOf(log, at(topic)), values, 'values');
    },
  },
  {
    name: 'batches come back as they went in but for base offset and leader epoch, CRC included',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'first');
      const sent = batchOf(['a', null, ''], { timestamps: [5, 4, 6] });
      const copy = Uint8Array.from(sent);
      await log.append(at(topic), sent);
      const result = await log.read(readOf(at(topic), 1, { headroom: 10 }));
      const header = readBatchHeader(result.buffer, 10, 10 + result.batchBytes);
      assert(header !== undefined, 'no batch');
      verifyBatch(result.buffer, 10, header);
      equal(header.baseOffset, 1, 'base offset');
      equal(header.leaderEpoch, result.leaderEpoch, 'leader epoch');
      const [got, expected] = [result.buffer.subarray(10 + 16, 10 + result.batchBytes), copy.subarray(16)];
      equal([...got], [...expected], 'bytes from the magic on');
      equal(
        recordsOf(result, 10).map((r) => r.value),
        ['a', null, ''],
        'values',
      );
    },
  },
  {
    name: 'a batch whose bytes do not match its CRC, or that is cut short, is refused and leaves nothing',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const flipped = batchOf(['abcdef']);
      const last = flipped.length - 2;
      flipped[last] = (flipped[last] ?? 0) ^ 1;
      await rejects(log.append(at(topic), flipped), 'CORRUPT_MESSAGE');
      await rejects(log.append(at(topic), batchOf(['a']).subarray(0, 40)), 'CORRUPT_MESSAGE');
      await rejects(log.append(at(topic), new Uint8Array(0)), 'CORRUPT_MESSAGE');
      const two = new Uint8Array([...batchOf(['a']), ...batchOf(['b'])]);
      await rejects(log.append(at(topic), two), 'CORRUPT_MESSAGE', 'INVALID_REQUEST');
      equal(endsOf(log, at(topic)).highWatermark, 0, 'high watermark');
      equal((await append(log, at(topic), 'good')).baseOffset, 0, 'next offset');
    },
  },
  {
    name: 'magic other than 2 is refused as such',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const old = batchOf(['a']);
      old[16] = 1;
      await rejects(log.append(at(topic), old), 'UNSUPPORTED_FOR_MESSAGE_FORMAT');
    },
  },
  {
    name: 'a read may begin inside a batch, and gets that batch',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a', 'b', 'c');
      await append(log, at(topic), 'd');
      const result = await log.read(readOf(at(topic), 2));
      equal(
        recordsOf(result, 0, 2).map((r) => r.value),
        ['c', 'd'],
        'records from 2',
      );
      equal(result.nextOffset, 4, 'next offset');
    },
  },
  {
    name: 'every offset of a partition of small batches can be read from',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const sizes = [1, 3, 2, 5, 1, 1, 4];
      let n = 0;
      await Promise.all(sizes.map((size) => append(log, at(topic), ...Array.from({ length: size }, () => `${n++}`))));
      for (let offset = 0; offset < n; offset++)
        equal(
          await valuesOf(log, at(topic), offset),
          Array.from({ length: n - offset }, (_, i) => `${offset + i}`),
          `from ${offset}`,
        );
    },
  },
  {
    name: 'maxBytes bounds a read, but the first batch comes whatever its size',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const value = 'x'.repeat(1_000);
      for (let i = 0; i < 5; i++) await append(log, at(topic), value);
      const one = await log.read(readOf(at(topic), 0, { maxBytes: 1 }));
      equal(recordsOf(one).length, 1, 'records within 1 byte');
      equal(one.nextOffset, 1, 'next offset');
      const some = await log.read(readOf(at(topic), 1, { maxBytes: one.batchBytes * 2 + 10 }));
      equal(
        recordsOf(some).map((r) => r.offset),
        [1, 2],
        'records within two batches',
      );
      assert(some.batchBytes <= one.batchBytes * 2 + 10, 'over the bound');
    },
  },
  {
    name: 'maxBytes bounds a read of batches that were appended together, too',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await Promise.all(Array.from({ length: 20 }, (_, i) => append(log, at(topic), `${i}`.padStart(100, '.'))));
      let offset = 0;
      const seen: number[] = [];
      while (offset < 20) {
        const result = await log.read(readOf(at(topic), offset, { maxBytes: 400 }));
        assert(result.batchBytes <= 400, `${result.batchBytes} bytes`);
        seen.push(...recordsOf(result, 0, offset).map((r) => r.offset));
        offset = result.nextOffset;
      }
      equal(
        seen,
        Array.from({ length: 20 }, (_, i) => i),
        'offsets',
      );
    },
  },
  {
    name: 'large batches come back whole, among small ones',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const values = [10, 100_000, 20, 1_500_000, 30, 15_000, 17_000].map((size, i) => `${i}`.repeat(size));
      await Promise.all(values.map((value) => append(log, at(topic), value)));
      const read = await valuesOf(log, at(topic));
      equal(
        read.map((value) => value?.length),
        values.map((value) => value.length),
        'lengths',
      );
      for (const [i, value] of values.entries()) assert(read[i] === value, `value ${i} differs`);
    },
  },
  {
    name: 'the buffer leaves headroom free and stays the caller’s until it is released',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      for (let i = 0; i < 4; i++) await append(log, at(topic), `${i}`.repeat(40_000));
      const first = await log.read(readOf(at(topic), 0, { headroom: 100, maxBytes: 50_000 }));
      first.buffer.fill(0xee, 0, 100);
      const before = recordsOf(first, 100);
      first.release?.();
      const held = await log.read(readOf(at(topic), 1, { headroom: 100, maxBytes: 50_000 }));
      const others = await Promise.all(
        [0, 2, 3].map((offset) => log.read(readOf(at(topic), offset, { headroom: 100, maxBytes: 50_000 }))),
      );
      held.buffer.fill(0xdd, 0, 100);
      equal(recordsOf(held, 100)[0]?.value?.slice(0, 3), '111', 'held');
      equal(
        others.map((r) => recordsOf(r, 100)[0]?.value?.[0]),
        ['0', '2', '3'],
        'others',
      );
      equal(before[0]?.value?.[0], '0', 'released');
      for (const result of [held, ...others]) result.release?.();
    },
  },
  {
    name: 'at the end of the log a read without waiting is empty and stays where it is',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a');
      const result = await log.read(readOf(at(topic), 1, { headroom: 7 }));
      equal([result.batchBytes, result.nextOffset, result.highWatermark], [0, 1, 1], 'result');
      assert(result.buffer.length >= 7, 'no headroom');
    },
  },
  {
    name: 'outside the log a read is refused with where the log begins and ends',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a', 'b');
      const error = await rejects(log.read(readOf(at(topic), 3)), 'OFFSET_OUT_OF_RANGE');
      equal([error.logStart, error.logEnd], [0, 2], 'bounds');
    },
  },
  {
    name: 'a read that waits is woken by an append',
    async run({ create, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const before = clock.now();
      const waiting = log.read(readOf(at(topic), 0, { maxWaitMs: 60_000 }));
      assert(await isPending(waiting), 'it did not wait');
      await append(log, at(topic), 'a');
      equal(
        recordsOf(await waiting).map((r) => r.value),
        ['a'],
        'records',
      );
      equal(clock.now(), before, 'the clock moved');
    },
  },
  {
    name: 'a read that waits answers empty when its time is over',
    async run({ create, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const waiting = log.read(readOf(at(topic), 0, { maxWaitMs: 500 }));
      clock.advance(499);
      assert(await isPending(waiting), 'it answered early');
      clock.advance(1);
      equal((await waiting).batchBytes, 0, 'bytes');
    },
  },
  {
    name: 'a read waits until minBytes are there, over several appends',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'x'.repeat(300));
      const waiting = log.read(readOf(at(topic), 0, { minBytes: 1_000, maxWaitMs: 60_000 }));
      await append(log, at(topic), 'x'.repeat(300));
      assert(await isPending(waiting), 'it answered below minBytes');
      await append(log, at(topic), 'x'.repeat(600));
      equal(recordsOf(await waiting).length, 3, 'records');
    },
  },
  {
    name: 'when the time is over a read answers with what there is, below minBytes too',
    async run({ create, clock }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a');
      const waiting = log.read(readOf(at(topic), 0, { minBytes: 100_000, maxWaitMs: 200 }));
      assert(await isPending(waiting), 'it did not wait');
      clock.advance(200);
      equal(recordsOf(await waiting).length, 1, 'records');
    },
  },
  {
    name: 'aborting makes a waiting read answer at once with what there is',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a');
      const abort = new AbortController();
      const options = { minBytes: 100_000, maxWaitMs: 60_000, signal: abort.signal };
      const waiting = log.read(readOf(at(topic), 0, options));
      assert(await isPending(waiting), 'it did not wait');
      abort.abort();
      equal(recordsOf(await waiting).length, 1, 'records');
      const already = await log.read(readOf(at(topic), 1, options));
      equal(already.batchBytes, 0, 'bytes of a read aborted before it began');
    },
  },
  {
    name: 'a reader that follows the tail sees every record once, in order',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const total = 200;
      const seen: (string | null)[] = [];
      const follow = (async () => {
        for (let offset = 0; offset < total; ) {
          const result = await log.read(readOf(at(topic), offset, { maxWaitMs: 60_000 }));
          seen.push(...recordsOf(result, 0, offset).map((r) => r.value));
          offset = result.nextOffset;
          result.release?.();
        }
      })();
      for (let i = 0; i < total; i += 4) await Promise.all([0, 1, 2, 3].map((j) => append(log, at(topic), `${i + j}`)));
      await follow;
      equal(
        seen,
        Array.from({ length: total }, (_, i) => `${i}`),
        'values',
      );
    },
  },
  {
    name: 'closing twice is closing once, and a closed log refuses',
    async run({ create }) {
      const log = await create();
      const closed = ['BROKER_NOT_AVAILABLE', 'CLOSED'] as const;
      const topic = await log.createTopic({ name: 't' });
      const waiting = rejects(log.read(readOf(at(topic), 0, { maxWaitMs: 60_000 })), ...closed);
      await Promise.all([log.close(), log.close()]);
      await waiting;
      await rejects(log.append(at(topic), batchOf(['a'])), ...closed);
      await rejects(log.read(readOf(at(topic), 0)), ...closed);
      assert(log.health() !== undefined, 'a closed log says that it is well');
    },
  },
];
