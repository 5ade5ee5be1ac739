// The README's two examples, taken from the document itself and run as they stand.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build, transform } from 'esbuild';
import { expect, test } from './support/test.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIR = join(ROOT, 'dist/.readme');

/** The first `ts` block after the heading. */
function example(heading: string): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const code = new RegExp(`^#+ ${heading}\\n[\\s\\S]*?^\`\`\`ts\\n([\\s\\S]*?)^\`\`\``, 'm').exec(readme)?.[1];
  if (!code) throw new Error(`README.md has no ts block under "${heading}"`);
  return code;
}

test.beforeAll(() => mkdirSync(DIR, { recursive: true }));
test.afterAll(() => rmSync(DIR, { recursive: true, force: true }));

test('the Node example of the README runs', async ({ gateway }) => {
  const source = example('In Node').replaceAll('localhost:9192', `127.0.0.1:${gateway.port}`);
  const file = join(DIR, 'node-example.mjs');
  writeFileSync(file, (await transform(source, { loader: 'ts', target: 'node20' })).code);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 30_000, cwd: ROOT });
  expect(stdout).toMatch(/0 .*42/);
});

test('the browser example of the README runs', async ({ gateway, client, page }) => {
  await client.admin().createTopic({ name: 'orders' });
  const { outputFiles } = await build({
    stdin: { contents: example('In a page'), loader: 'ts', resolveDir: ROOT },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
  });
  const address = `${gateway.httpUrl}/readme`;
  await page.route(address, (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><ul id="orders"></ul><script type="module">${outputFiles[0]?.text ?? ''}</script>`,
    }),
  );
  await page.goto(address);
  await expect(page.locator('body')).toHaveAttribute('data-status', 'live');
  const producer = client.producer();
  await producer.send({ topic: 'orders', key: 'customer-7', value: JSON.stringify({ id: 1, total: 42 }) });
  await expect(page.locator('#orders li')).toContainText(['42']);
});
