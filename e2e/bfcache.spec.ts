// A page in the back/forward cache: it lets its connection go, and on the way back goes on where it was.
import { expectEachOnce, waitForTotal, waitUntilLive } from './support/reader.ts';
import { expect, produce, test } from './support/test.ts';

test('a page that comes back from the back/forward cache goes on where it was', async ({
  client,
  openPage,
  cachedPage: page,
}) => {
  await client.admin().createTopic({ name: 'events' });
  await openPage('reader', { page, query: '?topic=events&from=earliest' });
  await waitUntilLive(page);
  await produce(client, 'events', 100);
  await waitForTotal(page, 100);
  await openPage('transports', { page });
  await produce(client, 'events', 100, { from: 100 });
  await page.evaluate(() => history.back());
  await expect(page.locator('body')).toHaveAttribute('data-persisted', 'true');
  await produce(client, 'events', 100, { from: 200 });
  await waitForTotal(page, 300);
  await expectEachOnce(page, 300);
});
