// Members of a group that live in pages, when the page is loaded again, duplicated, or put into the back/forward cache.
import type { Page } from '@playwright/test';
import type { Client, ConsumerEvent } from 'distributedlog';
import { expectEachOnce, waitForTotal, waitUntilLive } from './support/reader.ts';
import { expect, produce, test } from './support/test.ts';

const QUERY = '?topic=events&from=earliest&group=g&surface=stream';

const memberOf = (page: Page) => page.evaluate(() => window.consumer.groupMetadata()?.memberId);
const partitionsOf = (page: Page) =>
  page.evaluate(() => window.consumer.assignment().map(({ partition }) => partition));
const rebalancesOf = (page: Page) =>
  page.evaluate(() => window.seen.events.filter(({ type }) => type === 'rebalance').length);
const expectPartitions = (page: Page, count: number): Promise<void> =>
  expect.poll(async () => (await partitionsOf(page)).length).toBe(count);

/** Another member of the group, in Node, that reads what it gets. */
function nodeMember(client: Client) {
  const consumer = client.consumer({ groupId: 'g', autoOffsetReset: 'earliest' });
  const events: ConsumerEvent[] = [];
  consumer.events$.subscribe((event) => events.push(event));
  const subscribed = consumer.subscribe('events');
  subscribed.then(() => consumer.stream().subscribe());
  return {
    consumer,
    rebalances: () => events.filter(({ type }) => type === 'rebalance').length,
  };
}

test('a page that is loaded again is the same member: nobody else hears of it, and nothing is repeated', async ({
  client,
  openPage,
}) => {
  await client.admin().createTopic({ name: 'events', partitions: 2 });
  const page = await openPage('reader', { query: QUERY });
  await waitUntilLive(page);
  const node = nodeMember(client);
  await expectPartitions(page, 1);
  await expect.poll(() => node.consumer.assignment().length).toBe(1);
  const [partition] = await partitionsOf(page);
  const member = await memberOf(page);
  const heard = node.rebalances();
  for (let load = 0; load < 3; load++) {
    await produce(client, 'events', 50, { partition });
    await waitForTotal(page, 50);
    const seen = await page.evaluate(() => Object.values(window.seen.offsets).flatMap((of) => Object.keys(of)));
    expect(seen.map(Number)).toEqual(Array.from({ length: 50 }, (_, i) => 50 * load + i));
    await page.reload();
    await waitUntilLive(page);
    expect(await partitionsOf(page)).toEqual([partition]);
    expect(await memberOf(page)).toBe(member);
    expect(await rebalancesOf(page)).toBe(1);
  }
  expect(node.rebalances()).toBe(heard);
  // The secret does not leave the page.
  expect(await page.evaluate(() => Object.keys(sessionStorage))).toEqual(['distributedlog:g:0']);
});

test('a duplicated tab is a member of its own, and both are themselves again after a reload', async ({
  client,
  openPage,
}) => {
  await client.admin().createTopic({ name: 'events', partitions: 2 });
  const page = await openPage('reader', { query: QUERY });
  await waitUntilLive(page);
  const member = await memberOf(page);
  const opened = page.waitForEvent('popup');
  await page.evaluate(() => void window.open(location.href));
  const copy = await opened;
  await copy.waitForURL(/reader/);
  await waitUntilLive(copy);
  expect(await copy.evaluate(() => Object.keys(sessionStorage))).toEqual(['distributedlog:g:0']);
  const other = await memberOf(copy);
  expect(other).not.toBe(member);
  expect(await memberOf(page)).toBe(member);
  await expectPartitions(page, 1);
  await expectPartitions(copy, 1);
  for (const [of, id] of [
    [copy, other],
    [page, member],
  ] as const) {
    await of.reload();
    await waitUntilLive(of);
    expect(await memberOf(of)).toBe(id);
  }
});

test('a page that opted out joins as a new member when it is loaded again', async ({ client, openPage }) => {
  await client.admin().createTopic({ name: 'events' });
  const page = await openPage('reader', { query: `${QUERY}&resume=no` });
  await waitUntilLive(page);
  const member = await memberOf(page);
  await page.reload();
  await waitUntilLive(page);
  expect(await memberOf(page)).not.toBe(member);
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  // The page before is given up soon, so its partition moves.
  await expectPartitions(page, 1);
});

test('a member comes back from the back/forward cache', async ({ client, openPage, cachedPage: page }) => {
  await client.admin().createTopic({ name: 'events' });
  await openPage('reader', { page, query: QUERY });
  await waitUntilLive(page);
  const member = await memberOf(page);
  await produce(client, 'events', 100);
  await waitForTotal(page, 100);
  await openPage('transports', { page });
  await produce(client, 'events', 100, { from: 100 });
  await page.evaluate(() => history.back());
  await expect(page.locator('body')).toHaveAttribute('data-persisted', 'true');
  await waitForTotal(page, 200);
  await expectEachOnce(page, 200);
  expect(await memberOf(page)).toBe(member);
  // What it keeps is its own again: a reload still finds it.
  await page.reload();
  await waitUntilLive(page);
  expect(await memberOf(page)).toBe(member);
});
