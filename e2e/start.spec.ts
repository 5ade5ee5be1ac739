// `npm start` as a newcomer meets it: it prints one address, real telemetry arrives there, Ctrl-C stops it cleanly, and the log is still there afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';
import { Admin } from 'distributedlog';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function start(dir: string): Promise<{ child: ChildProcess; address: string; output: () => string }> {
  const child = spawn('npm', ['start', '--', '--port', '0', '--data', dir], { cwd: ROOT, detached: true });
  let output = '';
  return new Promise((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk;
      const address = /Dashboard: (http:\S+)/.exec(output)?.[1];
      if (address) resolve({ child, address, output: () => output });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${output}`)));
  });
}

/** As a terminal does it: the signal goes to the whole foreground group. */
async function ctrlC(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-(child.pid ?? 0), 'SIGINT');
  await exited;
}

async function endOffset(address: string): Promise<number> {
  await using admin = new Admin({ bootstrapServers: new URL(address).host });
  const topic = (await admin.listTopics()).find(({ name }) => name === 'telemetry.cpu');
  return topic?.partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0) ?? 0;
}

test('npm start serves live telemetry at one address, stops cleanly on Ctrl-C and keeps its log', async ({ page }) => {
  const dir = mkdtempSync(join(tmpdir(), 'dlog-start-'));
  try {
    const first = await start(dir);
    await page.goto(first.address);
    await expect
      .poll(async () => Number((await page.getByTestId('records-total').textContent())?.replaceAll(/\D/g, '')), {
        timeout: 30_000,
      })
      .toBeGreaterThan(500);
    await page.close();
    await ctrlC(first.child);
    expect(first.output()).toContain('Stopped. The log stays where it is.');
    expect(first.output()).not.toMatch(/Error|at .*\.js:\d+/);

    const second = await start(dir);
    expect(await endOffset(second.address)).toBeGreaterThan(50);
    await ctrlC(second.child);
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
});
