// Conformance cases of the consumer: the records themselves, and those that are gone. Data only; asserts by throwing.
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  eventsOf,
  gapsOf,
  numbered,
  offsetsOf,
  utf8,
  valuesOf,
} from './consumer-case-kit.ts';

export const recordCases: readonly ConsumerCase[] = [
  consumerCase('records-1', 'null and empty keys and values are told apart', async (world) => {
    await world.produce('t', [{ key: null, value: null }, { key: '', value: '' }, { value: new Uint8Array(0) }]);
    const consumer = world.consumer();
    await consumer.subscribe('t');
    equal(
      (await drain(consumer, 3)).map(({ key, value }) => [key, value]),
      [
        [null, null],
        ['', ''],
        [null, ''],
      ],
      'keys and values',
    );
  }),
  consumerCase('records-2', 'header order and duplicates are kept; header values may be null', async (world) => {
    const headers = [
      { key: 'b', value: utf8('1') },
      { key: 'a', value: null },
      { key: 'b', value: new Uint8Array(0) },
      { key: '', value: utf8('ä') },
      { key: 'b', value: utf8('1') },
    ];
    await world.produce('t', [{ value: 'v', headers }, 'none']);
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const [first, second] = await drain(consumer, 2);
    equal(first?.headers, headers, 'headers');
    equal(second?.headers, [], 'no headers');
  }),
  consumerCase('records-8', 'timestamps come back as they were given', async (world) => {
    const now = Date.now();
    await world.produce('t', [{ value: 'a', timestamp: 0 }, { value: 'b', timestamp: now + 86_400_000 }, 'c']);
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const [a, b, c] = await drain(consumer, 3);
    equal([a?.timestamp, b?.timestamp], [0, now + 86_400_000], 'timestamps');
    assert(c !== undefined && Math.abs(c.timestamp - now) < 60_000, `timestamp of now: ${c?.timestamp}`);
    equal(c.timestampType, 'create', 'timestampType');
  }),
  consumerCase('records-9', 'without deserializers keys and values are bytes, whatever they hold', async (world) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await world.produce('t', [{ value: bytes, key: bytes }]);
    const consumer = world.keep(new world.harness.sdk.Consumer({ ...world.clientConfig, autoOffsetReset: 'earliest' }));
    await consumer.subscribe('t');
    const [record] = await drain(consumer, 1);
    equal([record?.key, record?.value], [bytes, bytes], 'key and value');
  }),
  consumerCase('records-10', 'a record larger than every fetch limit is still delivered', async (world) => {
    const large = 'x'.repeat(900_000);
    await world.produce('t', ['before', large, 'after']);
    const consumer = world.consumer({ maxPartitionFetchBytes: 1_000, fetchMaxBytes: 2_000, maxBufferedBytes: 20_000 });
    await consumer.subscribe('t');
    equal(
      (await drain(consumer, 3)).map(({ value }) => value?.length),
      [6, 900_000, 5],
      'lengths',
    );
  }),
  consumerCase('records-11', 'a batch that was compressed reads the same', async (world) => {
    const producer = world.keep(
      new world.harness.sdk.Producer({ ...world.clientConfig, lingerMs: 5, compression: 'gzip' }),
    );
    await world.topic('t');
    await Promise.all(numbered(200).map((value) => producer.send({ topic: 't', value, partition: 0 })));
    const consumer = world.consumer({ maxPollRecords: 33 });
    await consumer.subscribe('t');
    equal(valuesOf(await drain(consumer, 200)), numbered(200), 'values');
  }),

  consumerCase(
    'promise-4',
    'data lost to retention is a gap event that says from where to where, and why',
    async (world) => {
      await world.topic('t', 1, { 'retention.ms': '60000' });
      const old = Date.now() - 600_000;
      for (const value of numbered(6)) await world.produce('t', [{ value, timestamp: old }]);
      const consumer = world.consumer({ maxPollRecords: 1, maxBufferedBytes: 1_024 });
      const events = eventsOf(consumer);
      await consumer.assign([at('t')]);
      equal(offsetsOf(await drain(consumer, 1)), [0], 'the first record');
      await world.harness.stop();
      await world.harness.start();
      await world.produce('t', ['young']);
      await world.harness.retain();
      consumer.seek(at('t'), 2);
      equal(valuesOf(await drain(consumer, 1)), ['young'], 'what is left');
      const [end] = await consumer.beginningOffsets([at('t')]);
      equal(gapsOf(events), [{ ...at('t'), from: 2, to: end?.offset, cause: 'retention' }], 'gaps');
      equal(consumer.metrics().gaps, 1, 'metrics');
    },
  ),
  consumerCase(
    'promise-5',
    'a topic that was deleted and created anew is a gap, and read from its beginning',
    async (world) => {
      for (const groupId of [undefined, 'g']) {
        await world.topic('t');
        await world.produce('t', numbered(4));
        const consumer = world.consumer({ groupId, autoOffsetReset: 'latest' });
        const events = eventsOf(consumer);
        await consumer.assign([at('t')]);
        consumer.seekToBeginning();
        await drain(consumer, 4);
        await world.admin.deleteTopic('t');
        await world.topic('t');
        await world.produce('t', ['new', 'newer']);
        equal(valuesOf(await drain(consumer, 2)), ['new', 'newer'], 'records');
        equal(gapsOf(events), [{ ...at('t'), from: 4, to: 0, cause: 'recreated' }], 'gaps');
        await consumer.close();
        await world.admin.deleteTopic('t');
      }
    },
    { autoCreateTopics: false },
  ),
];
