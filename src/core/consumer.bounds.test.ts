// Memory, damage, loss and fencing: what the consumer holds, and what it does when things go wrong.
import { describe, expect, it } from 'vitest';
import { compressBatch, encodeBatch, LogError } from '../protocol/index.ts';
import type { MemoryLog, ReadResult } from '../server/index.ts';
import { createTestGateway, type TestGateway } from '../testing/index.ts';
import { consumerOf, eventsOf, T0, T1 } from './consumer.test-support.ts';

const KIB = 1024;

/** Batches of 16 records of 1 KiB. */
async function fill(gateway: TestGateway, partition: number, batches: number): Promise<void> {
  const value = new Uint8Array(KIB);
  for (let i = 0; i < batches; i++) {
    await gateway.produce(
      't',
      Array.from({ length: 16 }, () => ({ value, partition })),
    );
  }
}
const BATCH_BYTES = 17 * KIB;
/** Changes what one partition's reads return. */
function tamper(gateway: TestGateway, change: (result: ReadResult, count: number) => ReadResult): void {
  const { log } = gateway;
  const read = log.read.bind(log);
  let count = 0;
  log.read = async (request) => change(await read(request), ++count);
}

describe('memory', () => {
  it('stays within maxBufferedBytes and one batch, however slow the application is', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    for (const partition of [0, 1]) await fill(gateway, partition, 40);
    const bound = 128 * KIB;
    await using consumer = consumerOf(gateway, { maxBufferedBytes: bound, maxPollRecords: 10 });
    await consumer.subscribe('t');
    let most = 0;
    for (let seen = 0; seen < 2 * 40 * 16; ) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, consumer.metrics().bufferedBytes);
      seen += (await consumer.poll({ timeoutMs: 5_000 })).length;
    }
    expect(most).toBeLessThanOrEqual(bound + BATCH_BYTES);
    expect(most).toBeGreaterThan(bound / 2);
    expect(consumer.metrics().bufferedBytes).toBe(0);
  });
  it('that paused partitions hold does not starve the others', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    for (const partition of [0, 1]) await fill(gateway, partition, 20);
    await using consumer = consumerOf(gateway, { maxBufferedBytes: 20 * KIB });
    await consumer.assign([T0]);
    await expect.poll(() => consumer.metrics().bufferedBytes).toBeGreaterThan(16 * KIB);
    consumer.pause();
    await consumer.assign([T0, T1]);
    let seen = 0;
    while (seen < 20 * 16) {
      const records = await consumer.poll({ timeoutMs: 5_000 });
      if (records.length === 0) break;
      seen += records.length;
      expect(consumer.metrics().bufferedBytes).toBeLessThanOrEqual(20 * KIB + 2 * BATCH_BYTES);
    }
    expect(seen).toBe(20 * 16);
    consumer.resume();
    for (seen = 0; seen < 20 * 16; ) seen += (await consumer.poll({ timeoutMs: 5_000 })).length;
  });
  it('of what was dropped by a seek is given back', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await fill(gateway, 0, 20);
    await using consumer = consumerOf(gateway, { maxBufferedBytes: 64 * KIB });
    await consumer.assign([T0]);
    for (let i = 0; i < 50; i++) {
      consumer.seek(T0, i * 6);
      expect((await consumer.poll({ timeoutMs: 5_000, maxRecords: 1 }))[0]?.offset).toBe(i * 6);
    }
    expect(consumer.metrics().bufferedBytes).toBeLessThanOrEqual(64 * KIB + BATCH_BYTES);
  });
});

describe('compressed batches', () => {
  const gzipped = async (gateway: TestGateway, count: number) => {
    const [topic] = await gateway.log.topics(['t']);
    const value = new Uint8Array(KIB);
    const records = Array.from({ length: count }, () => ({ key: null, value, timestamp: 1_000 }));
    await gateway.log.append(
      { topicId: topic?.topicId ?? '', partition: 0 },
      await compressBatch(encodeBatch(records), 'gzip'),
    );
  };
  it('are delivered like others, one decompressed at a time', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    for (let i = 0; i < 10; i++) await gzipped(gateway, 100);
    await using consumer = consumerOf(gateway, { maxBufferedBytes: 16 * KIB, maxPollRecords: 30 });
    await consumer.subscribe('t');
    const offsets: number[] = [];
    while (offsets.length < 1_000) {
      offsets.push(...(await consumer.poll({ timeoutMs: 5_000 })).map(({ offset }) => offset));
      expect(consumer.metrics().bufferedBytes).toBeLessThanOrEqual(16 * KIB + 110 * KIB);
    }
    expect(offsets).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });
  it('that would be too large fail every read until a seek passes them', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    await gzipped(gateway, 17 * KIB);
    await gateway.produce('t', ['b']);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    expect(await consumer.poll({ timeoutMs: 5_000 })).toHaveLength(1);
    await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', offset: 1 });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', topic: 't', partition: 0 });
    consumer.seek(T0, 17 * KIB + 1);
    expect((await consumer.poll({ timeoutMs: 5_000 }))[0]?.offset).toBe(17 * KIB + 1);
  });
});

describe('damage', () => {
  const damage = (result: ReadResult): ReadResult => {
    const buffer = result.buffer.slice();
    const last = buffer.length - 1;
    buffer[last] = (buffer[last] ?? 0) ^ 1;
    return { ...result, buffer };
  };
  it('that is gone when fetched again is not noticed', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    tamper(gateway, (result, count) => (count === 1 && result.batchBytes > 0 ? damage(result) : result));
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    expect(await consumer.poll({ timeoutMs: 5_000 })).toHaveLength(2);
  });
  it('that stays is CORRUPT_MESSAGE on every poll, never delivered, never skipped silently', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    await gateway.produce('t', ['b']);
    tamper(gateway, (result) => (result.batchBytes > 0 ? damage(result) : result));
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const seen: number[] = [];
    let error: LogError | undefined;
    while (error === undefined) {
      await consumer.poll({ timeoutMs: 5_000 }).then(
        (records) => seen.push(...records.map(({ offset }) => offset)),
        (thrown: LogError) => {
          error = thrown;
        },
      );
    }
    expect(error).toMatchObject({ code: 'CORRUPT_MESSAGE', topic: 't', partition: 0, offset: seen.length });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' });
    expect(await consumer.position(T0)).toBe(seen.length);
  });
});

describe('a fetch that ends with an error', () => {
  it('fails the reader once all that came before it is delivered', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c']);
    const { log } = gateway;
    const read = log.read.bind(log);
    log.read = (request) => {
      if (request.offset < 3) return read(request);
      return Promise.reject(new LogError('TOPIC_AUTHORIZATION_FAILED', 'not any more'));
    };
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { offset } of consumer) {
        seen.push(offset);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED', topic: 't', partition: 0 });
    expect(seen).toEqual([0, 1, 2]);
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' });
    consumer.seek(T0, 1);
    expect(await consumer.poll()).toHaveLength(2);
  });
});

describe('retention', () => {
  it('that took records from under the position is a gap that says from where to where', async () => {
    await using gateway = await createTestGateway({
      topics: [{ name: 't', config: { 'retention.bytes': '40000' } }],
    });
    await using consumer = consumerOf(gateway);
    const events = eventsOf(consumer);
    await consumer.assign([T0]);
    await gateway.produce('t', ['a']);
    expect(await consumer.poll()).toHaveLength(1);
    gateway.refuseDials(true);
    gateway.dropConnections();
    await fill(gateway, 0, 10);
    (gateway.log as MemoryLog).retain();
    gateway.refuseDials(false);
    const [first] = await consumer.poll({ timeoutMs: 5_000 });
    expect(first?.offset).toBeGreaterThan(1);
    expect(events.filter(({ type }) => type === 'gap')).toEqual([
      { type: 'gap', ...T0, from: 1, to: first?.offset, cause: 'retention' },
    ]);
  });
});

describe('maxPollIntervalMs', () => {
  it('a member that works too long is out; the next poll calls onPartitionsLost and rejoins', async () => {
    await using gateway = await createTestGateway({
      topics: [{ name: 't' }],
      limits: { heartbeatIntervalMs: 10, heartbeatTimeoutMs: 1_000 },
    });
    await gateway.produce('t', ['a']);
    await using consumer = consumerOf(gateway, { groupId: 'g', maxPollIntervalMs: 30, autoCommit: false });
    const calls: string[] = [];
    await consumer.subscribe('t', {
      listener: {
        onPartitionsAssigned: () => void calls.push('assigned'),
        onPartitionsLost: () => void calls.push('lost'),
      },
    });
    expect(await consumer.poll()).toHaveLength(1);
    await expect.poll(() => consumer.groupMetadata()).toBeNull();
    expect(calls).toEqual(['assigned']);
    expect(await consumer.poll({ timeoutMs: 5_000 })).toHaveLength(1);
    expect(calls).toEqual(['assigned', 'lost', 'assigned']);
  });
});
