// Conformance cases of the Log port: idempotent producers. Data only; asserts by throwing.
import {
  append,
  assert,
  at,
  batchOf,
  endsOf,
  equal,
  type LogCase,
  rejects,
  type Sequence,
  valuesOf,
} from './log-case-kit.ts';

const sequence = (producerId: number, baseSequence: number, producerEpoch = 0): Sequence => ({
  producerId,
  producerEpoch,
  baseSequence,
});

export const producerCases: readonly LogCase[] = [
  {
    name: 'every producer gets an id of its own, at epoch 0',
    async run({ create }) {
      const log = await create();
      const ids = await Promise.all(Array.from({ length: 20 }, () => log.initProducer()));
      equal(new Set(ids.map((p) => p.producerId)).size, 20, 'different ids');
      assert(
        ids.every((p) => p.producerEpoch === 0 && Number.isSafeInteger(p.producerId) && p.producerId >= 0),
        'a wrong id',
      );
    },
  },
  {
    name: 'a batch that is sent again is written once, and gets the first answer',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const batch = () => batchOf(['a', 'b'], { sequence: sequence(producerId, 0) });
      equal((await log.append(at(topic), batch())).baseOffset, 0, 'first');
      await append(log, at(topic), 'other');
      equal((await log.append(at(topic), batch())).baseOffset, 0, 'again');
      equal(
        (await log.append(at(topic), batchOf(['c'], { sequence: sequence(producerId, 2) }))).baseOffset,
        3,
        'the next',
      );
      equal((await log.append(at(topic), batch())).baseOffset, 0, 'again, later');
      equal(await valuesOf(log, at(topic)), ['a', 'b', 'other', 'c'], 'values');
    },
  },
  {
    name: 'a batch sent twice at once is written once, and both get the same answer',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const answers = await Promise.all(
        [0, 0, 1, 0, 1].map((n) => log.append(at(topic), batchOf([`${n}`], { sequence: sequence(producerId, n) }))),
      );
      equal(
        answers.map((a) => a.baseOffset),
        [0, 0, 1, 0, 1],
        'offsets',
      );
      equal(await valuesOf(log, at(topic)), ['0', '1'], 'values');
    },
  },
  {
    name: 'a producer that is not known begins at sequence 0, so that a batch that failed is never taken for written',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', partitions: 2 });
      const { producerId } = await log.initProducer();
      const send = (n: number, partition = 0) =>
        log.append(at(topic, partition), batchOf([`${n}`], { sequence: sequence(producerId, n) }));
      await rejects(send(1), 'UNKNOWN_PRODUCER_ID');
      equal(endsOf(log, at(topic)).highWatermark, 0, 'nothing was written');
      equal((await send(0)).baseOffset, 0, 'the first');
      equal((await send(1)).baseOffset, 1, 'the second');
      await rejects(send(2, 1), 'UNKNOWN_PRODUCER_ID');
      equal(await valuesOf(log, at(topic)), ['0', '1'], 'values');
    },
  },
  {
    name: 'the last five batches of a producer are recognised',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const send = (n: number) => log.append(at(topic), batchOf([`${n}`], { sequence: sequence(producerId, n) }));
      for (let n = 0; n < 8; n++) await send(n);
      for (let n = 3; n < 8; n++) equal((await send(n)).baseOffset, n, `again ${n}`);
      await rejects(send(0), 'DUPLICATE_SEQUENCE_NUMBER', 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      equal(endsOf(log, at(topic)).highWatermark, 8, 'high watermark');
    },
  },
  {
    name: 'pipelined batches of one producer keep their order',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          log.append(at(topic), batchOf([`${n}`], { sequence: sequence(producerId, n) })),
        ),
      );
      equal(
        answers.map((a) => a.baseOffset),
        Array.from({ length: 100 }, (_, n) => n),
        'offsets',
      );
    },
  },
  {
    name: 'a hole in the sequence is refused, and closes when the missing batch comes',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const send = (n: number) => log.append(at(topic), batchOf([`${n}`], { sequence: sequence(producerId, n) }));
      await send(0);
      await rejects(send(2), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      equal((await send(1)).baseOffset, 1, 'the missing one');
      equal((await send(2)).baseOffset, 2, 'the one after');
      equal(await valuesOf(log, at(topic)), ['0', '1', '2'], 'values');
    },
  },
  {
    name: 'a newer epoch begins at sequence 0 and fences the older one',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      const { producerId } = await log.initProducer();
      const send = (n: number, epoch: number) =>
        log.append(at(topic), batchOf([`${epoch}:${n}`], { sequence: sequence(producerId, n, epoch) }));
      await send(0, 0);
      await send(1, 0);
      await rejects(send(5, 1), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      equal((await send(0, 1)).baseOffset, 2, 'the new epoch');
      await rejects(send(2, 0), 'INVALID_PRODUCER_EPOCH');
      equal(await valuesOf(log, at(topic)), ['0:0', '0:1', '1:0'], 'values');
    },
  },
  {
    name: 'sequences count for each partition and each producer alone',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't', partitions: 2 });
      const [one, two] = [await log.initProducer(), await log.initProducer()];
      for (const partition of [0, 1])
        for (const { producerId } of [one, two])
          await log.append(at(topic, partition), batchOf(['x'], { sequence: sequence(producerId, 0) }));
      equal(endsOf(log, at(topic, 0)).highWatermark, 2, 'partition 0');
      equal(endsOf(log, at(topic, 1)).highWatermark, 2, 'partition 1');
    },
  },
  {
    name: 'batches without a producer id are written as often as they come',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 't' });
      await append(log, at(topic), 'a');
      await append(log, at(topic), 'a');
      equal(await valuesOf(log, at(topic)), ['a', 'a'], 'values');
    },
  },
];
