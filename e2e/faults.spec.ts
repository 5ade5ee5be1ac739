// What users fear most: the gateway dies, the network goes away, the tab reloads. No offset is lost, none comes twice.
import type { Page } from '@playwright/test';
import { expect, produce, test } from './support/test.ts';

const total = (page: Page): Promise<number> => page.evaluate(() => window.seen.total);
const waitForTotal = (page: Page, count: number): Promise<void> =>
  expect.poll(() => total(page), { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
const waitUntilLive = (page: Page): Promise<unknown> => page.waitForFunction(() => window.seen.live);

/** Offsets 0…count−1 of partition 0, each exactly once and in order. */
async function expectEachOnce(page: Page, count: number): Promise<void> {
  const result = await page.evaluate((expected) => {
    const counts = window.seen.offsets[0] ?? {};
    const wrong = Array.from({ length: expected }, (_, offset) => [offset, counts[offset] ?? 0]).filter(
      ([, times]) => times !== 1,
    );
    return {
      wrong: wrong.slice(0, 5),
      distinct: Object.keys(counts).length,
      outOfOrder: window.seen.outOfOrder,
      error: window.seen.error,
    };
  }, count);
  expect(result).toEqual({ wrong: [], distinct: count, outOfOrder: 0, error: null });
}

for (const surface of ['poll', 'stream', 'iterator']) {
  test(`a gateway killed with -9 while a page streams (${surface}): after its restart every offset arrived exactly once`, async ({
    gateway,
    client,
    openPage,
  }) => {
    await client.admin().createTopic({ name: 'events' });
    const page = await openPage('reader', { query: `?topic=events&from=earliest&surface=${surface}` });
    await waitUntilLive(page);
    const producer = client.producer();
    const acknowledged: Promise<unknown>[] = [];
    let sending = true;
    const sender = (async () => {
      while (sending) {
        for (let i = 0; i < 20; i++)
          acknowledged.push(producer.send({ topic: 'events', value: `value-${acknowledged.length}` }));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let kill = 0; kill < 3; kill++) {
      await waitForTotal(page, (await total(page)) + 200);
      await gateway.kill9();
      await page.waitForFunction(() => window.seen.statuses.at(-1) !== 'live');
      await gateway.start();
    }
    await waitForTotal(page, (await total(page)) + 200);
    sending = false;
    await sender;
    await Promise.all(acknowledged);
    await waitForTotal(page, acknowledged.length);
    await expectEachOnce(page, acknowledged.length);
    const gaps = await page.evaluate(() => window.seen.events.filter((event) => event.type === 'gap').length);
    expect(gaps).toBe(0);
  });
}

test('a page that goes offline and comes back goes on where it was', async ({ client, openPage, context }) => {
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: '?topic=events&from=earliest' });
  await waitUntilLive(page);
  await produce(client, 'events', 100);
  await waitForTotal(page, 100);
  await context.setOffline(true);
  await produce(client, 'events', 100, { from: 100 });
  await context.setOffline(false);
  await produce(client, 'events', 100, { from: 200 });
  await waitForTotal(page, 300);
  await expectEachOnce(page, 300);
});

test('a reload resumes from the committed offset', async ({ client, openPage }) => {
  await client.admin().createTopic({ name: 'events' });
  await produce(client, 'events', 100);
  const page = await openPage('reader', { query: '?topic=events&from=earliest&group=pages' });
  await waitForTotal(page, 100);
  await page.evaluate(() => window.consumer.commit());
  await page.reload();
  await waitUntilLive(page);
  await produce(client, 'events', 50, { from: 100 });
  await waitForTotal(page, 50);
  expect(
    await page.evaluate(() => ({ total: window.seen.total, first: window.seen.first, last: window.seen.last })),
  ).toEqual({
    total: 50,
    first: 'value-100',
    last: 'value-149',
  });
});

test('two tabs without a group each see every record', async ({ client, openPage, context }) => {
  await client.admin().createTopic({ name: 'events', partitions: 3 });
  const query = '?topic=events&from=earliest';
  const tabs = [
    await openPage('reader', { query }),
    await openPage('reader', { page: await context.newPage(), query }),
  ];
  for (const tab of tabs) await waitUntilLive(tab);
  await produce(client, 'events', 300);
  for (const tab of tabs) {
    await waitForTotal(tab, 300);
    expect(await tab.evaluate(() => window.seen.outOfOrder)).toBe(0);
    expect(await total(tab)).toBe(300);
  }
});

test('a seek back to the beginning delivers everything again, in order', async ({ client, openPage }) => {
  await client.admin().createTopic({ name: 'events' });
  await produce(client, 'events', 200);
  const page = await openPage('reader', { query: '?topic=events&from=earliest' });
  await waitForTotal(page, 200);
  await page.evaluate(() => window.consumer.seekToBeginning());
  await waitForTotal(page, 400);
  const counts = await page.evaluate(() => Object.values(window.seen.offsets[0] ?? {}));
  expect(counts).toEqual(Array.from({ length: 200 }, () => 2));
});

test('a page that reads slowly holds no more than maxBufferedBytes and one batch, and still gets everything', async ({
  client,
  openPage,
}) => {
  await client.admin().createTopic({ name: 'events' });
  const bufferBytes = 512 * 1024;
  const batchBytes = 64 * 1024;
  await produce(client, 'events', 8_000, { valueBytes: 1024 });
  const page = await openPage('reader', { query: `?topic=events&from=earliest&delay=50&buffer=${bufferBytes}` });
  await waitForTotal(page, 3_000);
  const held = await page.evaluate(() => window.seen.maxBufferedBytes);
  expect(held).toBeGreaterThan(batchBytes);
  expect(held).toBeLessThanOrEqual(bufferBytes + 2 * batchBytes);
  await page.evaluate(() => window.setDelayMs(0));
  await waitForTotal(page, 8_000);
  await expectEachOnce(page, 8_000);
});
