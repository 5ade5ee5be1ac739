import { describe, expect, it } from 'vitest';
import { LogError, partitionForKey, RecordReader, readBatchHeader } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createTestGateway, type TestGateway, type TestGatewayOptions } from '../testing/test-gateway.ts';
import { Producer } from './producer.ts';
import type { ProducerConfig, ProducerRecord } from './producer-config.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes));

async function setUp(config: ProducerConfig = {}, options: TestGatewayOptions = {}) {
  const gateway = await createTestGateway({ topics: [{ name: 'orders', partitions: 3 }, { name: 'one' }], ...options });
  const producer = new Producer({ transport: gateway.transport, lingerMs: 0, reconnectBackoffMs: 1, ...config });
  return {
    gateway,
    producer,
    [Symbol.asyncDispose]: () => producer.close({ timeoutMs: 0 }).catch(() => gateway.close()),
  };
}

/** All records of a partition, in order, and how many batches they came in. */
async function contents(gateway: TestGateway, name: string, partition = 0) {
  const [topic] = await gateway.log.topics([name]);
  const topicId = topic?.topicId ?? '';
  const request = {
    topicId,
    partition,
    isolation: 'read_uncommitted',
    minBytes: 0,
    maxWaitMs: 0,
    headroom: 0,
  } as const;
  const records = [];
  let batches = 0;
  const end = gateway.log.ends({ topicId, partition })?.highWatermark ?? 0;
  for (let offset = 0; offset < end; ) {
    const { buffer, batchBytes, nextOffset } = await gateway.log.read({ ...request, offset, maxBytes: 1_000_000 });
    for (let at = 0; at < batchBytes; ) {
      const header = readBatchHeader(buffer, at);
      if (header === undefined) break;
      batches++;
      const reader = new RecordReader(name, partition, buffer, at, header);
      for (let record = reader.next(0); record !== undefined; record = reader.next(record.offset + 1)) {
        records.push({ ...record, key: text(record.key), value: text(record.value) });
      }
      at += header.sizeInBytes;
    }
    offset = nextOffset;
  }
  return { records, batches, values: records.map(({ value }) => value) };
}

describe('Producer', () => {
  it('resolves with where the record is once it is durable', async () => {
    await using context = await setUp();
    const { gateway, producer } = context;
    expect(await producer.send({ topic: 'one', value: 'a', timestamp: 1_234 })).toEqual({
      topic: 'one',
      partition: 0,
      offset: 0,
      timestamp: 1_234,
    });
    const second = await producer.send({
      topic: 'one',
      value: null,
      key: utf8('k'),
      headers: [
        { key: 'h', value: utf8('1') },
        { key: 'h', value: null },
      ],
    });
    expect(second.offset).toBe(1);
    const { records } = await contents(gateway, 'one');
    expect(records[1]).toMatchObject({ key: 'k', value: null, headers: [{ key: 'h' }, { key: 'h', value: null }] });
  });
  it('puts records of a key where Kafka’s own producer would', async () => {
    await using context = await setUp();
    const { producer } = context;
    for (const key of ['a', 'order-17', '', 'ключ']) {
      const { partition } = await producer.send({ topic: 'orders', key, value: 'x' });
      expect(partition).toBe(partitionForKey(utf8(key), 3));
    }
  });
  it('lets partitions take turns, a batch each, for records without a key', async () => {
    await using context = await setUp({ lingerMs: 1 });
    const { gateway, producer } = context;
    const seen = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const sent = await Promise.all(['a', 'b', 'c'].map((value) => producer.send({ topic: 'orders', value })));
      expect(new Set(sent.map(({ partition }) => partition)).size).toBe(1);
      seen.add(sent[0]?.partition ?? -1);
    }
    expect(seen.size).toBe(3);
    expect((await contents(gateway, 'orders', 1)).batches).toBe(1);
  });
  it('keeps the order of send(), also while the topic is still being looked up', async () => {
    await using context = await setUp({ batchBytes: 200 });
    const { gateway, producer } = context;
    const values = Array.from({ length: 200 }, (_, i) => `${i}`);
    const sent = await Promise.all(values.map((value) => producer.send({ topic: 'one', value })));
    expect(sent.map(({ offset }) => offset)).toEqual(values.map((_, i) => i));
    expect((await contents(gateway, 'one')).values).toEqual(values);
  });
  it('writes nothing twice and keeps the order when connections drop again and again', async () => {
    await using context = await setUp({ batchBytes: 150 }, { latencyMs: 1 });
    const { gateway, producer } = context;
    const values = Array.from({ length: 300 }, (_, i) => `${i}`);
    const sent = [];
    for (const [i, value] of values.entries()) {
      sent.push(producer.send({ topic: 'one', value }));
      if (i % 30 === 29) {
        await Promise.race([sent.at(-20), sent.at(-1)]);
        gateway.dropConnections();
      }
    }
    const metadata = await Promise.all(sent);
    expect((await contents(gateway, 'one')).values).toEqual(values);
    expect(metadata.map(({ offset }) => offset)).toEqual(values.map((_, i) => i));
  });
  it('creates a topic that is missing, where the log allows it', async () => {
    await using context = await setUp();
    expect((await context.producer.send({ topic: 'new-one', value: 'x' })).offset).toBe(0);
  });
  it('fails when the topic stays unknown', async () => {
    const clock = new ManualClock();
    await using context = await setUp({ clock }, { autoCreateTopics: false });
    const sent = context.producer.send({ topic: 'missing', value: 'x' }).catch(LogError.from);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1_000);
    }
    expect(await sent).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'missing' });
  });
  it('goes on when the topic is deleted and created anew', async () => {
    await using context = await setUp();
    const { gateway, producer } = context;
    await producer.send({ topic: 'one', value: 'old' });
    await gateway.log.deleteTopic('one');
    await gateway.log.createTopic({ name: 'one' });
    expect((await producer.send({ topic: 'one', value: 'new' })).offset).toBe(0);
    expect((await contents(gateway, 'one')).values).toEqual(['new']);
  });
  it('refuses what cannot be a record, naming what is wrong and what is allowed', async () => {
    await using context = await setUp();
    const { producer } = context;
    const refused = async (record: object) => {
      const error = await producer.send(record as ProducerRecord).then(() => undefined, LogError.from);
      expect(error).toMatchObject({ code: expect.stringMatching(/^INVALID_(REQUEST|TOPIC_EXCEPTION)$/) });
      return error?.message;
    };
    expect(await refused({ topic: 'a b', value: '' })).toContain('a-z A-Z 0-9');
    expect(await refused({ topic: 'one' })).toMatch(/value must be a string, a Uint8Array or null, got undefined/);
    expect(await refused({ topic: 'one', value: { a: 1 } })).toMatch(/JSON\.stringify/);
    expect(await refused({ topic: 'one', value: '', key: 5 })).toMatch(/key must be/);
    expect(await refused({ topic: 'one', value: '', partition: 1.5 })).toMatch(/partition must be an integer/);
    expect(await refused({ topic: 'one', value: '', timestamp: -1 })).toMatch(/timestamp must be/);
    expect(await refused({ topic: 'one', value: '', headers: [{ key: 'a', value: 'b' }] })).toMatch(
      /headers\[0\]\.value/,
    );
    expect(await refused({ topic: 'one', value: '', header: [] })).toMatch(/did you mean "headers"/);
    expect(await refused({ topic: 'orders', value: '', partition: 3 })).toMatch(
      /no partition 3; it has 3, counted from 0/,
    );
  });
  it('refuses a record that fits into no frame or into no buffer', async () => {
    await using context = await setUp({ maxBufferedBytes: 2 ** 20 });
    const { producer } = context;
    const large = new Uint8Array(2 ** 21);
    await expect(producer.send({ topic: 'one', value: large })).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    await using roomy = await setUp();
    const most = new Uint8Array(2 ** 21 - 400);
    expect((await roomy.producer.send({ topic: 'one', value: most })).offset).toBe(0);
    await expect(roomy.producer.send({ topic: 'one', value: large })).rejects.toThrow(/largest frame/);
  });
  it('waits for space in the order of the calls', async () => {
    await using context = await setUp({ maxBufferedBytes: 1_024, batchBytes: 100 });
    const { gateway, producer } = context;
    const values = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(300, '.'));
    gateway.holdDelivery(true);
    const sent = values.map((value) => producer.send({ topic: 'one', value }));
    const late = producer.send({ topic: 'one', value: 'late' }, { timeoutMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'TIMED_OUT', message: expect.stringContaining('no space') });
    gateway.holdDelivery(false);
    await Promise.all(sent);
    expect((await contents(gateway, 'one')).values).toEqual(values);
  });
  it('copies key and value at the call', async () => {
    await using context = await setUp({ lingerMs: 20 });
    const value = utf8('before');
    const sent = context.producer.send({ topic: 'one', value });
    value.fill(0);
    await sent;
    expect((await contents(context.gateway, 'one')).values).toEqual(['before']);
  });
  it('gathers records while it lingers, and sends them at once on flush()', async () => {
    await using context = await setUp({ lingerMs: 60_000 });
    const { gateway, producer } = context;
    const sent = Promise.all(['a', 'b', 'c'].map((value) => producer.send({ topic: 'one', value })));
    await producer.flush();
    await sent;
    expect((await contents(gateway, 'one')).batches).toBe(1);
    await producer.flush();
  });
  it('flushes also what still waits for its topic or for space, and does not fail when they do', async () => {
    await using context = await setUp({ lingerMs: 60_000, maxBufferedBytes: 1_024 });
    const { producer } = context;
    const outcomes: (string | number)[] = [];
    for (let i = 0; i < 50; i++) {
      const partition = i % 2 === 0 ? 0 : 7;
      producer.send({ topic: 'one', value: 'x'.repeat(200), partition }).then(
        ({ offset }) => outcomes.push(offset),
        (error: unknown) => outcomes.push(LogError.from(error).code),
      );
    }
    await producer.flush();
    expect(outcomes).toHaveLength(50);
    expect(outcomes.filter((outcome) => outcome === 'INVALID_REQUEST')).toHaveLength(25);
  });
  it('stops waiting in flush() on a timeout or a signal', async () => {
    await using context = await setUp();
    const { gateway, producer } = context;
    gateway.holdDelivery(true);
    const sent = producer.send({ topic: 'one', value: 'x' });
    await expect(producer.flush({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    const stop = new AbortController();
    const flushed = producer.flush({ signal: stop.signal });
    stop.abort();
    await expect(flushed).rejects.toMatchObject({ code: 'ABORTED' });
    gateway.holdDelivery(false);
    await sent;
  });
  it('forgets a record whose signal fires before it was sent', async () => {
    await using context = await setUp({ lingerMs: 60_000 });
    const { gateway, producer } = context;
    const stop = new AbortController();
    const aborted = producer.send({ topic: 'one', value: 'a' }, { signal: stop.signal });
    const kept = producer.send({ topic: 'one', value: 'b' });
    stop.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(producer.send({ topic: 'one', value: 'c' }, { signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    await producer.flush();
    await kept;
    expect((await contents(gateway, 'one')).values).toEqual(['b']);
  });
  it('waits for a gateway that is not there, up to the delivery timeout', async () => {
    await using context = await setUp({ deliveryTimeoutMs: 30 });
    const { gateway, producer } = context;
    const seen = new Set<string>();
    producer.status$.subscribe(({ type }) => seen.add(type));
    gateway.refuseDials(true);
    await expect(producer.send({ topic: 'one', value: 'x' })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    expect([...seen]).toEqual(['connecting', 'reconnecting']);
    gateway.refuseDials(false);
    expect((await producer.send({ topic: 'one', value: 'y' }, { timeoutMs: 5_000 })).offset).toBe(0);
  });
  it('delivers what was sent before close(), refuses what comes after, and closes its connection', async () => {
    const { gateway, producer } = await setUp({ lingerMs: 60_000 });
    const sent = producer.send({ topic: 'one', value: 'x' });
    const closed = producer.close();
    expect(producer.close()).toBe(closed);
    await expect(producer.send({ topic: 'one', value: 'y' })).rejects.toMatchObject({ code: 'CLOSED' });
    await closed;
    expect((await sent).offset).toBe(0);
    expect(gateway.transport.sockets).toHaveLength(0);
  });
  it('fails what is not delivered within the timeout of close()', async () => {
    const { gateway, producer } = await setUp();
    gateway.refuseDials(true);
    const sent = producer.send({ topic: 'one', value: 'x' }).catch(LogError.from);
    await expect(producer.close({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    expect(await sent).toMatchObject({ code: 'CLOSED' });
  });
  it('compresses with gzip', async () => {
    await using context = await setUp({ compression: 'gzip', lingerMs: 5 });
    const { gateway, producer } = context;
    const sent = Array.from({ length: 50 }, () => producer.send({ topic: 'one', value: 'x'.repeat(1_000) }));
    expect((await Promise.all(sent)).map(({ offset }) => offset)).toEqual([...Array(50).keys()]);
    const [topic] = await gateway.log.topics(['one']);
    const read = { topicId: topic?.topicId ?? '', partition: 0, offset: 0, minBytes: 0, maxWaitMs: 0, headroom: 0 };
    const { batchBytes } = await gateway.log.read({ ...read, isolation: 'read_uncommitted', maxBytes: 1_000_000 });
    expect(batchBytes).toBeLessThan(5_000);
  });
  it('names every wrong key of its configuration', () => {
    expect(() => new Producer({ lingerMs: -1, batchBytes: 2 ** 22, ...{ batchByte: 5 } })).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(
          /^Producer: (?=.*lingerMs must be)(?=.*batchBytes must be).*"batchByte" \(did you mean "batchBytes"/,
        ),
      }),
    );
    expect(() => new Producer()).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
});
