// The consumer against the in-memory gateway: subscribing, polling, positions, commits.
import { describe, expect, it } from 'vitest';
import { createTestGateway } from '../testing/index.ts';
import { Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import { text } from './deserializers.ts';

type Gateway = Awaited<ReturnType<typeof createTestGateway>>;
function consumerOf(gateway: Gateway, config: ConsumerConfig<string, string> = {}): Consumer<string, string> {
  return new Consumer<string, string>({
    transport: gateway.transport,
    key: text(),
    value: text(),
    autoOffsetReset: 'earliest',
    ...config,
  });
}
const values = (records: readonly { value: string | null }[]) => records.map(({ value }) => value);

describe('polling', () => {
  it('returns what was produced, in order, and moves the position behind it', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'orders' }] });
    await gateway.produce('orders', ['a', 'b', 'c']);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('orders');
    const records = await consumer.poll();
    expect(values(records)).toEqual(['a', 'b', 'c']);
    expect(records[1]).toMatchObject({ topic: 'orders', partition: 0, offset: 1, key: null });
    expect(await consumer.position({ topic: 'orders', partition: 0 })).toBe(3);
    await gateway.produce('orders', ['d']);
    expect(values(await consumer.poll())).toEqual(['d']);
    expect(await consumer.poll({ timeoutMs: 0 })).toEqual([]);
  });
});
