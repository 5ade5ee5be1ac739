// Playwright's `test` with what every spec needs: a gateway process, a Node client, and pages with the bundled SDK.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test as base, chromium, expect, type Page } from '@playwright/test';
import { Client } from 'distributedlog';
import { LAUNCH_ARGS } from '../../scripts/lib/browser.mjs';
import { Dashboard } from './dashboard.ts';
import { GatewayProcess } from './gateway-process.ts';
import { Site } from './site.ts';

export interface Fixtures {
  readonly gateway: GatewayProcess;
  /** A Node client of that gateway. */
  readonly client: Client;
  /** Opens e2e/pages/NAME.ts as the gateway itself serves it. */
  readonly openPage: (name: string, options?: { page?: Page; query?: string }) => Promise<Page>;
  /** A page of a browser with a back/forward cache, whose body says in `data-persisted` whether it came out of it. */
  readonly cachedPage: Page;
  /** The dashboard, not opened yet. */
  readonly dashboard: Dashboard;
  /** Fails the test when a page threw an error that nobody caught. */
  readonly noPageErrors: void;
}
export interface WorkerFixtures {
  readonly site: Site;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  site: [
    async ({}, use) => {
      const site = new Site();
      for (const name of ['reader', 'transports']) {
        await site.add(name, { file: fileURLToPath(new URL(`../pages/${name}.ts`, import.meta.url)) });
      }
      await use(site);
      rmSync(site.dir, { recursive: true, force: true });
    },
    { scope: 'worker' },
  ],
  gateway: async ({ site }, use) => {
    const gateway = await GatewayProcess.start(site.dir);
    await use(gateway);
    await gateway.dispose();
  },
  client: async ({ gateway }, use) => {
    const client = new Client({ bootstrapServers: gateway.url, clientId: 'e2e' });
    await use(client);
    await client.close();
  },
  openPage: async ({ gateway, page: first }, use) => {
    await use(async (name, { page = first, query = '' } = {}) => {
      await page.goto(`${gateway.httpUrl}/e2e/${name}.html${query}`);
      return page;
    });
  },
  cachedPage: async ({}, use) => {
    const executablePath = process.env.CHROMIUM_PATH;
    // Playwright switches the cache off unless told otherwise.
    const browser = await chromium.launch({
      args: LAUNCH_ARGS,
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
      ...(executablePath ? { executablePath } : {}),
    });
    const page = await browser.newPage();
    await page.addInitScript(() => {
      window.addEventListener('pageshow', ({ persisted }) =>
        document.body.setAttribute('data-persisted', String(persisted)),
      );
    });
    await use(page);
    await browser.close();
  },
  dashboard: async ({ gateway, page }, use) => {
    await use(new Dashboard(page, gateway.httpUrl));
  },
  noPageErrors: [
    async ({ context }, use) => {
      const errors: string[] = [];
      context.on('weberror', (error) => errors.push(String(error.error().stack)));
      await use();
      expect(errors).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

/** Sends `count` records with values `value-N`, N from `from`, and resolves when all are durable. */
export async function produce(
  client: Client,
  topic: string,
  count: number,
  options: { from?: number; valueBytes?: number; partition?: number | undefined } = {},
): Promise<void> {
  const { from = 0, valueBytes = 0, partition } = options;
  const producer = client.producer();
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      producer.send({
        topic,
        key: `key-${(from + index) % 10}`,
        value: `value-${from + index}`.padEnd(valueBytes, '.'),
        partition,
      }),
    ),
  );
  await producer.close();
}

/** Sends small records until it is told to stop; then resolves, once all are durable, with how many there are. */
export function keepProducing(client: Client, topic: string): { stop(): Promise<number> } {
  const producer = client.producer();
  const acknowledged: Promise<unknown>[] = [];
  const timer = setInterval(() => {
    for (let i = 0; i < 20; i++) {
      const sent = acknowledged.length;
      acknowledged.push(producer.send({ topic, key: `key-${sent % 10}`, value: `value-${sent}` }));
    }
  }, 10);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(acknowledged);
      return acknowledged.length;
    },
  };
}
