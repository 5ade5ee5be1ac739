// Conformance cases of the consumer: async iteration, streams, forEach. Data only; asserts by throwing.
import { ignoreElements, Subject } from 'rxjs';
import { acknowledge } from '../core/index.ts';
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  numbered,
  offsetsOf,
  pause,
  range,
  rejects,
  type TextConsumer,
  until,
  valuesOf,
} from './consumer-case-kit.ts';

/** Reads `count` records with a stream that is left then. */
function some(consumer: TextConsumer, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const seen: number[] = [];
    const reading = consumer.stream().subscribe({
      next: ({ offset }) => {
        seen.push(offset);
        if (seen.length === count) {
          reading.unsubscribe();
          resolve(seen);
        }
      },
      error: reject,
    });
  });
}
const committedBy = async (consumer: TextConsumer): Promise<number | null> =>
  (await consumer.committed(at('t')))?.offset ?? null;

export const readerCases: readonly ConsumerCase[] = [
  consumerCase(
    ['polling-20', 'polling-21'],
    'leaving for await by break leaves the record in hand uncommitted, and skips nothing',
    async (world) => {
      await world.produce('t', numbered(8));
      const consumer = world.consumer({ groupId: 'g', autoCommitIntervalMs: 5 });
      await consumer.subscribe('t');
      for await (const { offset } of consumer) if (offset === 2) break;
      await until('what was done is committed', async () => (await committedBy(consumer)) === 2);
      await pause(30);
      equal(await committedBy(consumer), 2, 'committed');
      equal(await consumer.position(at('t')), 3, 'position');
      equal(offsetsOf(await consumer.poll({ maxRecords: 2 })), [3, 4], 'poll goes on with the next one');
      const seen: number[] = [];
      for await (const { offset } of consumer) {
        seen.push(offset);
        if (offset === 6) break;
      }
      equal(seen, [5, 6], 'another iterator');
      equal(await some(consumer, 1), [7], 'a stream');
    },
  ),
  consumerCase(
    'polling-20',
    'leaving for await by an exception leaves the record in hand to the next member',
    async (world) => {
      await world.produce('t', numbered(5));
      const mine = new Error('mine');
      let thrown: unknown;
      try {
        await using consumer = world.consumer({ groupId: 'g' });
        await consumer.subscribe('t');
        for await (const { offset } of consumer) if (offset === 2) throw mine;
      } catch (error) {
        thrown = error;
      }
      assert(thrown === mine, `thrown: ${String(thrown)}`);
      const next = world.consumer({ groupId: 'g' });
      await next.subscribe('t');
      equal(offsetsOf(await drain(next, 3)), [2, 3, 4], 'offsets of the next member');
    },
  ),
  consumerCase('polling-19', 'a record of for await is processed when the next is asked for', async (world) => {
    await world.produce('t', numbered(3));
    const consumer = world.consumer({ groupId: 'g', autoCommitIntervalMs: 5 });
    await consumer.subscribe('t');
    const iterator = consumer[Symbol.asyncIterator]();
    for (const offset of range(3)) equal((await iterator.next()).value?.offset, offset, 'offset');
    await until('two are committed', async () => (await committedBy(consumer)) === 2);
    const waiting = iterator.next();
    await until(
      'the third is committed while the fourth is waited for',
      async () => (await committedBy(consumer)) === 3,
    );
    await iterator.return?.();
    equal(await waiting, { done: true, value: undefined }, 'a next() that waits when the loop is left');
    equal(await iterator.next(), { done: true, value: undefined }, 'next() afterwards');
  }),
  consumerCase(
    ['polling-22', 'polling-24'],
    'stream() is cold: nothing is taken before it is subscribed to, and each continues at the position',
    async (world) => {
      await world.produce('t', numbered(6));
      const consumer = world.consumer();
      await consumer.subscribe('t');
      consumer.stream();
      await pause(20);
      equal(await consumer.position(at('t')), 0, 'position');
      equal(await some(consumer, 2), [0, 1], 'the first');
      equal(await some(consumer, 3), [2, 3, 4], 'the second');
      equal(offsetsOf(await drain(consumer, 1)), [5], 'poll');
    },
  ),
  consumerCase('polling-23', 'one reader at a time, of whatever kind; the first goes on', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const seen: number[] = [];
    const reading = consumer.stream().subscribe(({ offset }) => seen.push(offset));
    await rejects(some(consumer, 1), 'ILLEGAL_STATE');
    await rejects(consumer.poll(), 'ILLEGAL_STATE');
    await rejects(
      consumer.forEach(() => undefined),
      'ILLEGAL_STATE',
    );
    await rejects(consumer[Symbol.asyncIterator]().next(), 'ILLEGAL_STATE');
    await world.produce('t', ['a']);
    await until('the stream delivers', () => seen.length === 1);
    reading.unsubscribe();
    await world.produce('t', ['b']);
    const iterator = consumer[Symbol.asyncIterator]();
    equal((await iterator.next()).value?.value, 'b', 'iterator');
    await rejects(consumer.poll(), 'ILLEGAL_STATE');
    await rejects(some(consumer, 1), 'ILLEGAL_STATE');
    await iterator.return?.();
  }),
  consumerCase(
    ['polling-26', 'polling-27'],
    'a stream errors as poll rejects, and completes on close',
    async (world) => {
      await world.produce('t', ['a']);
      const none = world.consumer();
      await rejects(some(none, 1), 'ILLEGAL_STATE');
      const failing = world.consumer({ autoOffsetReset: 'none' });
      await failing.assign([at('t')]);
      await rejects(some(failing, 1), 'NO_OFFSET_FOR_PARTITION');
      failing.seekToBeginning();
      equal(await some(failing, 1), [0], 'after the seek');
      const consumer = world.consumer();
      await consumer.subscribe('t');
      for (const kind of ['stream', 'batches'] as const) {
        const fresh = world.consumer();
        await fresh.subscribe('t');
        const completed = new Promise<string>((resolve, reject) =>
          (kind === 'stream'
            ? fresh.stream().pipe(ignoreElements())
            : fresh.batches().pipe(ignoreElements())
          ).subscribe({
            complete: () => resolve('completed'),
            error: reject,
          }),
        );
        await fresh.close();
        equal(await completed, 'completed', kind);
      }
    },
  ),
  consumerCase(
    'polling-28',
    'plain: a record is processed when next returns; leaving inside next skips and repeats nothing',
    async (world) => {
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ groupId: 'g', autoCommitIntervalMs: 5 });
      await consumer.subscribe('t');
      equal(await some(consumer, 2), [0, 1], 'offsets');
      await until('both are committed', async () => (await committedBy(consumer)) === 2);
      await consumer.close();
      const next = world.consumer({ groupId: 'g' });
      await next.subscribe('t');
      equal(offsetsOf(await drain(next, 2)), [2, 3], 'the next member');
    },
  ),
  consumerCase('polling-6', 'batches() emits slices of at most maxPollRecords', async (world) => {
    await world.produce('t', numbered(7));
    const consumer = world.consumer({ maxPollRecords: 3 });
    await consumer.subscribe('t');
    const seen: number[][] = [];
    const reading = consumer.batches().subscribe((batch) => seen.push(offsetsOf(batch)));
    await until('all came', () => seen.flat().length === 7);
    reading.unsubscribe();
    equal(seen.flat(), range(7), 'offsets');
    assert(
      seen.every(({ length }) => length > 0 && length <= 3),
      `sizes: ${seen.map(({ length }) => length)}`,
    );
  }),
  consumerCase(
    ['polling-29', 'polling-30', 'polling-31', 'polling-32', 'polling-33'],
    'manualAck: at most maxInFlight unacknowledged; acks in any order; only the contiguous prefix is committed',
    async (world) => {
      await world.produce('t', numbered(10));
      const consumer = world.consumer({ groupId: 'g', autoCommitIntervalMs: 5 });
      await consumer.subscribe('t');
      const seen: number[] = [];
      const reading = consumer.stream({ manualAck: true, maxInFlight: 4 }).subscribe(({ offset }) => seen.push(offset));
      await until('four are in flight', () => seen.length === 4);
      await pause(20);
      equal(seen, [0, 1, 2, 3], 'in flight');
      consumer.ack({ ...at('t'), offset: 2 });
      consumer.ack({ ...at('t'), offset: 1 });
      await until('two more came', () => seen.length === 6);
      await consumer.commit();
      equal(await committedBy(consumer), 0, 'committed by commit() while the first waits');
      consumer.ack({ ...at('t'), offset: 0 });
      await until('the prefix is committed', async () => (await committedBy(consumer)) === 3);
      for (const offset of [0, 1, 2, 9, 77]) consumer.ack({ ...at('t'), offset });
      consumer.ack({ ...at('other', 5), offset: 3 });
      await pause(20);
      equal([seen.length, await committedBy(consumer)], [7, 3], 'late, duplicate and unknown acks do nothing');
      consumer.ack({ ...at('t'), offset: 4 });
      await until('another one came', () => seen.length === 8);
      reading.unsubscribe();
      equal(await consumer.position(at('t')), 3, 'leaving rewinds to the first unacknowledged record');
      equal(offsetsOf(await drain(consumer, 7)), range(7, 3), 'offsets of the next reader');
    },
  ),
  consumerCase(
    'polling-34',
    'manualAck: close waits for acks up to its timeout, and commits what was acknowledged',
    async (world) => {
      await world.produce('t', numbered(4));
      for (const [acked, timeoutMs, committed] of [
        [[0, 3], 300, 1],
        [[3, 2, 1], 8_000, 4],
      ] as const) {
        const consumer = world.consumer({ groupId: 'g' });
        await consumer.subscribe('t');
        const seen: number[] = [];
        consumer.stream({ manualAck: true }).subscribe(({ offset }) => seen.push(offset));
        await until('all came', () => seen.at(-1) === 3);
        const closing = consumer.close({ timeoutMs });
        for (const offset of acked) consumer.ack({ ...at('t'), offset });
        await closing;
        const other = world.consumer({ groupId: 'g' });
        equal(await committedBy(other), committed, 'committed');
        await other.close();
      }
    },
  ),
  consumerCase('polling-35', 'acknowledge() acknowledges what comes through, in whatever order', async (world) => {
    await world.produce('t', numbered(6));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    const late = new Subject<Parameters<TextConsumer['ack']>[0]>();
    const through: number[] = [];
    const acked = late.pipe(acknowledge(consumer)).subscribe(({ offset }) => through.push(offset));
    const reading = consumer.stream({ manualAck: true }).subscribe((record) => {
      if (record.offset % 2 === 0) late.next(record);
    });
    await until('three went through', () => through.length === 3);
    await consumer.commit();
    equal(await committedBy(consumer), 1, 'committed');
    late.next({ ...at('t'), offset: 1 });
    await consumer.commit();
    equal(await committedBy(consumer), 3, 'committed after the missing one');
    reading.unsubscribe();
    acked.unsubscribe();
  }),
  consumerCase('polling-33', 'a seek while records are unacknowledged: their acks are late', async (world) => {
    await world.produce('t', numbered(4));
    const consumer = world.consumer({ groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    const seen: number[] = [];
    const reading = consumer.stream({ manualAck: true, maxInFlight: 2 }).subscribe(({ offset }) => seen.push(offset));
    await until('two are in flight', () => seen.length === 2);
    consumer.seek(at('t'), 2);
    await until('the others came', () => seen.length === 4);
    consumer.ack({ ...at('t'), offset: 0 });
    consumer.ack({ ...at('t'), offset: 1 });
    await consumer.commit();
    equal(await committedBy(consumer), 2, 'committed');
    equal(seen, [0, 1, 2, 3], 'offsets');
    reading.unsubscribe();
  }),
  consumerCase(
    'polling-36',
    'forEach commits only what work finished, and starts again at what failed',
    async (world) => {
      await world.produce('t', numbered(6));
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      const mine = new Error('mine');
      let thrown: unknown;
      await consumer
        .forEach(async ({ offset }) => {
          await pause(1);
          if (offset === 3) throw mine;
        })
        .catch((error: unknown) => {
          thrown = error;
        });
      assert(thrown === mine, `thrown: ${String(thrown)}`);
      await consumer.commit();
      equal(await committedBy(consumer), 3, 'committed');
      const abort = new AbortController();
      const seen: number[] = [];
      const rest = consumer.forEach(
        ({ offset }) => {
          seen.push(offset);
          if (offset === 5) abort.abort();
        },
        { signal: abort.signal },
      );
      await rejects(rest, 'ABORTED');
      equal(seen, [3, 4, 5], 'offsets');
      await consumer.commit();
      equal(await committedBy(consumer), 6, 'committed at the end');
    },
  ),
  consumerCase(
    'polling-37',
    'forEach at concurrency 1 keeps the order and never overlaps; more work side by side',
    async (world) => {
      await world.produce('t', numbered(12));
      for (const concurrency of [1, 4]) {
        const consumer = world.consumer({ groupId: `g${concurrency}` });
        await consumer.subscribe('t');
        const seen: number[] = [];
        let atWork = 0;
        let most = 0;
        const all = consumer.forEach(
          async ({ offset }) => {
            most = Math.max(most, ++atWork);
            seen.push(offset);
            await pause(2);
            atWork--;
          },
          { concurrency },
        );
        await until('all are done', () => seen.length === 12 && atWork === 0);
        await consumer.close();
        await all;
        equal(seen, range(12), 'order');
        equal(most, concurrency, 'at once');
      }
    },
  ),
  consumerCase('polling-24', 'several records of one slice: values are those of the log', async (world) => {
    await world.produce('t', numbered(50));
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const seen: (string | null)[] = [];
    for await (const { value } of consumer) if (seen.push(value) === 50) break;
    equal(seen, numbered(50), 'values');
    consumer.seekToBeginning();
    equal(valuesOf(await drain(consumer, 50)), numbered(50), 'values of poll');
  }),
];
