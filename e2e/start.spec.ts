// `npm start` as a newcomer meets it: it prints one address, real telemetry arrives there, Ctrl-C stops it cleanly, and the log is still there afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';
import { Admin } from 'distributedlog';
import { processTree, signal, stillRunning } from './support/processes.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
  /** The address it prints; rejects with all its output when it ends before. */
  readonly address: Promise<string>;
}

let dir: string;
const all: Started[] = [];

/** In a process group of its own, as a terminal starts it. */
function npmStart(): Started {
  const child = spawn('npm', ['start', '--', '--port', '0', '--data', dir], { cwd: ROOT, detached: true });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const address = new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk;
      const printed = /Dashboard: (http:\S+)/.exec(output)?.[1];
      if (printed) resolve(printed);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then((code) => reject(new Error(`npm start ended with ${code}:\n${output}`)));
  });
  const started = { child, exited, output: () => output, address };
  all.push(started);
  return started;
}

/** As a terminal does it: the signal goes to the whole foreground group. Afterwards nothing of it may run. */
async function ctrlC({ child, exited }: Started): Promise<void> {
  const pids = processTree(child.pid ?? 0);
  expect(pids.length, 'npm, the script, the gateway and the telemetry').toBeGreaterThanOrEqual(4);
  signal(-(child.pid ?? 0), 'SIGINT');
  await exited;
  await expect.poll(() => stillRunning(pids)).toEqual([]);
}

async function endOffset(address: string): Promise<number> {
  await using admin = new Admin({ bootstrapServers: new URL(address).host });
  const topic = (await admin.listTopics()).find(({ name }) => name === 'telemetry.cpu');
  return topic?.partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0) ?? 0;
}

test.beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-start-'));
});
test.afterEach(async () => {
  for (const { child, exited } of all.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    for (const pid of processTree(child.pid ?? 0)) signal(pid, 'SIGKILL');
    await exited;
  }
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

test('npm start serves live telemetry at one address, stops cleanly on Ctrl-C and keeps its log', async ({ page }) => {
  test.setTimeout(120_000);
  const first = npmStart();
  const address = await first.address;
  await page.goto(address);
  const total = page.getByTestId('records-total');
  await expect.poll(async () => Number(await total.getAttribute('value')), { timeout: 30_000 }).toBeGreaterThan(500);
  await expect(page.getByTestId('connection-status')).toHaveText('Live');
  const written = await endOffset(address);
  expect(written).toBeGreaterThan(0);
  await page.close();
  await ctrlC(first);
  expect(first.output()).toContain('Stopped. The log stays where it is.');
  expect(first.output()).not.toMatch(/Error|at .*\.js:\d+/);

  const second = npmStart();
  expect(await endOffset(await second.address)).toBeGreaterThanOrEqual(written);
  await ctrlC(second);
});

test('npm start says in one line that its port is taken, and leaves nothing running', async () => {
  const first = npmStart();
  const port = new URL(await first.address).port;
  const other = mkdtempSync(join(tmpdir(), 'dlog-start-'));
  try {
    const second = spawn('npm', ['start', '--silent', '--', '--port', port, '--data', other], { cwd: ROOT });
    let errors = '';
    second.stderr.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    const code = await new Promise((resolve) => second.once('exit', resolve));
    expect(code).toBe(1);
    expect(errors).toMatch(new RegExp(`port ${port} is in use`));
    expect(errors).not.toMatch(/ at .*\.m?js:\d+/);
  } finally {
    rmSync(other, { recursive: true, force: true });
  }
  await ctrlC(first);
});
