// Polling, iterating and streaming, sentence by sentence, against the in-memory gateway.
import { firstValueFrom, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createTestGateway, type TestGateway } from '../testing/index.ts';
import { textConsumerOf as consumerOf, numbered, T0, T1, values } from './consumer.test-support.ts';
import { acknowledge, Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import { json } from './deserializers.ts';

async function pollAll<K, V>(consumer: Consumer<K, V>, count: number) {
  const records = [];
  while (records.length < count) {
    const some = await consumer.poll({ timeoutMs: 5_000 });
    if (some.length === 0) throw new Error(`only ${records.length} of ${count} records came`);
    records.push(...some);
  }
  return records;
}

describe('poll', () => {
  it('without subscription or assignment is ILLEGAL_STATE', async () => {
    await using gateway = await createTestGateway();
    await using consumer = consumerOf(gateway);
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
  });
  it('two at once are ILLEGAL_STATE, and the first goes on', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const first = consumer.poll({ timeoutMs: 5_000 });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
    await gateway.produce('t', ['a']);
    expect(values(await first)).toEqual(['a']);
  });
  it('returns at most maxPollRecords, and the rest next time without another fetch', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(25));
    await using consumer = consumerOf(gateway, { maxPollRecords: 10 });
    await consumer.subscribe('t');
    expect(values(await consumer.poll())).toEqual(numbered(10));
    gateway.refuseDials(true);
    gateway.dropConnections();
    expect(values(await consumer.poll())).toEqual(numbered(10, 10));
    expect(values(await consumer.poll({ maxRecords: 3 }))).toEqual(numbered(3, 20));
    expect(values(await consumer.poll())).toEqual(numbered(2, 23));
  });
  it('gives each partition its turn', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce('t', [
      ...numbered(500).map((value) => ({ value, partition: 0 })),
      { value: 'quiet', partition: 1 },
    ]);
    await using consumer = consumerOf(gateway, { maxPollRecords: 100 });
    await consumer.subscribe('t');
    await expect.poll(() => consumer.metrics().bytesConsumed).toBeGreaterThan(3_000);
    await expect.poll(() => consumer.currentLag(T1)).not.toBeNull();
    const seen = [...(await consumer.poll()), ...(await consumer.poll())];
    expect(values(seen)).toContain('quiet');
    expect(values(seen.filter(({ partition }) => partition === 0))).toEqual(numbered(seen.length - 1));
  });
  it('waits while reconnecting and then returns []', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    gateway.refuseDials(true);
    gateway.dropConnections();
    expect(await consumer.poll({ timeoutMs: 30 })).toEqual([]);
    const waiting = consumer.poll({ timeoutMs: 5_000 });
    await gateway.produce('t', ['after']);
    gateway.refuseDials(false);
    expect(values(await waiting)).toEqual(['after']);
  });
  it('goes on after a reconnect with every offset exactly once', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway, { maxPollRecords: 7 });
    await consumer.subscribe('t');
    const offsets: number[] = [];
    for (let i = 0; i < 20; i++) {
      await gateway.produce('t', numbered(10, i * 10));
      if (i % 3 === 0) gateway.dropConnections();
      offsets.push(...(await consumer.poll({ timeoutMs: 5_000 })).map(({ offset }) => offset));
    }
    while (offsets.length < 200)
      offsets.push(...(await consumer.poll({ timeoutMs: 5_000 })).map(({ offset }) => offset));
    expect(offsets).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });
  it('an abort rejects with ABORTED and loses no record', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const abort = new AbortController();
    const waiting = consumer.poll({ timeoutMs: 5_000, signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    await gateway.produce('t', ['a']);
    await expect(consumer.poll({ signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(values(await consumer.poll())).toEqual(['a']);
  });
  it('keeps null and empty apart, and headers in their order', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const headers = [
      { key: 'h', value: null },
      { key: 'h', value: new Uint8Array([1]) },
    ];
    await gateway.produce('t', [
      { value: null, key: '' },
      { value: '', headers },
    ]);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const [first, second] = await consumer.poll();
    expect(first).toMatchObject({ key: '', value: null });
    expect(second).toMatchObject({ key: null, value: '', headers });
  });
  it('names a wrong argument', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    await expect(consumer.poll({ maxRecords: 0 })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('maxRecords must be an integer of at least 1, got 0'),
    });
    await expect(consumer.poll({ timeoutMs: -1 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('poison records', () => {
  const strict = (gateway: TestGateway, onPoisonRecord: ConsumerConfig['onPoisonRecord']) =>
    new Consumer({ transport: gateway.transport, autoOffsetReset: 'earliest', value: json(), onPoisonRecord });

  it("'throw' returns the records before it first, then fails every poll until a seek past it", async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['1', '2', 'not json', '4']);
    await using consumer = strict(gateway, 'throw');
    await consumer.subscribe('t');
    expect((await consumer.poll()).map(({ value }) => value)).toEqual([1, 2]);
    const poison = { code: 'DESERIALIZATION_FAILED', topic: 't', partition: 0, offset: 2 };
    await expect(consumer.poll()).rejects.toMatchObject(poison);
    await expect(consumer.poll()).rejects.toMatchObject({
      record: { offset: 2, value: new TextEncoder().encode('not json') },
    });
    expect(await consumer.position(T0)).toBe(2);
    consumer.seek(T0, 3);
    expect((await consumer.poll()).map(({ value }) => value)).toEqual([4]);
  });
  it("'skip' moves on and emits poison", async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['1', 'not json', '3']);
    await using consumer = strict(gateway, 'skip');
    const events: ConsumerEvent[] = [];
    consumer.events$.subscribe((event) => events.push(event));
    await consumer.subscribe('t');
    expect((await pollAll(consumer, 2)).map(({ value }) => value)).toEqual([1, 3]);
    expect(events.filter(({ type }) => type === 'poison')).toMatchObject([{ record: { offset: 1, field: 'value' } }]);
  });
  it('a handler is awaited before the records behind it are delivered', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['1', 'not json', '3']);
    const calls: string[] = [];
    let finish: () => void = () => undefined;
    await using consumer = strict(gateway, async (poison) => {
      calls.push(`poison ${poison.offset}`);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    await consumer.subscribe('t');
    expect((await consumer.poll()).map(({ value }) => value)).toEqual([1]);
    expect(await consumer.poll({ timeoutMs: 20 })).toEqual([]);
    expect(calls).toEqual(['poison 1']);
    finish();
    expect((await consumer.poll()).map(({ value }) => value)).toEqual([3]);
  });
});

describe('the async iterator', () => {
  it('leaves the record in hand unprocessed and skips nothing for the next reader', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(6));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    const seen: (string | null)[] = [];
    for await (const record of consumer) {
      seen.push(record.value);
      if (record.offset === 2) break;
    }
    expect(seen).toEqual(['v0', 'v1', 'v2']);
    expect(await consumer.position(T0)).toBe(3);
    for await (const record of consumer) {
      seen.push(record.value);
      if (record.offset === 4) break;
    }
    expect(seen).toEqual(numbered(5));
    expect(values(await consumer.poll())).toEqual(['v5']);
  });
  it('locks the others out while it reads', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const iterator = consumer[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ value: 'a' });
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
    await iterator.return?.();
    expect(values(await consumer.poll())).toEqual(['b']);
  });
  it('a seek or a pause between two records counts at once', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    await gateway.produce('t', [
      ...numbered(5).map((value) => ({ value, partition: 0 })),
      ...numbered(5, 100).map((value) => ({ value, partition: 1 })),
    ]);
    await using consumer = consumerOf(gateway);
    await consumer.assign([T0]);
    const seen: (string | null)[] = [];
    let sought = false;
    for await (const record of consumer) {
      seen.push(record.value);
      if (record.offset === 1 && !sought) {
        sought = true;
        consumer.seek(T0, 0);
      } else if (record.offset === 4) break;
    }
    expect(seen).toEqual(['v0', 'v1', ...numbered(5)]);
  });
  it('ends when the consumer is closed, also while it waits', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const reading = (async () => {
      for await (const _ of consumer);
      return 'ended';
    })();
    await Promise.resolve();
    await consumer.close();
    expect(await reading).toBe('ended');
  });
});

describe('stream()', () => {
  it('is cold, and resubscribing continues at the position', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(5));
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const stream = consumer.stream();
    expect(values(await firstValueFrom(stream.pipe(take(2), toArray())))).toEqual(['v0', 'v1']);
    expect(values(await firstValueFrom(stream.pipe(take(3), toArray())))).toEqual(['v2', 'v3', 'v4']);
  });
  it('errors with ILLEGAL_STATE while another reads, and completes on close', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const completed = new Promise<string>((resolve) =>
      consumer.stream().subscribe({ complete: () => resolve('done') }),
    );
    await expect(firstValueFrom(consumer.stream())).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
    await consumer.close();
    expect(await completed).toBe('done');
  });
  it('with manualAck hands out at most maxInFlight unacknowledged records', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(10));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    const seen: number[] = [];
    const reading = consumer.stream({ manualAck: true, maxInFlight: 3 }).subscribe(({ offset }) => seen.push(offset));
    await expect.poll(() => seen.length).toBe(3);
    consumer.ack({ ...T0, offset: 1 });
    consumer.ack({ ...T0, offset: 1 });
    await expect.poll(() => seen.length).toBe(4);
    await consumer.commit();
    expect(await consumer.committed(T0)).toMatchObject({ offset: 0 });
    consumer.ack({ ...T0, offset: 0 });
    await consumer.commit();
    expect(await consumer.committed(T0)).toMatchObject({ offset: 2 });
    reading.unsubscribe();
    expect(await consumer.position(T0)).toBe(2);
    expect((await consumer.poll())[0]?.offset).toBe(2);
  });
  it('acknowledge() acknowledges what comes through', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(10));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    const stream = consumer
      .stream({ manualAck: true, maxInFlight: 2 })
      .pipe(acknowledge(consumer), take(10), toArray());
    expect(values(await firstValueFrom(stream))).toEqual(numbered(10));
  });
  it('batches() emits slices of at most maxPollRecords', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(25));
    await using consumer = consumerOf(gateway, { maxPollRecords: 10 });
    await consumer.subscribe('t');
    const batches = await firstValueFrom(consumer.batches().pipe(take(3), toArray()));
    expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5]);
  });
});

describe('forEach', () => {
  it('commits only what the work finished', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(5));
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    const failing = consumer.forEach(async ({ offset }) => {
      await Promise.resolve();
      if (offset === 3) throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await consumer.commit();
    expect(await consumer.committed(T0)).toMatchObject({ offset: 3 });
    const seen: number[] = [];
    const stop = new AbortController();
    const rest = consumer.forEach(
      ({ offset }) => {
        seen.push(offset);
        if (offset === 4) stop.abort();
      },
      { signal: stop.signal },
    );
    await expect(rest).rejects.toMatchObject({ code: 'ABORTED' });
    expect(seen).toEqual([3, 4]);
  });
  it('works on `concurrency` records at once, and resolves on close', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', numbered(20));
    const consumer = consumerOf(gateway, { groupId: 'g' });
    await consumer.subscribe('t');
    let atWork = 0;
    let most = 0;
    let done = 0;
    const all = consumer.forEach(
      async () => {
        most = Math.max(most, ++atWork);
        await new Promise((resolve) => setImmediate(resolve));
        atWork--;
        done++;
      },
      { concurrency: 4 },
    );
    await expect.poll(() => done).toBe(20);
    await consumer.close();
    await all;
    expect(most).toBe(4);
  });
});
