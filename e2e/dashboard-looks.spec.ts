// What the dashboard looks like and sounds like: colours, a page that stands still while records stream, and the tree that a screen reader gets.
import type { Page } from '@playwright/test';
import { expect, produce, test } from './support/test.ts';

/** Of the page's background, 0 to 1. */
const luminance = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (!pixel) throw new Error('no canvas');
    for (const element of [document.documentElement, document.body]) {
      pixel.fillStyle = getComputedStyle(element).backgroundColor;
      pixel.fillRect(0, 0, 1, 1);
    }
    const [red = 0, green = 0, blue = 0, alpha = 0] = pixel.getImageData(0, 0, 1, 1).data;
    if (alpha !== 255) throw new Error('the page has no background of its own');
    return (red + green + blue) / 765;
  });

test('light and dark follow the system until one is chosen, and the choice is kept', async ({ dashboard, page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await dashboard.open();
  await expect.poll(() => luminance(page)).toBeGreaterThan(0.8);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect.poll(() => luminance(page)).toBeLessThan(0.25);
  await page.getByRole('button', { name: 'Colours: system' }).click();
  await expect.poll(() => luminance(page)).toBeGreaterThan(0.8);
  await page.reload();
  await expect.poll(() => luminance(page)).toBeGreaterThan(0.8);
  await page.keyboard.press('t');
  await expect.poll(() => luminance(page)).toBeLessThan(0.25);
});

for (const viewport of [
  { width: 1280, height: 800 },
  { width: 800, height: 900 },
  { width: 400, height: 800 },
]) {
  test(`nothing moves while records stream, at ${viewport.width} × ${viewport.height}`, async ({
    client,
    dashboard,
    page,
  }) => {
    await page.setViewportSize(viewport);
    await client.admin().createTopic({ name: 'orders', partitions: 2 });
    await produce(client, 'orders', 200);
    await dashboard.open('?topics=orders&from=earliest');
    await dashboard.expectNumber('records-total', 200);
    const producer = client.producer();
    let sent = 200;
    // Now a trickle, now a flood, so that the numbers shown change their length.
    const stream = setInterval(() => {
      const burst = Math.floor(performance.now() / 1_000) % 2 === 0 ? 1 : 40;
      for (let i = 0; i < burst; i++, sent++) {
        const value = JSON.stringify({ sent, text: 'x'.repeat(sent % 300) });
        void producer.send({ topic: 'orders', key: `key-${sent % 1000}`, value });
      }
    }, 20);
    // The first second of a stream fills what was empty; from then on everything has its place.
    await expect.poll(() => dashboard.number('records-total')).toBeGreaterThan(1_000);
    const moved = await page.evaluate(async () => {
      const parts = new Map<string, Element>();
      for (const element of document.querySelectorAll(
        'header, nav, main, section, aside, button, input, select, [data-testid=records-table], [role=columnheader], dd, th',
      )) {
        if (element.closest('[hidden], dialog, [role=status], .row:not(.head)')) continue;
        parts.set(
          `${parts.size} ${element.tagName} ${element.ariaLabel ?? element.textContent?.slice(0, 30)}`,
          element,
        );
      }
      const boxes = (): Map<string, string> =>
        new Map(
          [...parts].map(([name, element]) => {
            const { left, top, width } = element.getBoundingClientRect();
            return [name, [left, top, width].map((n) => n.toFixed(1)).join(' ')];
          }),
        );
      const before = boxes();
      const changes = new Set<string>();
      const end = performance.now() + 2_500;
      while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        for (const [name, box] of boxes()) {
          if (box !== before.get(name)) changes.add(`${name}: ${before.get(name)} → ${box}`);
        }
      }
      return { parts: parts.size, changes: [...changes], wide: document.documentElement.scrollWidth };
    });
    clearInterval(stream);
    expect(moved.parts).toBeGreaterThan(20);
    expect(moved.changes).toEqual([]);
    expect(moved.wide).toBeLessThanOrEqual(viewport.width);
    await producer.flush();
    await dashboard.expectEachOnce(sent);
  });
}

/** Everything that takes the focus has a name, as the browser computes it. */
async function expectNames(page: Page): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  await cdp.detach();
  const focusable = nodes.filter(
    ({ ignored, properties }) => !ignored && properties?.some(({ name, value }) => name === 'focusable' && value.value),
  );
  expect(focusable.length).toBeGreaterThan(20);
  const nameless = focusable.filter(
    ({ name, role }) => !name?.value && !['RootWebArea', 'main'].includes(role?.value ?? ''),
  );
  expect(nameless.map(({ role, nodeId }) => `${role?.value} ${nodeId}`)).toEqual([]);
}

test('a screen reader finds landmarks, a grid with headed columns, and a name on everything that can be used', async ({
  client,
  dashboard,
  page,
}) => {
  await client.admin().createTopic({ name: 'orders', partitions: 2 });
  await produce(client, 'orders', 100);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 100);
  await dashboard.row('value-').first().click();

  await expect(page).toHaveTitle(/DistributedLog/);
  await expect(page.getByRole('banner')).toHaveCount(1);
  await expect(page.getByRole('main')).toHaveCount(1);
  await expect(page.getByRole('navigation', { name: 'What to read' })).toBeVisible();
  await expect(page.getByRole('complementary')).toHaveCount(1);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('DistributedLog');
  for (const name of ['Topics', 'Start', 'Consumer group']) {
    await expect(page.getByRole('region', { name, exact: true })).toBeVisible();
  }

  const { records } = dashboard;
  await expect(records).toHaveAttribute('aria-rowcount', '101');
  expect(await records.getByRole('columnheader').allTextContents()).toEqual([
    'Time',
    'Topic',
    'Partition#',
    'Offset',
    'Key',
    'Value',
  ]);
  const row = records.getByRole('row', { selected: true });
  await expect(row).toHaveCount(1);
  await expect(row.getByRole('gridcell')).toHaveCount(6);
  expect(await records.getAttribute('aria-activedescendant')).toBe(await row.getAttribute('id'));

  await expectNames(page);
  await page.keyboard.press('Escape');
  for (const tab of ['Partitions', 'Produce', 'Events']) {
    await dashboard.tab(tab).click();
    await expect(page.getByRole('tabpanel', { name: tab })).toBeVisible();
    await expectNames(page);
  }

  const doubled = await page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  });
  expect(doubled).toEqual([]);
  const dangling = await page.evaluate(() =>
    ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'].flatMap((name) =>
      [...document.querySelectorAll(`[${name}]`)]
        .flatMap((element) => (element.getAttribute(name) ?? '').split(' '))
        .filter((id) => !document.getElementById(id)),
    ),
  );
  expect(dangling).toEqual([]);
});
