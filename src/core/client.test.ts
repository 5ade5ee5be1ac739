import { describe, expect, it, vi } from 'vitest';
import { createTestGateway } from '../testing/test-gateway.ts';
import { Admin } from './admin.ts';
import { Client } from './client.ts';
import { Consumer } from './consumer.ts';
import { text } from './deserializers.ts';
import { Producer } from './producer.ts';

async function setUp() {
  const gateway = await createTestGateway({ topics: [{ name: 'orders' }] });
  const client = new Client({ transport: gateway.transport, reconnectBackoffMs: 1 });
  return { gateway, client, [Symbol.asyncDispose]: () => client.close() };
}

describe('Client', () => {
  it('carries all it makes over one connection', async () => {
    await using context = await setUp();
    const { gateway, client } = context;
    const consumer = client.consumer({ value: text(), autoOffsetReset: 'earliest' });
    const producer = client.producer({ lingerMs: 0 });
    expect([consumer instanceof Consumer, producer instanceof Producer, client.admin() instanceof Admin]).toEqual([
      true,
      true,
      true,
    ]);
    await consumer.subscribe('orders');
    await producer.send({ topic: 'orders', value: 'x' });
    expect((await consumer.poll()).map(({ value }) => value)).toEqual(['x']);
    expect((await client.admin().listTopics()).map(({ name }) => name)).toEqual(['orders']);
    expect(gateway.transport.sockets).toHaveLength(1);
  });
  it('dials at connect() or at the first use, not before', async () => {
    await using context = await setUp();
    const { gateway, client } = context;
    client.consumer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(gateway.transport.sockets).toHaveLength(0);
    const seen: string[] = [];
    client.status$.subscribe(({ type }) => seen.push(type));
    await client.connect();
    expect(gateway.transport.sockets).toHaveLength(1);
    expect(seen.at(-1)).toBe('live');
  });
  it('gives up connecting on a timeout, saying why', async () => {
    await using context = await setUp();
    context.gateway.refuseDials(true);
    await expect(context.client.connect({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });
  it('closes all it has made, and keeps its connection while one of them is closed', async () => {
    const { gateway, client } = await setUp();
    const producer = client.producer({ lingerMs: 60_000 });
    const admin = client.admin();
    await admin.listTopics();
    await admin.close();
    expect(gateway.transport.sockets).toHaveLength(1);
    const sent = producer.send({ topic: 'orders', value: 'x' });
    await client.close();
    expect((await sent).offset).toBe(0);
    expect(gateway.transport.sockets).toHaveLength(0);
    await expect(producer.send({ topic: 'orders', value: 'y' })).rejects.toMatchObject({ code: 'CLOSED' });
    expect(() => client.consumer()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await expect(client.connect()).rejects.toMatchObject({ code: 'CLOSED' });
    await client.close();
  });
  it('refuses a configuration of the connection for what shares one, and names it', async () => {
    await using context = await setUp();
    // @ts-expect-error belongs to the client
    expect(() => context.client.consumer({ bootstrapServers: 'a:1' })).toThrow(
      /in the configuration of the Client .*: bootstrapServers/,
    );
    // @ts-expect-error misspelt
    expect(() => context.client.producer({ lingerMS: 1 })).toThrow(/did you mean "lingerMs"/);
    // @ts-expect-error not an object
    expect(() => context.client.consumer('orders')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
  it('needs a transport where the runtime gives none', () => {
    for (const make of [() => new Client(), () => new Admin(), () => new Producer(), () => new Consumer()]) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining('transport') }),
      );
    }
  });
  it('forgets what was closed', async () => {
    const { client } = await setUp();
    const [consumer, producer] = [client.consumer(), client.producer()];
    await consumer.close();
    const closing = [vi.spyOn(consumer, 'close'), vi.spyOn(producer, 'close')];
    await client.close();
    expect(closing.map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
  });
});
