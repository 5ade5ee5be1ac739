// The dashboard's group view, with real members in Node and in tabs: who owns what, what happens to a group, and this tab as a member.
import type { Page } from '@playwright/test';
import { Client, type Consumer } from 'distributedlog';
import { Dashboard } from './support/dashboard.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { Link } from './support/link.ts';
import { test as base, expect, produce } from './support/test.ts';

interface NodeMember {
  readonly consumer: Consumer;
  id(): string;
  leave(): Promise<void>;
}
interface Fixtures {
  /** A member in Node, polling; `via`: its own way to the gateway. */
  readonly join: (clientId: string, options?: { via?: Link; sessionTimeoutMs?: number }) => Promise<NodeMember>;
  /** A way to the gateway that can be cut. */
  readonly link: Link;
  /** Fails the test when a page wrote an error to its console. */
  readonly quietConsole: void;
}

const GROUP = 'billing';
const TOPICS = { orders: 6, clicks: 3 };
const PARTITIONS = 9;

const test = base.extend<Fixtures>({
  join: async ({ gateway, client }, use) => {
    for (const [name, partitions] of Object.entries(TOPICS)) await client.admin().createTopic({ name, partitions });
    const ends: (() => Promise<void>)[] = [];
    await use(async (clientId, { via, sessionTimeoutMs = 30_000 } = {}) => {
      const bootstrapServers = via === undefined ? gateway.url : `ws://127.0.0.1:${via.port}`;
      const own = new Client({ bootstrapServers, clientId });
      const consumer = own.consumer({
        groupId: GROUP,
        sessionTimeoutMs,
        autoCommitIntervalMs: 200,
        autoOffsetReset: 'earliest',
      });
      await consumer.subscribe(Object.keys(TOPICS));
      const stop = new AbortController();
      const reading = (async () => {
        while (!stop.signal.aborted) await consumer.poll({ timeoutMs: 200 }).catch(() => stop.abort());
      })();
      let ended: Promise<void> | undefined;
      const leave = (): Promise<void> => {
        ended ??= (async () => {
          stop.abort();
          await reading;
          await consumer.close({ timeoutMs: 1000 }).catch(() => undefined);
          await own.close();
        })();
        return ended;
      };
      ends.push(leave);
      return { consumer, id: () => consumer.groupMetadata()?.memberId ?? '?', leave };
    });
    await Promise.all(ends.map((end) => end()));
  },
  link: async ({}, use) => {
    const link = await Link.open();
    await use(link);
    await link.close();
  },
  gateway: async ({ link, site }, use) => {
    const gateway = await GatewayProcess.start(site.dir, ['--allowed-host', `127.0.0.1:${link.port}`]);
    link.target = gateway.port;
    await use(gateway);
    await gateway.dispose();
  },
  quietConsole: [
    async ({ context }, use) => {
      const errors: string[] = [];
      context.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text());
      });
      await use();
      expect(errors).toEqual([]);
    },
    { auto: true },
  ],
});

/** How many partitions each owner has in the picture. */
async function shares(dashboard: Dashboard): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const owner of Object.values(await dashboard.owners())) counts[owner] = (counts[owner] ?? 0) + 1;
  return counts;
}
const backgroundOf = (page: Page, testId: string): Promise<string> =>
  page.getByTestId(testId).evaluate((cell) => getComputedStyle(cell).backgroundColor);
/** The member that this tab says it is. */
async function ownId(page: Page): Promise<string> {
  const own = page.getByTestId('members').getByRole('button', { name: 'this tab' });
  await expect(own).toBeVisible();
  return (await own.getAttribute('data-testid'))?.replace('member-', '') ?? '';
}
const secondTab = async (page: Page, gateway: GatewayProcess): Promise<Dashboard> =>
  new Dashboard(await page.context().newPage(), gateway.httpUrl);

test('two Node members and this tab share the partitions, and the picture says who has which', async ({
  client,
  dashboard,
  join,
  page,
}) => {
  const anna = await join('anna');
  const bert = await join('bert');
  await dashboard.openGroup(GROUP);
  await expect.poll(() => dashboard.owners().then((owners) => Object.keys(owners).length)).toBe(PARTITIONS);
  await page.getByTestId('join').click();
  const own = await ownId(page);
  await expect.poll(() => shares(dashboard)).toEqual({ [anna.id()]: 3, [bert.id()]: 3, [own]: 3 });
  await expect(page.getByTestId('group-state')).toHaveText('Stable');
  await expect(page.getByTestId('tab-member')).toContainText(`3 of ${PARTITIONS} partitions`);

  // One colour for each owner, on every cell of it and on its card; what this tab has is marked.
  await page.waitForTimeout(600); // the fading of colours
  const colors = new Map<string, Set<string>>();
  for (const [key, owner] of Object.entries(await dashboard.owners())) {
    colors.set(owner, (colors.get(owner) ?? new Set()).add(await backgroundOf(page, `cell-${key}`)));
  }
  expect([...colors.values()].map((set) => set.size)).toEqual([1, 1, 1]);
  expect(new Set([...colors.values()].flatMap((set) => [...set])).size).toBe(3);
  await expect(page.getByTestId('cells').locator('.own')).toHaveCount(3);

  // It reads its share, and only that.
  await produce(client, 'orders', 600);
  await produce(client, 'clicks', 300);
  const { assignment } =
    (await client.admin().describeGroup(GROUP)).members.find(({ memberId }) => memberId === own) ?? {};
  expect(assignment).toHaveLength(3);
  const topics = await client.admin().listTopics();
  const expected = topics
    .flatMap((topic) => topic.partitions)
    .filter(({ topic, partition }) => assignment?.some((one) => one.topic === topic && one.partition === partition))
    .reduce((sum, { highWatermark }) => sum + highWatermark, 0);
  await dashboard.expectEachOnce(expected);
  await expect(page.getByTestId('group-lag')).toHaveText('0');
});

test('what a member that leaves had goes to the others, and the list says so', async ({ dashboard, join, page }) => {
  const anna = await join('anna');
  const bert = await join('bert');
  await dashboard.openGroup(GROUP);
  await expect
    .poll(() => shares(dashboard))
    .toMatchObject({ [anna.id()]: expect.any(Number), [bert.id()]: expect.any(Number) });
  await bert.leave();
  await expect(dashboard.groupEvents).toContainText(/bert \w+ left/);
  await expect.poll(() => shares(dashboard)).toEqual({ [anna.id()]: PARTITIONS });
  await expect(dashboard.groupEvents.getByRole('listitem').filter({ hasText: /bert \w+ → anna \w+/ })).not.toHaveCount(
    0,
  );
  await expect(page.getByTestId('group-members')).toHaveText('1');
  await page.getByRole('tab', { name: 'Table' }).click();
  const rows = page.getByTestId('group-table').getByRole('row');
  await expect(rows).toHaveCount(PARTITIONS + 1);
  await expect(rows.filter({ hasText: 'anna' })).toHaveCount(PARTITIONS);
  await expect(rows.filter({ hasText: 'orders / 5' })).toContainText('anna');
});

test('a member whose connection is lost is kept, and gone when it does not come back', async ({
  dashboard,
  join,
  link,
  page,
}) => {
  const anna = await join('anna');
  const bert = await join('bert', { via: link, sessionTimeoutMs: 6000 });
  await dashboard.openGroup(GROUP);
  await expect.poll(async () => (await shares(dashboard))[bert.id()]).toBeGreaterThan(0);
  const id = bert.id();
  link.cut();
  await expect(dashboard.member(id)).toContainText('connection lost, kept');
  await expect(page.getByTestId('cells').locator('.kept')).not.toHaveCount(0);
  await expect(dashboard.groupEvents).toContainText(/bert \w+ lost its connection; its \d partitions are kept/);
  link.mend();
  await expect(dashboard.groupEvents).toContainText(/bert \w+ came back; nothing moved/);
  await expect(page.getByTestId('cells').locator('.kept')).toHaveCount(0);
  expect(bert.id()).toBe(id);

  link.cut();
  await expect(dashboard.groupEvents).toContainText(/bert \w+ is gone: it did not come back in time/);
  await expect.poll(() => shares(dashboard)).toEqual({ [anna.id()]: PARTITIONS });
  await expect(dashboard.member(id)).toHaveCount(0);
});

test('tabs share a group that one of them makes; a reload keeps the member, leaving gives its share back', async ({
  client,
  dashboard,
  gateway,
  page,
}) => {
  await client.admin().createTopic({ name: 'orders', partitions: 6 });
  await dashboard.open('?topics=orders');
  await page.getByRole('link', { name: 'Groups' }).click();
  await page.getByRole('textbox', { name: 'New group' }).fill('tabs');
  await page.getByRole('button', { name: 'Create and join' }).click();
  const own = await ownId(page);
  await expect.poll(() => shares(dashboard)).toEqual({ [own]: 6 });
  expect(new URL(page.url()).search).toBe('?view=groups&show=tabs&group=tabs&topics=orders');

  const other = await secondTab(page, gateway);
  await other.openGroup('tabs');
  await expect(other.page.getByTestId('tab-member')).toHaveText('This tab is not a member.');
  await other.page.getByTestId('join').click();
  const second = await ownId(other.page);
  await page.bringToFront();
  await expect.poll(() => shares(dashboard)).toEqual({ [own]: 3, [second]: 3 });
  await expect(dashboard.groupEvents).toContainText(/dashboard \w+ joined/);
  await expect(dashboard.groupEvents).toContainText('this tab gave up orders /');
  // Both tabs have given both members the same colours.
  const key = 'cell-orders-0';
  await expect.poll(async () => (await backgroundOf(page, key)) === (await backgroundOf(other.page, key))).toBe(true);

  await page.reload();
  expect(await ownId(page)).toBe(own);
  await expect(page.getByTestId('tab-resumed')).toHaveText('the same member as before the reload');
  await expect.poll(() => shares(dashboard)).toEqual({ [own]: 3, [second]: 3 });
  await other.page.getByTestId('leave').click();
  await expect.poll(() => shares(dashboard)).toEqual({ [own]: 6 });
  await expect(dashboard.groupEvents).toContainText(/dashboard \w+ left/);
  await expect(dashboard.groupEvents).not.toContainText('lost its connection');
});

test('the picture can be walked through with the keyboard, and picks out what a member has', async ({
  dashboard,
  join,
  page,
}) => {
  const anna = await join('anna');
  const bert = await join('bert');
  await dashboard.openGroup(GROUP);
  await expect
    .poll(() => shares(dashboard))
    .toMatchObject({ [anna.id()]: expect.any(Number), [bert.id()]: expect.any(Number) });
  await page.getByTestId('members').getByRole('button').last().focus();
  await page.keyboard.press('Tab');
  await expect(dashboard.groupCell('clicks', 0)).toBeFocused();
  await expect(dashboard.groupCell('clicks', 0)).toHaveAccessibleName(
    /^clicks partition 0, owned by (anna|bert) \w{4,}, lag 0$/,
  );
  await expect(page.locator('.cell-tip')).toContainText('clicks / 0');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect(dashboard.groupCell('orders', 0)).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.locator('.cell-tip')).toBeHidden();
  await page.keyboard.press('Enter');
  const owner = (await dashboard.owners())['orders-0'] ?? '';
  await expect(dashboard.member(owner)).toHaveAttribute('aria-pressed', 'true');
  const mine = Object.values(await dashboard.owners()).filter((one) => one === owner).length;
  await expect(page.getByTestId('cells').locator('.cell-box:not(.aside-of-it)')).toHaveCount(mine);
  await page.keyboard.press('End');
  await expect(dashboard.groupCell('orders', 5)).toBeFocused();
  // Nothing that can be used is without a name.
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('.groups-app :is(button, input, select, a)')]
      .filter((one) => one.checkVisibility() && one.textContent === '' && one.ariaLabel === null)
      .filter((one) => !(one instanceof HTMLInputElement && (one.labels?.length ?? 0) > 0))
      .map((one) => one.outerHTML),
  );
  expect(nameless).toEqual([]);
  await page.keyboard.press('g');
  await expect(dashboard.records).toBeVisible();
  await page.goBack();
  await expect(page.getByTestId('cells')).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`fits a phone, in ${colorScheme}`, async ({ client, dashboard, join, page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 420, height: 860 });
    await join('anna');
    await join('bert');
    await produce(client, 'orders', 100);
    await dashboard.openGroup(GROUP);
    await expect.poll(() => dashboard.owners().then((owners) => Object.keys(owners).length)).toBe(PARTITIONS);
    await page.getByTestId('join').click();
    await expect(page.getByTestId('tab-member')).toContainText('This tab is dashboard');
    await expect(page.getByTestId('leave')).toBeInViewport();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(420);
    const cell = await dashboard.groupCell('orders', 0).boundingBox();
    expect(cell?.width).toBeGreaterThan(40);
    await page.getByRole('button', { name: `Groups: ${GROUP}` }).click();
    await expect(page.getByTestId('groups').getByRole('button', { name: GROUP })).toBeVisible();
  });
}

test('is not asked for while nobody looks, and tells what happened meanwhile', async ({
  dashboard,
  gateway,
  join,
  page,
}) => {
  const anna = await join('anna');
  await dashboard.openGroup(GROUP);
  await expect.poll(() => shares(dashboard)).toEqual({ [anna.id()]: PARTITIONS });
  const asked = async (): Promise<number> => {
    const metrics = await (await fetch(`${gateway.httpUrl}/metrics`)).text();
    return Number(/dlog_requests_total\{[^}]*describeGroup[^}]*\} (\d+)/.exec(metrics)?.[1] ?? Number.NaN);
  };
  await page.getByRole('link', { name: 'Records' }).click();
  await expect(page.getByTestId('cells')).toBeHidden();
  const before = await asked();
  expect(before).toBeGreaterThan(0);
  await join('bert');
  await page.waitForTimeout(2500); // two and a half looks, if there were any
  expect(await asked()).toBe(before);
  await page.getByRole('link', { name: 'Groups' }).click();
  await expect(dashboard.groupEvents).toContainText(/bert \w+ joined/);
});
