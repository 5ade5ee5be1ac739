import { Admin, Consumer, type ConsumerEvent, type ConsumerRecord, Producer } from 'distributedlog/node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openGateway } from '../../test-support.ts';
import { kafkaLog } from './index.ts';
import { brokers, describeWithKafka, unique } from './test-kafka.ts';

const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes));

async function setUp(partitions = 1) {
  const topic = unique('end');
  const { gateway } = await openGateway({ log: await kafkaLog({ brokers }) });
  const client = { bootstrapServers: gateway.url };
  const admin = new Admin(client);
  await admin.createTopic({ name: topic, partitions });
  const producer = new Producer({ ...client, lingerMs: 0 });
  const consumer = new Consumer({ ...client, autoOffsetReset: 'earliest' });
  onTestFinished(async () => {
    await consumer.close();
    await producer.close({ timeoutMs: 0 }).catch(() => undefined);
    await admin.deleteTopic(topic).catch(() => undefined);
    await admin.close();
  });
  return { topic, admin, producer, consumer };
}
async function take(consumer: Consumer, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = [];
  while (records.length < count) records.push(...(await consumer.poll({ timeoutMs: 5_000 })));
  return records;
}

describeWithKafka('a client of a gateway in front of a Kafka cluster', () => {
  it('reads what it wrote, in order, keys and headers and nulls included', async () => {
    const { topic, producer, consumer } = await setUp();
    await consumer.assign([{ topic, partition: 0 }]);
    const sent = Array.from({ length: 1_000 }, (_, i) =>
      producer.send({
        topic,
        key: `k${i}`,
        value: i % 10 === 0 ? null : `v${i}`,
        headers: [
          { key: 'h', value: new Uint8Array([i & 255]) },
          { key: 'h', value: null },
        ],
      }),
    );
    const offsets = (await Promise.all(sent)).map(({ offset }) => offset);
    expect(offsets).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    const records = await take(consumer, 1_000);
    expect(records.map(({ key, value }) => [text(key), text(value)])).toEqual(
      Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i % 10 === 0 ? null : `v${i}`]),
    );
    expect(records[300]?.headers).toEqual([
      { key: 'h', value: new Uint8Array([300 & 255]) },
      { key: 'h', value: null },
    ]);
  });

  it('hears of a topic that was made anew under its name: what it read is gone, and it goes on with the new one', async () => {
    const { topic, admin, producer, consumer } = await setUp();
    const gaps: ConsumerEvent[] = [];
    consumer.events$.subscribe((event) => {
      if (event.type === 'gap') gaps.push(event);
    });
    await consumer.assign([{ topic, partition: 0 }]);
    for (const value of ['a', 'b', 'c']) await producer.send({ topic, value });
    expect((await take(consumer, 3)).map(({ value }) => text(value))).toEqual(['a', 'b', 'c']);
    await admin.deleteTopic(topic);
    await admin.createTopic({ name: topic });
    await producer.send({ topic, value: 'new' });
    const [record] = await take(consumer, 1);
    expect([record?.offset, text(record?.value ?? null)]).toEqual([0, 'new']);
    await vi.waitFor(() => expect(gaps).toEqual([expect.objectContaining({ type: 'gap', cause: 'recreated' })]));
  });
});
