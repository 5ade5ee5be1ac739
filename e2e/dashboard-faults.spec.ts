// The dashboard when things go wrong: a gateway that dies, data that is gone, a reload, a reader that is too slow. What happened is said, and nothing is lost silently.
import { expect, produce, test } from './support/test.ts';

test('a gateway killed with -9 while records stream: the page says so, reconnects and has every record once', async ({
  gateway,
  client,
  dashboard,
  page,
}) => {
  await client.admin().createTopic({ name: 'orders', partitions: 2 });
  await dashboard.open('?topics=orders&from=earliest');
  const producer = client.producer();
  const acknowledged: Promise<unknown>[] = [];
  const stream = setInterval(() => {
    for (let i = 0; i < 10; i++) {
      acknowledged.push(producer.send({ topic: 'orders', key: `key-${i}`, value: `value-${acknowledged.length}` }));
    }
  }, 20);
  try {
    await expect.poll(() => dashboard.number('records-total')).toBeGreaterThan(200);
    await gateway.kill9();
    await expect(dashboard.status).toHaveText(/^(Attempt|Connecting)/);
    await expect(dashboard.notices).toContainText('Connection lost');
    await gateway.start();
    await dashboard.expectLive();
    await expect(dashboard.notices).toContainText(/Connected again after [\d.]+ s; reading goes on where it was/);
    const now = await dashboard.number('records-total');
    await expect.poll(() => dashboard.number('records-total')).toBeGreaterThan(now + 200);
  } finally {
    clearInterval(stream);
  }
  await Promise.all(acknowledged);
  await dashboard.expectEachOnce(acknowledged.length);
  await page.getByRole('tab', { name: /^Events/ }).click();
  await expect(dashboard.events.getByRole('listitem')).toHaveText([/Connected again/, /Connection lost/]);
});

test('a page that is opened while its gateway is away connects as soon as it is back', async ({
  gateway,
  dashboard,
  page,
}) => {
  await gateway.kill9();
  const endPages = await gateway.onlyPages();
  try {
    await page.goto(gateway.httpUrl);
    await expect(dashboard.status).toHaveText(/^Attempt \d+ in [\d.]+ s$/);
    await expect(dashboard.notices).toContainText('The gateway cannot be reached');
  } finally {
    await endPages();
  }
  await gateway.start();
  await dashboard.expectLive();
  await expect(dashboard.notices).toContainText('Connected again');
});

test('records that retention removed before they were read are a gap, which the page tells', async ({
  client,
  dashboard,
}) => {
  await client.admin().createTopic({ name: 'orders', config: { 'retention.bytes': String(64 * 1024) } });
  await dashboard.open('?topics=orders&from=earliest');
  await produce(client, 'orders', 10);
  await dashboard.expectNumber('records-total', 10);
  await dashboard.pause.click();
  for (let round = 0; round < 8; round++)
    await produce(client, 'orders', 100, { from: 10 + round * 100, valueBytes: 1024 });
  await expect(dashboard.cell('end', 'orders')).toHaveText('810');
  await expect
    .poll(async () => Number(await dashboard.cell('start', 'orders').textContent()), { timeout: 20_000 })
    .toBeGreaterThan(600);
  const logStart = Number(await dashboard.cell('start', 'orders').textContent());
  await dashboard.resume.click();
  await expect(dashboard.notices).toContainText(/Gap in orders \/ 0: \d+ offsets? passed over \(\d+ → \d+\)/);
  const [, from, to] = /\((\d+) → (\d+)\)/.exec((await dashboard.notices.textContent()) ?? '') ?? [];
  expect(Number(to)).toBe(logStart);
  await expect(dashboard.cell('position', 'orders')).toHaveText('810');
  await dashboard.expectNumber('records-total', Number(from) + (810 - logStart));
  expect(await dashboard.number('repeated-total')).toBe(0);
});

test('a topic that was deleted and created anew is a gap, and its new records appear', async ({
  client,
  dashboard,
}) => {
  const admin = client.admin();
  await admin.createTopic({ name: 'orders' });
  await produce(client, 'orders', 50);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 50);
  await admin.deleteTopic('orders');
  await admin.createTopic({ name: 'orders' });
  await produce(client, 'orders', 5, { from: 1_000 });
  await expect(dashboard.notices).toContainText(/Gap in orders \/ 0: .*because the topic was created anew/, {
    timeout: 30_000,
  });
  await expect(dashboard.row('value-1004')).toBeVisible();
  await expect(dashboard.cell('position', 'orders')).toHaveText('5');
  await dashboard.expectNumber('records-total', 55);
});

test('with a group, a reload goes on at the committed offset', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 100);
  await dashboard.open('?group=watchers&topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 100);
  await expect(dashboard.cell('committed', 'orders')).toHaveText('100');
  await page.reload();
  await dashboard.expectLive();
  await expect(dashboard.cell('position', 'orders')).toHaveText('100');
  await produce(client, 'orders', 20, { from: 100 });
  await dashboard.expectEachOnce(20);
  expect((await dashboard.rows())[0]).toContain('value-100');
  await expect(dashboard.cell('committed', 'orders')).toHaveText('120');
  const { offsets } = await client.admin().describeGroup('watchers');
  expect(offsets).toMatchObject([{ topic: 'orders', partition: 0, committed: 120, lag: 0 }]);
});

test('a page that reads slowly holds no more than its bound, and then catches up', async ({ client, dashboard }) => {
  const bound = 16 * 1024 * 1024;
  const valueBytes = 64 * 1024;
  const records = 400;
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', records, { valueBytes });
  await dashboard.open('?topics=orders&from=earliest&rate=10');
  await expect.poll(() => dashboard.number('buffered-bytes')).toBeGreaterThan(2 * valueBytes);
  for (let look = 0; look < 10; look++) {
    expect(await dashboard.number('buffered-bytes')).toBeLessThanOrEqual(bound + 2 * valueBytes);
    await dashboard.page.waitForTimeout(200);
  }
  expect(await dashboard.number('records-total')).toBeLessThan(records / 2);
  await dashboard.page.getByRole('combobox', { name: 'Reading speed' }).selectOption('Full speed');
  await dashboard.expectEachOnce(records, 30_000);
});
