// The dashboard as the gateway serves it, used as a person would: what it shows, what its controls do, and how it is reached without a mouse.
import { Dashboard } from './support/dashboard.ts';
import { expect, produce, test } from './support/test.ts';

const MINUTE_MS = 60_000;

test('shows records that were produced from Node, with their keys and JSON values', async ({ client, dashboard }) => {
  await client.admin().createTopic({ name: 'orders' });
  await dashboard.open('?topics=orders&from=latest');
  await expect(dashboard.cell('position', 'orders')).toHaveText('0');
  const producer = client.producer();
  await producer.send({ topic: 'orders', key: 'customer-7', value: JSON.stringify({ id: 1, total: 42 }) });
  await producer.send({ topic: 'orders', key: 'Zoë', value: 'plain text' });
  await producer.send({ topic: 'orders', value: new Uint8Array([0, 255, 1]) });
  await expect(dashboard.row('customer-7')).toContainText('{"id":1,"total":42}');
  await expect(dashboard.row('Zoë')).toContainText('plain text');
  await expect(dashboard.row('00 ff 01')).toBeVisible();
  expect((await dashboard.rows()).map((row) => row.split(' ').slice(1, 5).join(' '))).toEqual([
    'orders 0 0 customer-7',
    'orders 0 1 Zoë',
    'orders 0 2 –',
  ]);
  await dashboard.expectEachOnce(3);
});

test('reads the topics that are chosen, and keeps the choice in the address', async ({ client, dashboard, page }) => {
  for (const name of ['alpha', 'beta', 'gamma']) {
    await client.admin().createTopic({ name });
    await produce(client, name, 3);
  }
  await dashboard.open();
  await expect(dashboard.records.locator('..')).toContainText('No topics chosen');
  await dashboard.topic('alpha').check();
  await dashboard.expectNumber('records-total', 3);
  await dashboard.topic('beta').check();
  await dashboard.expectNumber('records-total', 6);
  expect(new URL(page.url()).search).toBe('?topics=alpha,beta');
  await dashboard.topic('alpha').uncheck();
  await expect(dashboard.cell('position', 'alpha')).toBeHidden();
  await produce(client, 'alpha', 5, { from: 3 });
  await produce(client, 'beta', 1, { from: 3 });
  await dashboard.expectNumber('records-total', 7);

  await page.reload();
  await expect(dashboard.topic('beta')).toBeChecked();
  await expect(dashboard.topic('alpha')).not.toBeChecked();
  await dashboard.expectNumber('records-total', 4);
  expect((await dashboard.rows()).every((row) => row.includes('beta'))).toBe(true);

  await page.getByRole('searchbox', { name: 'Find topics by name' }).fill('amm');
  await expect(dashboard.topic('gamma')).toBeVisible();
  await expect(dashboard.topic('beta')).toBeHidden();
  await page.getByRole('button', { name: 'None', exact: true }).click();
  await expect(dashboard.cell('position', 'beta')).toBeHidden();
  expect(new URL(page.url()).searchParams.get('topics')).toBe('');
});

test('a new topic can be created and is read at once', async ({ dashboard, client, page }) => {
  await dashboard.open();
  await page.getByRole('button', { name: 'New topic' }).click();
  const dialog = page.getByRole('dialog', { name: 'New topic' });
  await dialog.getByLabel('Name').fill('made-here');
  await dialog.getByLabel('Partitions').fill('2');
  await dialog.getByRole('button', { name: 'Create topic' }).click();
  await expect(dialog).toBeHidden();
  await expect(dashboard.topic('made-here')).toBeChecked();
  await expect(dashboard.cell('position', 'made-here', 1)).toHaveText('0');
  await produce(client, 'made-here', 10);
  await dashboard.expectEachOnce(10);
});

test('pause stops reading and resume goes on where it was', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 10);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 10);
  await dashboard.pause.click();
  await produce(client, 'orders', 40, { from: 10 });
  // The page knows of them, and takes none.
  await expect(dashboard.cell('end', 'orders')).toHaveText('50');
  await expect(dashboard.cell('lag', 'orders')).toHaveText('40');
  await expect(dashboard.cell('position', 'orders')).toHaveText('10');
  expect(await dashboard.number('records-total')).toBe(10);
  await dashboard.resume.click();
  await dashboard.expectEachOnce(50);
  await expect(dashboard.row('value-49')).toBeVisible();

  await page.keyboard.press('p');
  await expect(dashboard.resume).toBeVisible();
  await page.keyboard.press('p');
  await expect(dashboard.pause).toBeVisible();
});

test('one partition can be paused while the others go on', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders', partitions: 2 });
  await dashboard.open('?topics=orders&from=earliest');
  const pause = page.getByRole('button', { name: 'Pause orders partition 1' });
  await pause.click();
  await expect(pause).toHaveAttribute('aria-pressed', 'true');
  await produce(client, 'orders', 20, { partition: 1 });
  await produce(client, 'orders', 20, { partition: 0 });
  await expect(dashboard.cell('position', 'orders', 0)).toHaveText('20');
  await expect(dashboard.cell('end', 'orders', 1)).toHaveText('20');
  await expect(dashboard.cell('position', 'orders', 1)).toHaveText('0');
  await pause.click();
  await expect(dashboard.cell('position', 'orders', 1)).toHaveText('20');
  await dashboard.expectEachOnce(40);
});

test('the filter shows what matches, counts it, and goes on with new records', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 100);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('row-count', 100);
  await dashboard.filter.fill('VALUE-7');
  await dashboard.expectNumber('match-count', 11);
  await expect(page.getByText('11 found in 100 records')).toBeVisible();
  const expected = [7, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79];
  await expect.poll(async () => (await dashboard.rows()).length).toBe(11);
  expect((await dashboard.rows()).map((row) => row.split(' ').at(-1))).toEqual(expected.map((n) => `value-${n}`));
  expect(new URL(page.url()).searchParams.get('q')).toBe('VALUE-7');
  await produce(client, 'orders', 100, { from: 700 });
  await dashboard.expectNumber('match-count', 111);
  await dashboard.filter.fill('key-3');
  await dashboard.expectNumber('match-count', 20);
  await dashboard.filter.fill('no such thing');
  await expect(page.getByText('Nothing matches the filter')).toBeVisible();
  await dashboard.filter.press('Escape');
  await expect(dashboard.filter).toHaveValue('');
  await expect(dashboard.row('value-799')).toBeVisible();
});

test('the inspector shows JSON in lines, headers as they are, and tombstones', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  const value = { id: 7, items: [{ sku: 'a-1', count: 2 }], note: 'crème "brûlée"', none: null };
  const header = (text: string): Uint8Array => new TextEncoder().encode(text);
  const producer = client.producer();
  await producer.send({
    topic: 'orders',
    key: 'customer-7',
    value: JSON.stringify(value),
    headers: [
      { key: 'trace', value: header('first') },
      { key: 'trace', value: header('second') },
      { key: 'nothing', value: null },
    ],
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  });
  await producer.send({ topic: 'orders', key: 'customer-8', value: null });
  await dashboard.open('?topics=orders&from=earliest');

  await dashboard.row('customer-7').click();
  const { inspector } = dashboard;
  await expect(inspector.getByRole('heading', { name: 'orders / 0 @ 0' })).toBeVisible();
  await expect(inspector).toContainText('2026-01-02T03:04:05.006Z');
  const content = inspector.getByLabel('Value content');
  expect(await content.textContent()).toBe(JSON.stringify(value, null, 2));
  await inspector.getByRole('group', { name: 'Value format' }).getByRole('button', { name: 'Text' }).click();
  expect(await content.textContent()).toBe(JSON.stringify(value));
  await inspector.getByRole('group', { name: 'Value format' }).getByRole('button', { name: 'Hex' }).click();
  await expect(content).toContainText('000000  7b 22 69 64');
  const headers = inspector.getByRole('region', { name: 'Headers' });
  expect(await headers.getByRole('term').allTextContents()).toEqual(['trace', 'trace', 'nothing']);
  expect(await headers.getByRole('definition').allTextContents()).toEqual(['first', 'second', 'null']);

  await inspector.getByRole('button', { name: 'Next record' }).click();
  await expect(inspector.getByRole('heading', { name: 'orders / 0 @ 1' })).toBeVisible();
  await expect(inspector.getByRole('region', { name: 'Value' })).toContainText('tombstone');
  await expect(inspector.getByRole('region', { name: 'Key' })).toContainText('customer-8');
  await expect(headers).toContainText('No headers.');
  await page.keyboard.press('Escape');
  await expect(inspector).toBeHidden();
  await expect(dashboard.row('customer-8')).toContainText('tombstone');
});

test('a record in hand stays in sight while thousands stream past', async ({ client, dashboard }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 200);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 200);
  const row = dashboard.row('value-195');
  await row.click();
  const before = await row.boundingBox();
  await produce(client, 'orders', 5_000, { from: 200 });
  await dashboard.expectNumber('records-total', 5_200);
  expect(await row.boundingBox()).toEqual(before);
  await expect(dashboard.inspector).toContainText('value-195');
  await dashboard.page.getByRole('button', { name: 'Jump to live' }).click();
  await expect(dashboard.row('value-5199')).toBeVisible();
  await expect(row).toBeHidden();
});

test('everything can be reached with the keyboard alone', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 30);
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 30);

  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the records' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press('Tab');
    if (await dashboard.records.evaluate((grid) => grid === document.activeElement)) break;
  }
  await expect(dashboard.records).toBeFocused();

  const active = (): Promise<string | null> =>
    dashboard.records.evaluate(
      (grid) => document.getElementById(grid.getAttribute('aria-activedescendant') ?? '')?.textContent ?? null,
    );
  await page.keyboard.press('ArrowUp');
  await expect.poll(active).toContain('value-29');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowDown');
  await expect.poll(active).toContain('value-28');
  await page.keyboard.press('Home');
  await expect.poll(active).toContain('value-0');
  await page.keyboard.press('Enter');
  const heading = dashboard.inspector.getByRole('heading', { name: 'orders / 0 @ 0' });
  await expect(heading).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dashboard.inspector).toBeHidden();
  await expect(dashboard.records).toBeFocused();
  await page.keyboard.press('End');
  await expect.poll(active).toBeNull();

  await page.keyboard.press('/');
  await expect(dashboard.filter).toBeFocused();
  await page.keyboard.type('value-2');
  await dashboard.expectNumber('match-count', 11);
  await page.keyboard.press('Escape');
  await expect(dashboard.filter).toHaveValue('');

  await dashboard.tab('Partitions').focus();
  await page.keyboard.press('ArrowRight');
  await expect(dashboard.tab('Produce')).toBeFocused();
  await expect(page.getByRole('form', { name: 'Produce a record' })).toBeVisible();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect(dashboard.tab('Partitions')).toBeFocused();

  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await expect(help).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(help).toBeHidden();
});

test('a seek goes to the beginning and to an offset', async ({ client, dashboard }) => {
  await client.admin().createTopic({ name: 'orders' });
  await produce(client, 'orders', 50);
  await dashboard.open('?topics=orders&from=latest');
  await expect(dashboard.cell('position', 'orders')).toHaveText('50');
  expect(await dashboard.number('records-total')).toBe(0);

  await dashboard.seek('orders', 0, 'The beginning of the log');
  await dashboard.expectEachOnce(50);
  await dashboard.seek('orders', 0, 'Offset', { label: 'Offset', value: '45' });
  await dashboard.expectNumber('records-total', 55);
  expect((await dashboard.rows()).slice(-5).map((row) => row.split(' ').at(-1))).toEqual(
    [45, 46, 47, 48, 49].map((n) => `value-${n}`),
  );
});

test('"Last 5 minutes, then live" shows what is not older, and then what comes', async ({ client, dashboard }) => {
  await client.admin().createTopic({ name: 'orders' });
  const producer = client.producer();
  const now = Date.now();
  for (const [name, minutes] of [
    ['hour-old', 60],
    ['too-old', 6],
    ['in-time', 4],
    ['fresh', 0],
  ] as const) {
    await producer.send({ topic: 'orders', key: name, value: 'x', timestamp: now - minutes * MINUTE_MS });
  }
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('row-count', 4);
  await dashboard.start.selectOption('Last 5 minutes, then live');
  await expect(dashboard.row('too-old')).toBeHidden();
  await dashboard.expectNumber('row-count', 2);
  await producer.send({ topic: 'orders', key: 'live', value: 'x' });
  await expect(dashboard.row('live')).toBeVisible();
  expect((await dashboard.rows()).map((row) => row.split(' ')[4])).toEqual(['in-time', 'fresh', 'live']);
  expect(new URL(dashboard.page.url()).searchParams.get('from')).toBe('5');

  await dashboard.start.selectOption('From the beginning');
  await dashboard.expectNumber('row-count', 5);
  await expect(dashboard.row('hour-old')).toBeVisible();
});

test('the form produces a record, which appears', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.tab('Produce').click();
  const form = page.getByRole('form', { name: 'Produce a record' });
  await expect(form.getByLabel('Topic')).toHaveValue('orders');
  await form.getByLabel('Key').fill('customer-9');
  await form.getByLabel('Value').fill('{"total": 9}');
  await expect(form).toContainText('Valid JSON');
  await form.getByLabel('Headers').fill('trace: abc');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByTestId('produce-result')).toHaveText('Written to orders / 0 at offset 0');
  await expect(dashboard.row('customer-9')).toContainText('{"total": 9}');

  await form.getByLabel('Tombstone').check();
  await form.getByLabel('Key').press('Control+Enter');
  await expect(page.getByTestId('produce-result')).toHaveText('Written to orders / 0 at offset 1');
  await expect(dashboard.row('tombstone')).toContainText('customer-9');

  const written = client.consumer({ autoOffsetReset: 'earliest' });
  await written.subscribe('orders');
  const [first, second] = [...(await written.poll({ maxRecords: 1 })), ...(await written.poll({ maxRecords: 1 }))];
  expect(first?.headers.map(({ key, value }) => [key, new TextDecoder().decode(value ?? undefined)])).toEqual([
    ['trace', 'abc'],
  ]);
  expect(second?.value).toBeNull();

  await form.getByLabel('Topic').fill('not/allowed');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByTestId('produce-result')).toContainText('not/allowed');
});

test('the list of partitions shows where each begins, ends and is read', async ({ client, dashboard, page }) => {
  await client.admin().createTopic({ name: 'orders', partitions: 3 });
  await produce(client, 'orders', 10, { partition: 0 });
  await produce(client, 'orders', 5, { partition: 2 });
  await dashboard.open('?topics=orders&from=earliest');
  await dashboard.expectNumber('records-total', 15);
  const table = page.getByRole('table', { name: 'Partitions that this page reads' });
  await expect(table.getByRole('columnheader', { name: 'Position' })).toBeVisible();
  for (const [partition, end] of [10, 0, 5].entries()) {
    await expect(dashboard.cell('start', 'orders', partition)).toHaveText('0');
    await expect(dashboard.cell('end', 'orders', partition)).toHaveText(String(end));
    await expect(dashboard.cell('position', 'orders', partition)).toHaveText(String(end));
    await expect(dashboard.cell('lag', 'orders', partition)).toHaveText('0');
  }
});

test('a second tab shows the same, and each its own', async ({ client, dashboard, context, gateway }) => {
  await client.admin().createTopic({ name: 'orders', partitions: 2 });
  const second = new Dashboard(await context.newPage(), gateway.httpUrl);
  await dashboard.open('?topics=orders&from=earliest');
  await second.open('?topics=orders&from=earliest');
  await produce(client, 'orders', 300);
  await dashboard.expectEachOnce(300);
  await second.expectEachOnce(300);
  await second.pause.click();
  await produce(client, 'orders', 100, { from: 300 });
  await dashboard.expectEachOnce(400);
  expect(await second.number('records-total')).toBe(300);
});
