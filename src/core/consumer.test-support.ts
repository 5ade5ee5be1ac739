// What the tests of the consumer share: consumers of an in-memory gateway that come back fast, and what they say.
import type { TestGateway } from '../testing/index.ts';
import { Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import { text } from './deserializers.ts';

export const T0 = { topic: 't', partition: 0 };
export const T1 = { topic: 't', partition: 1 };

const base = (gateway: TestGateway) =>
  ({
    transport: gateway.transport,
    autoOffsetReset: 'earliest',
    reconnectBackoffMs: 1,
    reconnectBackoffMaxMs: 10,
  }) as const;
export function consumerOf(gateway: TestGateway, config: ConsumerConfig = {}): Consumer {
  return new Consumer({ ...base(gateway), ...config });
}
export function textConsumerOf(
  gateway: TestGateway,
  config: ConsumerConfig<string, string> = {},
): Consumer<string, string> {
  return new Consumer<string, string>({ ...base(gateway), key: text(), value: text(), ...config });
}
export function eventsOf<K, V>(consumer: Consumer<K, V>): ConsumerEvent[] {
  const events: ConsumerEvent[] = [];
  consumer.events$.subscribe((event) => events.push(event));
  return events;
}
export const values = (records: readonly { readonly value: string | null }[]) => records.map(({ value }) => value);
export const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `v${from + i}`);
