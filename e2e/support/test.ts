// Playwright's `test` with what every spec needs: a gateway process, a Node client, and pages with the bundled SDK.

import { fileURLToPath } from 'node:url';
import { test as base, type Page } from '@playwright/test';
import { Client } from 'distributedlog';
import { build } from 'esbuild';
import { GatewayProcess } from './gateway-process.ts';

export interface Fixtures {
  readonly gateway: GatewayProcess;
  /** A Node client of that gateway. */
  readonly client: Client;
  /** Opens e2e/pages/NAME.ts, bundled as a user would, in a page of the gateway's own origin. */
  readonly openPage: (name: string, options?: { page?: Page; query?: string }) => Promise<Page>;
}

const bundles = new Map<string, Promise<string>>();
/** The page's script as a bundler makes it for users: the public entry point, browser conditions, nothing else. */
function bundle(name: string): Promise<string> {
  let script = bundles.get(name);
  if (!script) {
    script = build({
      entryPoints: [fileURLToPath(new URL(`../pages/${name}.ts`, import.meta.url))],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    }).then(({ outputFiles }) => outputFiles[0]?.text ?? '');
    bundles.set(name, script);
  }
  return script;
}

export const test = base.extend<Fixtures>({
  gateway: async ({}, use) => {
    const gateway = await GatewayProcess.start();
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
      const script = await bundle(name);
      const address = `${gateway.httpUrl}/e2e-${name}`;
      // Only the page itself is handed out by Playwright; its WebSocket is real.
      await page.route(`${address}*`, (route) =>
        route.fulfill({
          contentType: 'text/html',
          body: `<!doctype html><meta charset="utf-8"><title>${name}</title><script type="module">${script.replaceAll('</script', '<\\/script')}</script>`,
        }),
      );
      await page.goto(`${address}${query}`);
      return page;
    });
  },
});
export { expect } from '@playwright/test';

/** Sends `count` records with values `prefix-N`, N from `from`, and resolves when all are durable. */
export async function produce(
  client: Client,
  topic: string,
  count: number,
  options: { from?: number; valueBytes?: number; partition?: number } = {},
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
