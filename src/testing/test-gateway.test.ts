// The in-memory gateway under a real session.
import { describe, expect, it } from 'vitest';
import { Consumer } from '../core/consumer.ts';
import { text } from '../core/deserializers.ts';
import { Producer } from '../core/producer.ts';
import type { FetchSink, Session } from '../core/session.ts';
import { createSession } from '../core/session-impl.ts';
import { systemClock } from '../core/system-clock.ts';
import { type DataFrame, encodeBatch, type LogError } from '../protocol/index.ts';
import { createTestGateway, type TestGateway } from './test-gateway.ts';

function open(gateway: TestGateway): Session {
  return createSession({
    transport: gateway.transport,
    urls: ['ws://memory:9192/'],
    clientId: 'test',
    requestTimeoutMs: 5_000,
    reconnectBackoffMs: 1,
    reconnectBackoffMaxMs: 10,
    clock: systemClock,
    random: Math.random,
  });
}

class Sink implements FetchSink {
  readonly onFetchError = (): void => undefined;
  readonly onAssignment = (): void => undefined;
  readonly onFenced = (): void => undefined;
  readonly onThrottled = (): void => undefined;
  readonly onDown = (): void => undefined;
  readonly onHide = (): void => undefined;
  readonly busyMs = (): undefined => undefined;
  readonly onLive: () => void;
  readonly onData: (frame: DataFrame) => void;
  constructor(onLive: () => void, onData: (frame: DataFrame) => void) {
    this.onLive = onLive;
    this.onData = onData;
  }
}

describe('the test gateway', () => {
  it('serves what was produced, and goes on where the client was after a drop', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'orders', partitions: 2 }] });
    expect(await gateway.produce('orders', ['a', { value: 'b', partition: 1 }, 'c'])).toEqual([
      { partition: 0, offset: 0 },
      { partition: 1, offset: 0 },
      { partition: 0, offset: 1 },
    ]);
    const session = open(gateway);
    const [topic] = await session.topics.describe(['orders']);
    const topicId = topic?.topicId ?? '';
    let position = 0;
    let lives = 0;
    const nextOffsets: number[] = [];
    const reached = new Map<number, () => void>();
    const sink = new Sink(
      () => {
        lives++;
        channel.send({
          type: 'fetch',
          isolation: 'read_uncommitted',
          minBytes: 1,
          maxWaitMs: 100,
          maxPartitionBytes: 100_000,
          limit: 100_000,
          partitions: [{ topicId, partition: 0, epoch: lives, offset: position, limit: 100_000 }],
        });
      },
      (frame) => {
        position = frame.nextOffset;
        nextOffsets.push(position);
        reached.get(position)?.();
      },
    );
    const channel = session.attach(sink);
    const reach = (offset: number) =>
      position >= offset ? Promise.resolve() : new Promise<void>((resolve) => reached.set(offset, resolve));
    await reach(2);
    gateway.dropConnections();
    await gateway.produce('orders', ['d']);
    await reach(3);
    expect(lives).toBe(2);
    expect(session.reconnects).toBe(1);
    gateway.dropConnections(4503);
    await gateway.produce('orders', ['e', 'f']);
    await reach(5);
    expect(nextOffsets.at(-1)).toBe(5);
    await session.close();
    expect(gateway.transport.sockets).toEqual([]);
  });

  it('pushes topics to a client that watches, also those that appeared while it was away', async () => {
    await using gateway = await createTestGateway();
    const session = open(gateway);
    await session.topics.watch();
    expect(session.topics.names()).toEqual([]);
    const changed = () =>
      new Promise<void>((resolve) => {
        const stop = session.topics.onChange(() => {
          stop();
          resolve();
        });
      });
    const first = changed();
    await gateway.log.createTopic({ name: 'one' });
    await first;
    expect(session.topics.names()).toEqual(['one']);
    const second = changed();
    gateway.refuseDials(true);
    gateway.dropConnections();
    await gateway.log.createTopic({ name: 'two' });
    await gateway.log.deleteTopic('one');
    gateway.refuseDials(false);
    await second;
    expect(session.topics.names()).toEqual(['two']);
    expect(session.topics.byName('one')).toBeUndefined();
    await session.close();
  });

  it('refuses to create or name what is not allowed', async () => {
    await using gateway = await createTestGateway({ autoCreateTopics: false });
    const session = open(gateway);
    expect(await session.topics.describe(['absent'], { autoCreate: true })).toEqual([]);
    await expect(session.topics.describe(['not allowed'])).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' });
    await session.request({ type: 'createTopic', name: 'once' });
    await expect(session.request({ type: 'createTopic', name: 'once' })).rejects.toMatchObject({
      code: 'TOPIC_ALREADY_EXISTS',
    });
    await session.close();
  });

  it('breaks as often as a test likes: every request is answered in the end, and a batch is written once or refused', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'orders' }] });
    const session = open(gateway);
    const topicId = (await session.topics.describe(['orders']))[0]?.topicId ?? '';
    const utf8 = new TextEncoder();
    const acknowledged: number[] = [];
    let produced = 0;
    for (let round = 0; round < 30; round++) {
      const asked = Array.from({ length: 10 }, (_, i) =>
        i % 2 === 0
          ? session.request({ type: 'listGroups' })
          : session.request({ type: 'metadata', topics: ['orders'] }),
      );
      const batches = Array.from({ length: 5 }, () => {
        const batch = encodeBatch([{ key: null, value: utf8.encode(String(produced++)), timestamp: 1 }]);
        return session.produce(topicId, 0, batch).then(
          ({ baseOffset }) => acknowledged.push(baseOffset),
          (error: LogError) => expect(error.code).toBe('NETWORK_EXCEPTION'),
        );
      });
      // The drop comes at another point of the exchange in each round.
      for (let i = 0; i < round; i++) await Promise.resolve();
      gateway.dropConnections(round % 3 === 0 ? 4503 : undefined);
      await Promise.all([...asked, ...batches]);
    }
    expect(session.reconnects).toBeGreaterThanOrEqual(10);
    expect(acknowledged.length).toBeGreaterThan(0);
    const { highWatermark } = gateway.log.ends({ topicId, partition: 0 }) ?? { highWatermark: Number.NaN };
    // What was not acknowledged may have been written; nothing was written twice.
    expect(highWatermark).toBeGreaterThanOrEqual(acknowledged.length);
    expect(highWatermark).toBeLessThanOrEqual(produced);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    await session.close();
  });

  it('carries a producer and a consumer over a link that breaks: every record once, in the order of its partition', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'orders', partitions: 3 }] });
    const config = { transport: gateway.transport, reconnectBackoffMs: 1, reconnectBackoffMaxMs: 5 };
    await using producer = new Producer(config);
    await using consumer = new Consumer({ ...config, autoOffsetReset: 'earliest', value: text() });
    await consumer.subscribe('orders');
    const count = 1_000;
    const sending = (async () => {
      for (let n = 0; n < count; n++) {
        const sent = producer.send({ topic: 'orders', value: String(n), partition: n % 3 });
        if (n % 20 === 0) await sent;
        if (n % 97 === 0) gateway.dropConnections(n % 2 === 0 ? undefined : 4503);
      }
      await producer.flush();
    })();
    const seen: number[][] = [[], [], []];
    for (let left = count; left > 0; ) {
      const records = await consumer.poll();
      for (const { partition, value } of records) seen[partition]?.push(Number(value));
      left -= records.length;
    }
    await sending;
    for (const partition of [0, 1, 2]) {
      const expected = Array.from({ length: count }, (_, n) => n).filter((n) => n % 3 === partition);
      expect(seen[partition]).toEqual(expected);
    }
    expect(consumer.metrics().reconnects).toBeGreaterThan(3);
  });
});
