// What the tests of the consumer share: consumers of an in-memory gateway that come back fast, and what they say.
import { type ClientFrame, parseServerFrame, type ServerFrame } from '../protocol/index.ts';
import type { TestGateway } from '../testing/index.ts';
import { Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import { text } from './deserializers.ts';
import type { LifecycleSignal, Transport } from './transport.ts';

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

/** A transport whose control frames can be read afterwards, in order, and whose page comes and goes as the test says. */
export function tapped(gateway: TestGateway, more: Partial<Transport> = {}) {
  const sent: ClientFrame[] = [];
  const received: ServerFrame[] = [];
  const closes: number[] = [];
  const waiting: { readonly type: string; readonly deliver: () => void }[] = [];
  let holding: ((type: string) => boolean) | undefined;
  const listeners = new Set<(signal: LifecycleSignal) => void>();
  const transport: Transport = {
    ...gateway.transport,
    dial(url, protocol, handlers) {
      const connection = gateway.transport.dial(url, protocol, {
        ...handlers,
        onFrame(frame) {
          const parsed = typeof frame === 'string' ? parseServerFrame(frame) : undefined;
          const type = parsed?.type ?? 'data';
          const deliver = (): void => {
            if (parsed !== undefined) received.push(parsed);
            handlers.onFrame(frame);
          };
          if (holding?.(type)) waiting.push({ type, deliver });
          else deliver();
        },
      });
      return {
        ...connection,
        get bufferedBytes() {
          return connection.bufferedBytes;
        },
        send(frame) {
          if (typeof frame === 'string') sent.push(JSON.parse(frame));
          connection.send(frame);
        },
        close(code, reason) {
          closes.push(code);
          connection.close(code, reason);
        },
      };
    },
    onLifecycle(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...more,
  };
  const of = <T extends ClientFrame['type']>(type: T) =>
    sent.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type);
  const signal = (name: LifecycleSignal): void => {
    for (const listener of [...listeners]) listener(name);
  };
  return {
    transport,
    sent,
    received,
    closes,
    of,
    signal,
    /** What comes (or only frames of a type) waits, then all of it comes in one go. */
    hold(on: boolean, type?: string): void {
      holding = on ? (one) => type === undefined || type === one : undefined;
      if (!on) for (const { deliver } of waiting.splice(0)) deliver();
    },
    get held() {
      return waiting.map(({ type }) => type);
    },
  };
}
