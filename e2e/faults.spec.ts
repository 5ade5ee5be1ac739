// What users fear most: the gateway dies, the network goes away, the tab reloads. No offset is lost, none comes twice.
import { rendererPids, withStopped } from './support/processes.ts';
import { expectEachOnce, total, waitForTotal, waitUntilLive } from './support/reader.ts';
import { expect, keepProducing, produce, test } from './support/test.ts';

for (const surface of ['poll', 'stream', 'iterator']) {
  test(`a gateway killed with -9 while a page streams (${surface}): after its restart every offset arrived exactly once`, async ({
    gateway,
    client,
    openPage,
  }) => {
    await client.admin().createTopic({ name: 'events' });
    const page = await openPage('reader', { query: `?topic=events&from=earliest&surface=${surface}` });
    await waitUntilLive(page);
    const stream = keepProducing(client, 'events');
    for (let kill = 0; kill < 3; kill++) {
      await waitForTotal(page, (await total(page)) + 200);
      await gateway.kill9();
      await page.waitForFunction(() => window.seen.statuses.at(-1) !== 'live');
      await gateway.start();
    }
    await waitForTotal(page, (await total(page)) + 200);
    const count = await stream.stop();
    await waitForTotal(page, count);
    await expectEachOnce(page, count);
    const gaps = await page.evaluate(() => window.seen.events.filter((event) => event.type === 'gap').length);
    expect(gaps).toBe(0);
  });
}

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

test('a gateway killed with -9 five times while a group reads: each page life has every record at most once, all lives together every one', async ({
  gateway,
  client,
  openPage,
}) => {
  test.setTimeout(120_000);
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: '?topic=events&from=earliest&group=pages' });
  await waitUntilLive(page);
  const stream = keepProducing(client, 'events');
  const life = async (): Promise<[number, number][]> => {
    const offsets = await page.evaluate(() => Object.entries(window.seen.offsets[0] ?? {}));
    return offsets.map(([offset, times]) => [Number(offset), times]);
  };
  /** What this life has seen at its very end: until then it goes on reading, and committing. */
  const reload = async (): Promise<[number, number][]> => {
    await page.evaluate(() => {
      const keep = (): void =>
        sessionStorage.setItem('life', JSON.stringify(Object.entries(window.seen.offsets[0] ?? {})));
      addEventListener('pagehide', keep);
    });
    await page.reload();
    const kept: [string, number][] = JSON.parse((await page.evaluate(() => sessionStorage.getItem('life'))) ?? '[]');
    return kept.map(([offset, times]) => [Number(offset), times]);
  };
  const lives: [number, number][][] = [];
  for (let kill = 0; kill < 5; kill++) {
    await waitForTotal(page, (await total(page)) + 100);
    await gateway.kill9();
    await page.waitForFunction(() => window.seen.statuses.at(-1) !== 'live');
    await gateway.start();
    if (kill === 2) {
      await waitForTotal(page, (await total(page)) + 100);
      lives.push(await reload());
      await waitUntilLive(page);
    }
  }
  await waitForTotal(page, (await total(page)) + 100);
  const count = await stream.stop();
  await expect.poll(async () => (await life()).at(-1)?.[0], { timeout: 30_000 }).toBe(count - 1);
  lives.push(await life());

  expect(lives).toHaveLength(2);
  const seen = new Set<number>();
  for (const records of lives) {
    expect(records.filter(([, times]) => times !== 1)).toEqual([]);
    const first = records[0]?.[0] ?? -1;
    expect(records.map(([offset]) => offset)).toEqual(records.map((_, index) => first + index));
    for (const [offset] of records) seen.add(offset);
  }
  expect(seen.size).toBe(count);
  const group = async (): Promise<unknown> => (await client.admin().describeGroup('pages')).offsets;
  await expect.poll(group).toMatchObject([{ topic: 'events', partition: 0, committed: count, lag: 0 }]);
});

test('a frozen renderer: the gateway sends no more than the page granted, and the page catches up with every offset once', async ({
  gateway,
  client,
  openPage,
  browser,
}) => {
  const records = 40_000;
  const valueBytes = 1_024;
  const bufferBytes = 4 * 1024 * 1024;
  // Of a producer with default settings; the one that may overdraw the credit.
  const batchBytes = 128 * 1024;
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: `?topic=events&from=earliest&buffer=${bufferBytes}` });
  await waitUntilLive(page);
  await produce(client, 'events', 1_000, { valueBytes });
  await waitForTotal(page, 1_000);
  const before = await gateway.sentBytes('events');
  const sent = await withStopped(await rendererPids(browser), async () => {
    await produce(client, 'events', records - 1_000, { from: 1_000, valueBytes });
    // What can be sent has been sent once the counter stands still: a gateway that minds no credit would have sent all of it.
    let now = await gateway.sentBytes('events');
    await expect
      .poll(
        async () => {
          const last = now;
          now = await gateway.sentBytes('events');
          return now - last;
        },
        { intervals: [1_000] },
      )
      .toBe(0);
    return now - before;
  });
  expect(sent).toBeGreaterThan(batchBytes);
  expect(sent).toBeLessThanOrEqual(bufferBytes + batchBytes);
  await waitForTotal(page, records);
  await expectEachOnce(page, records);
});
