// Records and commits on a real Kafka, between us and what nobody here wrote: Kafka's command-line tools, its Java clients and kcat.
// Everything passes through a real gateway process.
import { Client } from 'distributedlog';
import { decompressors } from 'distributedlog/codecs';
import {
  byPlace,
  bytesOf,
  expect,
  readByUs,
  send,
  type Told,
  type ToWrite,
  test,
  whyNoKafka,
} from './support/kafka.ts';

test.skip(whyNoKafka !== undefined, whyNoKafka ?? '');
// Every tool starts a Java VM.
test.slow();

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const MEBIBYTE = 1024 * 1024;

/** The same bytes for the same seed; any byte may come. */
function noise(length: number, seed: number): string {
  const bytes = Buffer.alloc(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes.toString('latin1');
}

/** Everything a record can be that a careless reader gets wrong. */
const AWKWARD: readonly ToWrite[] = [
  { key: 'key', value: 'value' },
  { key: null, value: 'no key' },
  { key: 'tombstone', value: null },
  { key: null, value: null },
  { key: '', value: '' },
  { key: '\u0000\u00ff\n\t', value: noise(1_000, 1) },
  { key: noise(300, 2), value: '\n\n\t\r\u0000' },
  {
    value: 'headers',
    headers: [
      ['a', '1'],
      ['b', null],
      ['a', '2'],
      ['a', '1'],
      ['empty', ''],
      ['', 'no name'],
      ['bytes', noise(200, 3)],
    ],
  },
  { value: 'earlier', timestamp: Date.now() - 60_000 },
  { key: 'repetitive', value: 'abc'.repeat(20_000) },
];

/** What `ToWrite` becomes, where Java said it went. */
function expected(records: readonly ToWrite[], places: readonly unknown[]): Told[] {
  return records
    .map(({ key = null, value, headers = [] }, index): Told => {
      const { partition, offset, timestamp } = places[index] as Told;
      return { partition, offset, timestamp, timestampType: 'create', key, value, headers };
    })
    .sort(byPlace);
}

for (const codec of CODECS) {
  test(`what Kafka's Java producer writes arrives byte for byte: ${codec}`, async ({
    kafka,
    gateway,
    client,
    createTopic,
  }) => {
    const topic = await createTopic(`java-${codec}`, { partitions: 3 });
    const large = [noise(MEBIBYTE, 7), 'x'.repeat(MEBIBYTE), noise(3 * MEBIBYTE, 8)];
    const records: ToWrite[] = [
      ...Array.from({ length: 300 }, (_, i) => ({ ...AWKWARD[i % AWKWARD.length], partition: i % 3 }) as ToWrite),
      ...large.map((value, i) => ({ key: `large-${i}`, value, partition: i % 3 })),
      { key: 'last', value: 'last', partition: 0 },
    ];
    const places = await kafka.java([
      {
        do: 'open',
        producer: 'p',
        config: { 'compression.type': codec, 'linger.ms': 20, 'max.request.size': 10 * MEBIBYTE },
      },
      ...records.map((record) => send('p', topic, record)),
    ]);
    const all = expected(records, places);
    // Decompressed by the gateway, but gzip, and by a client that has all the codecs.
    expect(await readByUs(client, topic)).toEqual(all);
    const able = new Client({ bootstrapServers: gateway.url, decompressors });
    try {
      expect(await readByUs(able, topic)).toEqual(all);
    } finally {
      await able.close();
    }
  });
}

test('what the console producer and kcat write arrives byte for byte', async ({ kafka, client, createTopic }) => {
  const topic = await createTopic('tools');
  const lines = ['a:1,b:two\tkey\tvalue', 'NULL\tNULL\tvalue', 'a:NULL\tkey\tNULL', 'NULL\t\t', 'NULL\tschlüssel\t値'];
  const properties = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL'].flatMap((line) => [
    '--property',
    line,
  ]);
  const input = `${lines.join('\n')}\n`;
  await kafka.tool('ConsoleProducer', ['--topic', topic, '--compression-codec', 'lz4', '--sync', ...properties], input);
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  const fields = ({ key, value, headers }: Told): Pick<Told, 'key' | 'value' | 'headers'> => ({ key, value, headers });
  const byConsole = [
    {
      key: 'key',
      value: 'value',
      headers: [
        ['a', '1'],
        ['b', 'two'],
      ],
    },
    { key: null, value: 'value', headers: [] },
    { key: 'key', value: null, headers: [['a', null]] },
    { key: '', value: '', headers: [] },
    { key: utf8('schlüssel'), value: utf8('値'), headers: [] },
  ];
  expect((await readByUs(client, topic)).map(fields)).toEqual(byConsole);

  const binary = noise(MEBIBYTE, 4);
  const files: [args: string[], value: string | null][] = [
    ...CODECS.map((codec): [string[], string] => [['-z', codec], `${codec}${noise(5_000, 5)}`]),
    [['-X', 'message.max.bytes=4000000'], binary],
    [['-Z', '-K', '\t'], null],
  ];
  for (const [args, value] of files) {
    const common = ['-P', '-t', topic, '-H', 'h=1', '-H', 'h=2'];
    if (value === null) kafka.kcat([...common, ...args], Buffer.from('gone\t\n'));
    else kafka.kcat([...common, ...args, '-k', 'kcat', '-D', '\u0001\u0002end'], bytesOf(value) ?? undefined);
  }
  const byKcat = files.map(([, value]) => ({
    key: value === null ? 'gone' : 'kcat',
    value,
    headers: [
      ['h', '1'],
      ['h', '2'],
    ],
  }));
  expect((await readByUs(client, topic)).map(fields)).toEqual([...byConsole, ...byKcat]);
});

test('aborted transactions are not read: several of one producer, of two that interleave, and one that is open', async ({
  kafka,
  client,
  createTopic,
}) => {
  const topic = await createTopic('transactions', { partitions: 2 });
  const steps = [];
  for (const name of ['a', 'b']) {
    const config = { 'transactional.id': `${topic}-${name}`, 'compression.type': name === 'a' ? 'none' : 'lz4' };
    steps.push({ do: 'open', producer: name, config });
  }
  steps.push({ do: 'open', producer: 'plain', config: {} });
  const committed: ToWrite[] = [];
  for (let round = 0; round < 30; round++) {
    for (const producer of ['a', 'b']) {
      steps.push({ do: 'begin', producer });
      for (let i = 0; i < 5; i++) {
        const fate = round % 3 === 0 ? 'committed' : 'aborted';
        const record = { key: producer, value: `${fate} ${round} ${i}`, partition: i % 2 };
        steps.push(send(producer, topic, record));
        if (fate === 'committed') committed.push(record);
        // In its own batch, so that one transaction is many.
        steps.push({ do: 'flush', producer });
      }
      const plain = { value: `plain ${round}`, partition: round % 2 };
      steps.push(send('plain', topic, plain), { do: 'flush', producer: 'plain' });
      committed.push(plain);
    }
    // They end in another order than they began.
    for (const producer of ['b', 'a']) steps.push({ do: round % 3 === 0 ? 'commit' : 'abort', producer });
  }
  await kafka.java(steps);
  const values = (records: readonly Pick<Told, 'value'>[]): (string | null)[] =>
    records.map(({ value }) => value).sort();
  const seen = await readByUs(client, topic);
  expect(values(seen)).toEqual(values(committed));
  expect(seen).toEqual(await kafka.readByJava(topic, 'read_committed'));
  // Batch by batch: what a transaction wrote, and how it ended, come far apart.
  expect(await readByUs(client, topic, 'read_committed', 1)).toEqual(seen);
  const everything = await readByUs(client, topic, 'read_uncommitted');
  expect(everything).toEqual(await kafka.readByJava(topic, 'read_uncommitted'));
  expect(everything.length).toBe(30 * 12);

  // One stays open, with records behind it: they wait for it.
  await kafka.java([
    {
      do: 'open',
      producer: 'open',
      config: { 'transactional.id': `${topic}-open`, 'transaction.timeout.ms': 600_000 },
    },
    { do: 'begin', producer: 'open' },
    send('open', topic, { value: 'open', partition: 0 }),
    { do: 'flush', producer: 'open' },
    { do: 'open', producer: 'plain', config: {} },
    send('plain', topic, { value: 'behind', partition: 0 }),
  ]);
  const consumer = client.consumer({ isolationLevel: 'read_committed' });
  const [end] = await consumer.endOffsets([{ topic, partition: 0 }]);
  await consumer.assign([{ topic, partition: 0 }]);
  await consumer.seek({ topic, partition: 0 }, end?.offset ?? -1);
  expect(await consumer.poll({ timeoutMs: 1_000 })).toEqual([]);
  // Whoever takes the producer's name next ends what it left open.
  await kafka.java([{ do: 'open', producer: 'open', config: { 'transactional.id': `${topic}-open` } }]);
  await expect(async () => {
    expect((await consumer.poll({ timeoutMs: 5_000 })).map(({ value }) => Buffer.from(value ?? '').toString())).toEqual(
      ['behind'],
    );
  }).toPass();
  await consumer.close();
  expect(await readByUs(client, topic)).toEqual(await kafka.readByJava(topic, 'read_committed'));
});

test('a topic with log-append time tells the time of the broker', async ({ kafka, client, createTopic }) => {
  const topic = await createTopic('append-time', { config: { 'message.timestamp.type': 'LogAppendTime' } });
  const old = Date.now() - 3_600_000;
  const began = Date.now();
  for (const codec of CODECS) {
    await kafka.java([
      { do: 'open', producer: 'p', config: { 'compression.type': codec, 'linger.ms': 20 } },
      ...Array.from({ length: 20 }, (_, i) => send('p', topic, { key: codec, value: `${i}`, timestamp: old + i })),
    ]);
  }
  const records = await readByUs(client, topic);
  expect(records).toHaveLength(20 * CODECS.length);
  expect(records).toEqual(await kafka.readByJava(topic, 'read_committed'));
  for (const { timestamp, timestampType } of records) {
    expect(timestampType).toBe('append');
    expect(timestamp).toBeGreaterThanOrEqual(began);
  }
});

test('a compacted topic is read through its holes to its end', async ({ kafka, client, createTopic }) => {
  const topic = await createTopic('compacted', {
    config: {
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': '0.001',
      'segment.ms': '100',
      'delete.retention.ms': '0',
    },
  });
  const write = (from: number): Promise<unknown[]> =>
    kafka.java([
      { do: 'open', producer: 'p', config: { 'compression.type': 'snappy', 'batch.size': 2_000, 'linger.ms': 5 } },
      ...Array.from({ length: 2_000 }, (_, i) => {
        const key = `key-${(i * 7) % 50}`;
        return send('p', topic, { key, value: i % 11 === 0 ? null : `${key} ${from + i} ${noise(50, i)}` });
      }),
    ]);
  // The last segment is never compacted: what comes after makes it one of many.
  for (let round = 0; round < 3; round++) await write(round * 2_000);
  await expect(async () => {
    await kafka.java([{ do: 'open', producer: 'p', config: {} }, send('p', topic, { key: 'again', value: 'again' })]);
    expect(kafka.readByKcat(topic).length).toBeLessThan(3_000);
  }).toPass({ timeout: 60_000 });
  // It goes on being compacted: what both read alike was so in between.
  await expect(async () => {
    const before = await kafka.readByJava(topic, 'read_committed');
    const records = await readByUs(client, topic);
    const after = await kafka.readByJava(topic, 'read_committed');
    expect(after).toEqual(before);
    expect(records).toEqual(after);
  }).toPass({ timeout: 60_000 });
  const consumer = client.consumer({});
  const [end] = await consumer.endOffsets([{ topic, partition: 0 }]);
  expect(end?.offset).toBeGreaterThanOrEqual(6_001);
  await consumer.close();
});

for (const compression of ['none', 'gzip'] as const) {
  test(`what we write is read byte for byte by Kafka's Java consumer, the console consumer and kcat: ${compression}`, async ({
    kafka,
    client,
    createTopic,
  }) => {
    const topic = await createTopic(`ours-${compression}`, { partitions: 2 });
    const producer = client.producer({ compression });
    const records: ToWrite[] = [
      ...Array.from({ length: 200 }, (_, i) => ({ ...AWKWARD[i % AWKWARD.length], partition: i % 2 }) as ToWrite),
      { key: 'large', value: noise(MEBIBYTE, 9), partition: 1 },
    ];
    const places = await Promise.all(
      records.map(({ key = null, value, headers = [], ...rest }) =>
        producer.send({
          topic,
          ...rest,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: headers.map(([name, bytes]) => ({ key: name, value: bytesOf(bytes) })),
        }),
      ),
    );
    await producer.close();
    const all = expected(records, places);
    expect(await kafka.readByJava(topic, 'read_committed')).toEqual(all);
    expect(kafka.readByKcat(topic)).toEqual(all.map(({ headers: _, timestampType: __, ...rest }) => rest));
    expect(await readByUs(client, topic)).toEqual(all);

    const text = await createTopic(`ours-text-${compression}`);
    const writer = client.producer({ compression });
    const header = { key: 'h', value: bytesOf('1') };
    await Promise.all([
      writer.send({ topic: text, key: 'schlüssel', value: '値', headers: [header, { ...header, value: null }] }),
      writer.send({ topic: text, key: null, value: 'no key' }),
      writer.send({ topic: text, key: 'tombstone', value: null }),
    ]);
    await writer.close();
    const printed = ['print.key', 'print.headers', 'print.offset', 'print.partition'];
    const output = await kafka.tool('consumer.ConsoleConsumer', [
      ...['--topic', text, '--from-beginning', '--max-messages', '3'],
      ...printed.flatMap((name) => ['--property', `${name}=true`]),
    ]);
    expect(Buffer.from(output, 'latin1').toString()).toBe(
      [
        'Partition:0\tOffset:0\th:1,h:null\tschlüssel\t値\n',
        'Partition:0\tOffset:1\tNO_HEADERS\tnull\tno key\n',
        'Partition:0\tOffset:2\tNO_HEADERS\ttombstone\tnull\n',
      ].join(''),
    );
  });
}

test('keyed records land in the partition that Java picks', async ({ kafka, client, createTopic }) => {
  const partitions = 12;
  const topic = await createTopic('keys', { partitions });
  const keys = Array.from({ length: 500 }, (_, i) => (i < 20 ? 'k'.repeat(i) : noise(i % 37, i)));
  const producer = client.producer();
  const ours = await Promise.all(keys.map((key) => producer.send({ topic, key: bytesOf(key), value: 'ours' })));
  await producer.close();
  const places = await kafka.java([
    { do: 'open', producer: 'p', config: {} },
    ...keys.map((key) => send('p', topic, { key, value: 'java' })),
  ]);
  expect(ours.map(({ partition }) => partition)).toEqual(places.map((place) => (place as Told).partition));
  expect(new Set(ours.map(({ partition }) => partition)).size).toBe(partitions);
});
