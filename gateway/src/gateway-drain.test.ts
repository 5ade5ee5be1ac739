// What a drain is for those who are connected with the SDK, over real sockets.
import { Client, type ConnectionStatus, Consumer, json, Producer } from 'distributedlog/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Gateway, startGateway } from './gateway.ts';
import { alteredLog, openGateway } from './test-support.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const portOf = (gateway: Gateway) => Number(new URL(gateway.httpUrl).port);

function statusesOf(client: Client): ConnectionStatus[] {
  const statuses: ConnectionStatus[] = [];
  client.status$.subscribe((status) => statuses.push(status));
  return statuses;
}

describe('a drain', () => {
  it('takes no longer than its clients need: 20 idle ones leave at once and come back one by one', async () => {
    const { gateway } = await openGateway();
    const clients = Array.from({ length: 20 }, () => new Client({ bootstrapServers: gateway.url }));
    onTestFinished(async () => {
      await Promise.all(clients.map((client) => client.close()));
    });
    await Promise.all(clients.map((client) => client.connect()));
    const statuses = clients.map(statusesOf);
    const startedAt = performance.now();
    await gateway.close({ drainMs: 10_000 });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    const delays = statuses.map((all) => all.find((status) => status.type === 'reconnecting')?.delayMs ?? Number.NaN);
    // 100 a second, and each client's own backoff of up to 100 ms.
    expect(Math.max(...delays)).toBeLessThanOrEqual(200);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  it('lets a produce that is under way finish', async () => {
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let began = () => {};
    const begun = new Promise<void>((resolve) => {
      began = resolve;
    });
    const plain = alteredLog({});
    const log = alteredLog({
      topics: plain.topics.bind(plain),
      createTopic: plain.createTopic.bind(plain),
      initProducer: plain.initProducer.bind(plain),
      append: async (...args) => {
        began();
        await held;
        return plain.append(...args);
      },
    });
    const { gateway } = await openGateway({ log });
    await using producer = new Producer({ bootstrapServers: gateway.url, lingerMs: 0 });
    const sent = producer.send({ topic: 'slow', value: 'x' });
    await begun;
    const closing = gateway.close({ drainMs: 10_000 });
    setTimeout(finish, 50);
    expect(await sent).toMatchObject({ topic: 'slow', offset: 0 });
    await closing;
  });

  it('loses and repeats nothing for who reads and writes across it, however often', async () => {
    const log = alteredLog({ close: async () => undefined });
    let gateway = await startGateway({ log, port: 0, logger: silent });
    const { url } = gateway;
    const port = portOf(gateway);
    onTestFinished(() => gateway.close({ drainMs: 0 }));
    const config = { bootstrapServers: url, reconnectBackoffMs: 5, reconnectBackoffMaxMs: 20 };
    const producer = new Producer({ ...config, lingerMs: 1 });
    const consumer = new Consumer({ ...config, groupId: 'g', autoOffsetReset: 'earliest', value: json() });
    onTestFinished(async () => {
      await Promise.all([producer.close(), consumer.close()]);
    });
    const total = 1_200;
    let drains = 0;
    const produced = (async () => {
      for (let i = 0; i < total; i += 10) {
        const batch = Array.from({ length: 10 }, (_, n) => producer.send({ topic: 't', value: String(i + n) }));
        await Promise.all(batch);
        if (i % 100 !== 90) continue;
        const startedAt = performance.now();
        await gateway.close({ drainMs: 10_000 });
        expect(performance.now() - startedAt).toBeLessThan(1_500);
        gateway = await startGateway({ log, port, logger: silent });
        drains++;
      }
    })();
    await consumer.subscribe('t');
    const values: unknown[] = [];
    for await (const { value } of consumer) {
      values.push(value);
      if (values.length === total) break;
    }
    await produced;
    expect(values).toEqual(Array.from({ length: total }, (_, i) => i));
    expect(drains).toBe(12);
    expect(consumer.metrics().gaps).toBe(0);
  });
});
