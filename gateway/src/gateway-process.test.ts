// The gateway and programs that use it, each a process of its own: how soon they end. Reads the build: `npm run build` comes first.
import { Consumer, json, Producer } from 'distributedlog/node';
import { describe, expect, it } from 'vitest';
import { ADDRESS, dataDirectory, run, startGateway } from './test-process.ts';

describe('a gateway process', () => {
  it('ends soon after SIGTERM with consumers on it, which go on exactly where they were when it is back', async () => {
    const dir = await dataDirectory();
    let gateway = startGateway(dir, 0);
    const url = await gateway.printed(ADDRESS);
    const config = { bootstrapServers: url, reconnectBackoffMaxMs: 200 };
    const producer = new Producer(config);
    const consumer = new Consumer({ ...config, groupId: 'g', autoOffsetReset: 'earliest', value: json() });
    const idle = Array.from({ length: 18 }, () => new Consumer(config));
    await Promise.all([consumer, ...idle].map((one) => one.subscribe('t')));
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const { value } of consumer) {
        values.push(value);
        if (value === 'the end') return;
      }
    })();
    let sent = 0;
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 100 }, () => producer.send({ topic: 't', value: JSON.stringify(sent++) })),
      );
      const signalledAt = performance.now();
      gateway.child.kill('SIGTERM');
      const { code, stderr, at } = await gateway.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(at - signalledAt).toBeLessThan(2_000);
      gateway = startGateway(dir, Number(new URL(url).port));
      await gateway.printed(ADDRESS);
    }
    await producer.send({ topic: 't', value: '"the end"' });
    await reading;
    expect(values).toEqual([...Array.from({ length: sent }, (_, i) => i), 'the end']);
    await Promise.all([...idle, consumer, producer].map((one) => one.close()));
  });
});

describe('a program', () => {
  const script = (body: string) => `
    import { Admin, Client, Consumer, LogError, Producer } from 'distributedlog';
    const bootstrapServers = process.argv[1];
    ${body}
    process.stdout.write('done');
  `;
  const reads = `
    const producer = new Producer({ bootstrapServers });
    await producer.send({ topic: 't', value: 'x' });
    const consumer = new Consumer({ bootstrapServers, groupId: 'g', autoOffsetReset: 'earliest' });
    await consumer.subscribe('t');
    while ((await consumer.poll()).length === 0);
    consumer.seekToBeginning();
  `;
  it.each([
    ['has closed its consumer and producer', `${reads} await producer.close(); await consumer.close();`],
    [
      'has closed its client while things were under way',
      `const client = new Client({ bootstrapServers });
       const consumer = client.consumer();
       const subscribed = consumer.subscribe('t').catch(() => undefined);
       const sent = client.producer().send({ topic: 't', value: 'x' }).catch(() => undefined);
       const listed = client.admin().listTopics().catch(() => undefined);
       await client.close();
       await Promise.all([subscribed, sent, listed]);`,
    ],
    [
      'has closed a consumer that never reached a gateway',
      `const consumer = new Consumer({ bootstrapServers: 'localhost:1' });
       const subscribed = consumer.subscribe('t').catch((error) => error.code);
       await new Promise((resolve) => setTimeout(resolve, 50));
       await consumer.close();
       if ((await subscribed) !== 'CLOSED') throw new Error(String(await subscribed));`,
    ],
    ['has closed a consumer it never used', 'await new Consumer({ bootstrapServers }).close();'],
  ])('ends by itself once it %s', async (_, body) => {
    const gateway = startGateway(await dataDirectory(), 0);
    const url = await gateway.printed(ADDRESS);
    const program = run('--input-type=module', '--unhandled-rejections=strict', '-e', script(body), url);
    await program.printed(/done/);
    const doneAt = performance.now();
    const { code, stderr, at } = await program.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(at - doneAt).toBeLessThan(1_000);
  });
});
