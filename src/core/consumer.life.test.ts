// A consumer's life: observation, sharing a connection, giving way, ending.
import { firstValueFrom, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createTestGateway, type TestGateway } from '../testing/index.ts';
import { Client } from './client.ts';
import { consumerOf, T0 } from './consumer.test-support.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import type { ConnectionStatus } from './session.ts';

const offsets = (records: readonly { readonly offset: number }[]) => records.map(({ offset }) => offset);

describe('observation', () => {
  it('status$ replays the latest, follows reconnects and ends with one closed', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    const consumer = consumerOf(gateway);
    const seen: ConnectionStatus['type'][] = [];
    consumer.status$.subscribe(({ type }) => seen.push(type));
    expect(seen).toEqual(['connecting']);
    await consumer.subscribe('t');
    expect((await firstValueFrom(consumer.status$)).type).toBe('live');
    gateway.dropConnections();
    await expect.poll(() => seen.at(-1)).toBe('live');
    await consumer.close();
    expect(seen.filter((type) => type === 'closed')).toHaveLength(1);
    expect((await firstValueFrom(consumer.status$)).type).toBe('closed');
    expect(seen).toContain('reconnecting');
  });
  it('assignment$ and lag$ tell the present at once, then what changes', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c']);
    await using consumer = consumerOf(gateway, { maxPollRecords: 2 });
    expect(await firstValueFrom(consumer.assignment$)).toEqual([]);
    await consumer.subscribe('t');
    expect(await firstValueFrom(consumer.assignment$)).toEqual([T0]);
    const lags = firstValueFrom(consumer.lag$.pipe(take(2), toArray()));
    await consumer.poll();
    expect(await lags).toEqual([[{ ...T0, lag: 3, endOffset: 3 }], [{ ...T0, lag: 1, endOffset: 3 }]]);
  });
});

describe('a shared connection', () => {
  it('carries several consumers, each with its own positions; one closing leaves the others', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    await using client = new Client({ transport: gateway.transport });
    const first = client.consumer({ autoOffsetReset: 'earliest' });
    const second = client.consumer({ autoOffsetReset: 'earliest', maxPollRecords: 1 });
    await Promise.all([first.subscribe('t'), second.subscribe('t')]);
    expect(gateway.transport.sockets).toHaveLength(1);
    expect(offsets(await first.poll())).toEqual([0, 1]);
    expect(offsets(await second.poll())).toEqual([0]);
    await first.close();
    await gateway.produce('t', ['c']);
    expect([...offsets(await second.poll()), ...offsets(await second.poll())]).toEqual([1, 2]);
    expect(gateway.transport.sockets).toHaveLength(1);
  });
});

describe('giving way', () => {
  it('a subscription that is replaced while it waits just ends', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }, { name: 'u' }] });
    gateway.refuseDials(true);
    await using consumer = consumerOf(gateway);
    const first = consumer.subscribe('t');
    const second = consumer.subscribe('u');
    await first;
    gateway.refuseDials(false);
    await second;
    expect(consumer.assignment()).toEqual([{ topic: 'u', partition: 0 }]);
  });
  it('close() while subscribe() waits rejects it with CLOSED', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    gateway.refuseDials(true);
    const consumer = consumerOf(gateway, { groupId: 'g' });
    const waiting = consumer.subscribe('t');
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), consumer.close()]);
  });
  it('unsubscribe does not commit, calls onPartitionsRevoked and leaves the group', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    await using consumer = consumerOf(gateway, { groupId: 'g' });
    const calls: string[] = [];
    await consumer.subscribe('t', { listener: { onPartitionsRevoked: () => void calls.push('revoked') } });
    await consumer.poll();
    await consumer.unsubscribe();
    expect(calls).toEqual(['revoked']);
    expect(await consumer.committed(T0)).toBeNull();
    expect(consumer.groupMetadata()).toBeNull();
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'ILLEGAL_STATE' });
    await consumer.subscribe('t');
    expect(offsets(await consumer.poll())).toEqual([0]);
  });
});

describe('what is committed', () => {
  const committedBy = async (gateway: TestGateway) => {
    const [topic] = await gateway.log.topics(['t']);
    const [at] = await gateway.log.groups.committed('g', [{ topicId: topic?.topicId ?? '', partition: 0 }]);
    return at?.offset ?? null;
  };
  it('for the iterator is what lies before the record in hand', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c', 'd']);
    const consumer = consumerOf(gateway, { groupId: 'g', autoCommitIntervalMs: 5 });
    await consumer.subscribe('t');
    for await (const { offset } of consumer) {
      if (offset < 2) continue;
      await expect.poll(() => committedBy(gateway)).toBe(2);
      await consumer[Symbol.asyncDispose]();
    }
    expect(await committedBy(gateway)).toBe(2);
  });
  it('for a plain stream is all that `next` returned from', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c', 'd']);
    const consumer = consumerOf(gateway, { groupId: 'g', autoCommitIntervalMs: 5 });
    await consumer.subscribe('t');
    consumer.stream().subscribe();
    await expect.poll(() => committedBy(gateway)).toBe(4);
    await consumer.close();
  });
  it('a commit that meets a dropped connection succeeds once the member is back', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b']);
    await using consumer = consumerOf(gateway, { groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    expect(await consumer.poll()).toHaveLength(2);
    gateway.refuseDials(true);
    gateway.dropConnections();
    const committing = consumer.commit();
    await expect(consumer.commit(undefined, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    gateway.refuseDials(false);
    await committing;
    expect(await committedBy(gateway)).toBe(2);
  });
  it('close() waits for acks, up to its timeout, and commits the contiguous prefix', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a', 'b', 'c', 'd']);
    for (const [acked, timeoutMs, committed] of [
      [[0, 2], 20, 1],
      [[1, 2, 3], 5_000, 4],
    ] as const) {
      const consumer = consumerOf(gateway, { groupId: 'g' });
      await consumer.subscribe('t');
      const seen: number[] = [];
      consumer.stream({ manualAck: true }).subscribe(({ offset }) => seen.push(offset));
      await expect.poll(() => seen.at(-1)).toBe(3);
      const closing = consumer.close({ timeoutMs });
      for (const offset of acked) consumer.ack({ ...T0, offset });
      await closing;
      expect(await committedBy(gateway)).toBe(committed);
    }
  });
  it('a revocation that takes longer than rebalanceTimeoutMs is a loss', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }, { name: 'u' }] });
    await gateway.produce('u', ['a']);
    await using consumer = consumerOf(gateway, { groupId: 'g', rebalanceTimeoutMs: 20 });
    const calls: string[] = [];
    const listener = {
      onPartitionsRevoked: () => void calls.push('revoked'),
      onPartitionsLost: () => void calls.push('lost'),
    };
    await consumer.subscribe(['t', 'u'], { listener });
    expect(await consumer.poll()).toHaveLength(1);
    await consumer.subscribe('t', { listener });
    await expect.poll(() => calls).toContain('lost');
    expect(calls).not.toContain('revoked');
  });
});

describe('waiting for what is not there', () => {
  it("assign of a partition that appears later reads it from its beginning, also with 'latest'", async () => {
    await using gateway = await createTestGateway({ autoCreateTopics: false });
    await using consumer = consumerOf(gateway, { autoOffsetReset: 'latest' });
    const events: ConsumerEvent[] = [];
    consumer.events$.subscribe((event) => events.push(event));
    await consumer.assign([T0]);
    expect(events).toMatchObject([{ type: 'error', error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } }]);
    await gateway.produce('t', ['a', 'b']);
    expect(offsets(await consumer.poll({ timeoutMs: 5_000 }))).toEqual([0, 1]);
  });
});

describe('the event loop', () => {
  it('gets its turns while a stream runs without backpressure', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    for (let i = 0; i < 400; i++)
      await gateway.produce(
        't',
        Array.from({ length: 500 }, () => 'x'),
      );
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    let turns = 0;
    let running = true;
    const beat = () => {
      turns++;
      if (running) setImmediate(beat);
    };
    setImmediate(beat);
    let count = 0;
    await new Promise<void>((resolve) => {
      const reading = consumer.stream().subscribe(() => {
        // About as long as a small handler takes: 200,000 of them are far more than one task may last.
        for (let i = 0; i < 1_000; i++) Math.sqrt(i);
        if (++count === 200_000) {
          reading.unsubscribe();
          resolve();
        }
      });
    });
    running = false;
    expect(turns).toBeGreaterThan(5);
  });
});
