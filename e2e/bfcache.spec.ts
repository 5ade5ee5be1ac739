// A page in the back/forward cache: it lets its connection go, and on the way back goes on where it was.
import { chromium } from '@playwright/test';
import { LAUNCH_ARGS } from '../scripts/lib/browser.mjs';
import { expectEachOnce, waitForTotal, waitUntilLive } from './support/reader.ts';
import { expect, produce, test } from './support/test.ts';

test('a page that comes back from the back/forward cache goes on where it was', async ({ gateway, client }) => {
  const executablePath = process.env.CHROMIUM_PATH;
  // Playwright switches the cache off unless told otherwise.
  const browser = await chromium.launch({
    args: LAUNCH_ARGS,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    ...(executablePath ? { executablePath } : {}),
  });
  try {
    await client.admin().createTopic({ name: 'events' });
    const page = await browser.newPage();
    await page.goto(`${gateway.httpUrl}/e2e/reader.html?topic=events&from=earliest`);
    await page.evaluate(() => {
      window.addEventListener('pageshow', ({ persisted }) =>
        document.body.setAttribute('data-persisted', String(persisted)),
      );
    });
    await waitUntilLive(page);
    await produce(client, 'events', 100);
    await waitForTotal(page, 100);
    await page.goto(`${gateway.httpUrl}/e2e/transports.html`);
    await produce(client, 'events', 100, { from: 100 });
    await page.evaluate(() => history.back());
    await expect(page.locator('body')).toHaveAttribute('data-persisted', 'true');
    await produce(client, 'events', 100, { from: 200 });
    await waitForTotal(page, 300);
    await expectEachOnce(page, 300);
  } finally {
    await browser.close();
  }
});
