// When the network goes away and comes back: a socket that stalls, one that is dead without a word, and a gateway that restarts meanwhile.
import { Client } from 'distributedlog';
import { GatewayProcess } from './support/gateway-process.ts';
import { Link } from './support/link.ts';
import { expectEachOnce, total, waitForTotal, waitUntilLive } from './support/reader.ts';
import { expect, keepProducing, produce, test } from './support/test.ts';

/** Longer than a page must have been offline for its connection to be doubted. */
const OFFLINE_MS = 6_000;

test('a page that is offline for a while goes on where it was', async ({ client, openPage, context }) => {
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: '?topic=events&from=earliest' });
  await waitUntilLive(page);
  await produce(client, 'events', 100);
  await waitForTotal(page, 100);
  await context.setOffline(true);
  expect(await page.evaluate(() => navigator.onLine)).toBe(false);
  await produce(client, 'events', 100, { from: 100 });
  await page.waitForTimeout(OFFLINE_MS);
  expect(await total(page)).toBe(100);
  await context.setOffline(false);
  await waitForTotal(page, 200);
  await produce(client, 'events', 100, { from: 200 });
  await waitForTotal(page, 300);
  await expectEachOnce(page, 300);
});

test('a connection that died without a word is found out when the page is online again, and replaced', async ({
  site,
  page,
  context,
}) => {
  const link = await Link.open();
  const gateway = await GatewayProcess.start(site.dir, ['--allowed-host', `127.0.0.1:${link.port}`]);
  link.target = gateway.port;
  const client = new Client({ bootstrapServers: gateway.url });
  try {
    await client.admin().createTopic({ name: 'events' });
    await page.goto(`http://127.0.0.1:${link.port}/e2e/reader.html?topic=events&from=earliest`);
    await waitUntilLive(page);
    await produce(client, 'events', 100);
    await waitForTotal(page, 100);
    link.goSilent();
    await context.setOffline(true);
    await produce(client, 'events', 100, { from: 100 });
    await page.waitForTimeout(OFFLINE_MS);
    await context.setOffline(false);
    expect(await total(page)).toBe(100);
    expect(await page.evaluate(() => window.seen.statuses.at(-1))).toBe('live');
    // Nobody told the page: it asks, hears nothing, hangs up and dials again.
    await page.waitForFunction(() => window.seen.statuses.at(-1) !== 'live', undefined, { timeout: 20_000 });
    await waitForTotal(page, 200);
    await produce(client, 'events', 100, { from: 200 });
    await waitForTotal(page, 300);
    await expectEachOnce(page, 300);
  } finally {
    await client.close();
    await gateway.dispose();
    await link.close();
  }
});

test('a gateway that was killed and restarted while the page was offline: every offset once', async ({
  gateway,
  client,
  openPage,
  context,
}) => {
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: '?topic=events&from=earliest' });
  await waitUntilLive(page);
  const stream = keepProducing(client, 'events');
  await waitForTotal(page, 200);
  await context.setOffline(true);
  await gateway.kill9();
  await gateway.start();
  await page.waitForTimeout(1_000);
  await context.setOffline(false);
  await waitForTotal(page, (await total(page)) + 500);
  const count = await stream.stop();
  await waitForTotal(page, count);
  await expectEachOnce(page, count);
});
