// The README's examples, taken from the document itself and run as they stand.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
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

/** Resolves with what it printed. */
async function runInNode(name: string, source: string): Promise<string> {
  const file = join(DIR, `${name}-example.mjs`);
  writeFileSync(file, (await transform(source, { loader: 'ts', target: 'node20' })).code);
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    timeout: 30_000,
    cwd: ROOT,
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
  });
  return stdout;
}

test.beforeAll(() => mkdirSync(DIR, { recursive: true }));
test.afterAll(() => rmSync(DIR, { recursive: true, force: true }));

test('the Node example of the README runs', async ({ gateway }) => {
  const stdout = await runInNode('node', example('In Node').replaceAll('localhost:9192', `127.0.0.1:${gateway.port}`));
  expect(stdout).toMatch(/0 .*42/);
});

test('the testing example of the README runs, without waiting', async () => {
  expect(await runInNode('testing', example('Testing what you build'))).toBe('2\n1\n');
});

test('the browser example of the README runs', async ({ gateway, client, page, site }) => {
  await client.admin().createTopic({ name: 'orders' });
  const path = await site.add('readme', { code: example('In a page'), resolveDir: ROOT }, '<ul id="orders"></ul>');
  await page.goto(`${gateway.httpUrl}${path}`);
  await expect(page.locator('body')).toHaveAttribute('data-status', 'live');
  await client.producer().send({ topic: 'orders', key: 'customer-7', value: JSON.stringify({ id: 1, total: 42 }) });
  await expect(page.locator('#orders li')).toContainText(['42']);
});
