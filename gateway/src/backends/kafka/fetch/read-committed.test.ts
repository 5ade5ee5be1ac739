import { randomInt, randomUUID } from 'node:crypto';
import { Consumer, type IsolationLevel } from 'distributedlog/node';
import { expect, it, onTestFinished } from 'vitest';
import { openGateway } from '../../../test-support.ts';
import { kafkaLog } from '../index.ts';
import { brokers, describeWithKafka, unique } from '../test-kafka.ts';
import { openProducer } from './test-fetch.ts';

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array());

async function setUp() {
  const log = await kafkaLog({ brokers });
  const { gateway } = await openGateway({ log });
  const { name } = await log.createTopic({ name: unique('tx'), partitions: 1 });
  const read = async (isolationLevel: IsolationLevel, bytes: number, last: string): Promise<string[]> => {
    const consumer = new Consumer({
      bootstrapServers: gateway.url,
      isolationLevel,
      autoOffsetReset: 'earliest',
      maxPartitionFetchBytes: bytes,
      maxPollRecords: 7,
    });
    onTestFinished(() => consumer.close());
    await consumer.assign([{ topic: name, partition: 0 }]);
    const values: string[] = [];
    while (values.at(-1) !== last)
      for (const { value } of await consumer.poll({ timeoutMs: 5_000 })) values.push(text(value));
    await consumer.close();
    return values;
  };
  return { log, name, read };
}

describeWithKafka('read_committed', () => {
  it('delivers what was committed and nothing that was aborted, however the fetches cut it', async () => {
    const { name, read } = await setUp();
    const producers = await Promise.all([1, 2, 3].map(() => openProducer({ transactionalId: `test.${randomUUID()}` })));
    const plain = await openProducer();
    const written = new Map<number, { value: string; committed: boolean }>();
    let number = 0;
    /** Some records of a producer's transaction, each in a batch of its own or together. */
    const send = async (to: { send: typeof plain.send }, committed: boolean): Promise<void> => {
      const values = Array.from({ length: randomInt(1, 5) }, () => `${number++}${'.'.repeat(randomInt(0, 300))}`);
      const { offsets } = await to.send({ messages: values.map((value) => ({ topic: name, value, partition: 0 })) });
      const first = Number(offsets?.[0]?.offset);
      values.forEach((value, i) => {
        written.set(first + i, { value, committed });
      });
    };
    // Each producer goes from one transaction to the next, most of them aborted, all of them at once.
    await Promise.all([
      ...producers.map(async (producer) => {
        for (let i = 0; i < 12; i++) {
          const committed = randomInt(3) === 0;
          const transaction = await producer.beginTransaction();
          for (let j = randomInt(1, 4); j > 0; j--) await send(transaction, committed);
          await (committed ? transaction.commit() : transaction.abort());
        }
      }),
      (async () => {
        for (let i = 0; i < 15; i++) await send(plain, true);
      })(),
    ]);
    await plain.send({ messages: [{ topic: name, value: 'end', partition: 0 }] });
    const inOrder = [...written].sort(([a], [b]) => a - b).map(([, one]) => one);
    const committed = [...inOrder.filter((one) => one.committed).map(({ value }) => value), 'end'];
    for (const bytes of [1, 700, 5_000, 1_000_000])
      expect(await read('read_committed', bytes, 'end')).toEqual(committed);
    const all = [...inOrder.map(({ value }) => value), 'end'];
    expect(await read('read_uncommitted', 700, 'end')).toEqual(all);
  });

  it('waits for what is not decided, and is not behind because of it', async () => {
    const { log, name } = await setUp();
    const [topic] = await log.topics([name]);
    const ref = { topicId: topic?.topicId ?? '', partition: 0 };
    const producer = await openProducer({ transactionalId: `test.${randomUUID()}` });
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic: name, value: 'maybe', partition: 0 }] });
    const request = { ...ref, offset: 0, maxBytes: 1_000, minBytes: 1, maxWaitMs: 30_000, headroom: 0 };
    const uncommitted = await log.read({ ...request, isolation: 'read_uncommitted' });
    expect(uncommitted).toMatchObject({ nextOffset: 1, highWatermark: 1, lastStableOffset: 0 });
    const waiting = log.read({ ...request, isolation: 'read_committed' });
    expect(await log.read({ ...request, isolation: 'read_committed', maxWaitMs: 300 })).toMatchObject({
      batchBytes: 0,
      nextOffset: 0,
      lastStableOffset: 0,
    });
    await transaction.abort();
    const decided = await waiting;
    expect(decided).toMatchObject({ highWatermark: 2, lastStableOffset: 2, aborted: [{ firstOffset: 0 }] });
    expect(decided.nextOffset).toBeGreaterThan(0);
  });
});
