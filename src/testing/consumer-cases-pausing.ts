// Conformance cases of the consumer: pause and resume. Data only; asserts by throwing.
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  nothing,
  numbered,
  offsetsOf,
  pause,
  range,
  until,
  valuesOf,
} from './consumer-case-kit.ts';

export const pausingCases: readonly ConsumerCase[] = [
  consumerCase(
    ['pausing-1', 'pausing-2', 'pausing-3'],
    'a paused partition is not delivered; what is buffered is neither lost nor fetched again; the others go on',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ maxPollRecords: 1 });
      await consumer.assign([at('t'), at('t', 1)]);
      equal(offsetsOf(await drain(consumer, 1)), [0], 'before the pause');
      const received = consumer.metrics().bytesConsumed;
      consumer.pause([at('t')]);
      equal(consumer.paused(), [at('t')], 'paused');
      await nothing(consumer);
      await world.produce('t', [{ value: 'other', partition: 1 }]);
      equal(valuesOf(await drain(consumer, 1)), ['other'], 'the other partition');
      const between = consumer.metrics().bytesConsumed;
      assert(between > received, 'the other partition was not fetched');
      consumer.resume([at('t')]);
      equal(offsetsOf(await drain(consumer, 3)), [1, 2, 3], 'after the pause');
      equal(consumer.metrics().bytesConsumed, between, 'bytes received');
      equal(consumer.paused(), [], 'paused after resume');
    },
  ),
  consumerCase('pausing-1', 'a pause inside an iterator counts for the next record', async (world) => {
    await world.topic('t', 2);
    await world.produce('t', [...numbered(3), ...numbered(3, 10).map((value) => ({ value, partition: 1 }))]);
    const consumer = world.consumer();
    await consumer.assign([at('t'), at('t', 1)]);
    const seen: number[] = [];
    let first: number | undefined;
    for await (const { partition } of consumer) {
      seen.push(partition);
      first ??= partition;
      if (seen.length === 1) consumer.pause([at('t', partition)]);
      if (seen.length === 4) break;
    }
    equal(
      seen.slice(1),
      [1, 1, 1].map((one) => one - (first ?? 0)),
      'partitions',
    );
    consumer.resume();
    equal(
      (await drain(consumer, 2)).map(({ offset }) => offset),
      [1, 2],
      'what was left',
    );
  }),
  consumerCase('pausing-4', 'a pause survives polls, seeks and reconnects', async (world) => {
    await world.produce('t', numbered(3));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    consumer.pause();
    await nothing(consumer);
    world.harness.dropConnections();
    await nothing(consumer);
    await until('it is live again', async () => (await consumer.endOffsets([at('t')]))[0]?.offset === 3);
    await nothing(consumer);
    consumer.seek(at('t'), 1);
    await nothing(consumer);
    equal(consumer.paused(), [at('t')], 'paused');
    consumer.resume();
    equal(offsetsOf(await drain(consumer, 2)), [1, 2], 'offsets');
  }),
  consumerCase(['pausing-6', 'pausing-5'], 'a pause ends with revocation', async (world) => {
    for (const topic of ['t', 'u']) await world.produce(topic, numbered(2));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe(['t', 'u']);
    consumer.pause();
    await consumer.subscribe('t');
    await until('u is gone', () => consumer.assignment().length === 1);
    equal(consumer.paused(), [at('t')], 'the pause of the one that stays');
    await consumer.subscribe(['t', 'u']);
    equal(consumer.paused(), [at('t')], 'paused');
    equal(
      (await drain(consumer, 2)).map(({ topic }) => topic),
      ['u', 'u'],
      'records',
    );
  }),
  consumerCase('pausing-7', 'pausing stops credit: no more is received than may be held', async (world) => {
    await world.topic('t');
    for (let i = 0; i < 30; i++) await world.produce('t', [`${'x'.repeat(10_000)}${i}`]);
    const consumer = world.consumer({ maxBufferedBytes: 50_000, maxPollRecords: 1 });
    await consumer.subscribe('t');
    await drain(consumer, 1);
    consumer.pause();
    await pause(60);
    assert(consumer.metrics().bufferedBytes <= 70_000, `held while paused: ${consumer.metrics().bufferedBytes}`);
    consumer.resume();
    equal(offsetsOf(await drain(consumer, 29)), range(29, 1), 'offsets');
  }),
];
