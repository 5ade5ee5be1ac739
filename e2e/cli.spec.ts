// The README's command lines, as they are written there, against a real gateway: a growing file goes in, records come out, Ctrl-C commits.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test as base } from '@playwright/test';
import { freePort } from './support/gateway-process.ts';
import { processTree, signal } from './support/processes.ts';
import { expect } from './support/test.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The lines of the README's section, without their comments. */
const LINES = (
  /^## On the command line\n+```sh\n([\s\S]*?)^```/m.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? ''
)
  .split('\n')
  .map((line) => line.replace(/\s+#.*$/, ''))
  .filter((line) => line !== '');

/** The one line of the README that begins so. */
function lineOf(start: string): string {
  const found = LINES.filter((line) => line.startsWith(start));
  if (found.length !== 1) throw new Error(`README.md has ${found.length} lines that begin with "${start}"`);
  return found[0] ?? '';
}

class Running {
  readonly child: ChildProcess;
  /** The exit code as a shell tells it: 130 when Ctrl-C ended it. */
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(line: string, options: { cwd: string; env: NodeJS.ProcessEnv }) {
    // A job of its own, as an interactive shell runs it, so that Ctrl-C can be sent to all of it.
    this.child = spawn('bash', ['-c', line], { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signalName) => resolve(signalName === 'SIGINT' ? 130 : code));
    });
  }
  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }
  ctrlC(): Promise<number | null> {
    signal(-(this.child.pid ?? 0), 'SIGINT');
    return this.exited;
  }
  async end(): Promise<void> {
    if (this.running) for (const pid of processTree(this.child.pid ?? 0)) signal(pid, 'SIGKILL');
    await this.exited;
  }
}

interface Shell {
  readonly cwd: string;
  readonly port: number;
  /** Starts a line; whatever still runs at the end of the test is killed. */
  start(line: string): Running;
  /** Runs a line to its end. */
  run(line: string): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** A directory in which this build is installed, with the gateway that the README starts on a free port. */
const test = base.extend<{ shell: Shell; gateway: { ctrlC(): Promise<number | null>; again(): Promise<void> } }>({
  gateway: async ({ shell }, use) => {
    let running: Running;
    const again = async (): Promise<void> => {
      running = shell.start(`${lineOf('npx dlog gateway')} --port ${shell.port} --log-level error`);
      await expect.poll(() => running.stdout).toContain('listens on');
    };
    await again();
    await use({ ctrlC: () => running.ctrlC(), again });
  },
  shell: async ({}, use) => {
    const cwd = mkdtempSync(join(tmpdir(), 'dlog-cli-'));
    mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
    symlinkSync(join(ROOT, 'gateway/bin/dlog.js'), join(cwd, 'node_modules/.bin/dlog'));
    writeFileSync(join(cwd, 'package.json'), '{}');
    const port = await freePort();
    const env = { ...process.env, DLOG_BOOTSTRAP: `127.0.0.1:${port}`, npm_config_loglevel: 'error' };
    const all: Running[] = [];
    const shell: Shell = {
      cwd,
      port,
      start(line) {
        const running = new Running(line, { cwd, env });
        all.push(running);
        return running;
      },
      async run(line) {
        const running = shell.start(line);
        return { code: await running.exited, stdout: running.stdout, stderr: running.stderr };
      },
    };
    await use(shell);
    for (const running of all.reverse()) await running.end();
    rmSync(cwd, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  },
});

/** npx ends by the signal that its child has handled; what it ran ends with 0. */
const ENDED = [0, 130];

interface Line {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}
const records = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

test('a growing file becomes records that a follower prints as they come, until Ctrl-C', async ({
  shell,
  gateway: _,
}) => {
  expect(await shell.run(lineOf('npx dlog topics create'))).toMatchObject({ code: 0, stderr: '' });
  const log = join(shell.cwd, 'access.log');
  writeFileSync(log, 'GET /0\n');
  const producer = shell.start(lineOf('tail -f access.log'));
  const follower = shell.start(lineOf('npx dlog consume access-log'));
  const values = (): string[] => records(follower.stdout).map(({ value }) => value);
  await expect.poll(values).toEqual(['GET /0']);
  for (let round = 1; round < 20; round++) {
    appendFileSync(log, `GET /${round}\n`);
    if (round % 5 === 0) await expect.poll(() => values().length).toBe(round + 1);
  }
  await expect.poll(() => values().length).toBe(20);
  expect(values().sort()).toEqual(Array.from({ length: 20 }, (_, n) => `GET /${n}`).sort());
  const offsets = records(follower.stdout).map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`);
  expect(new Set(offsets).size).toBe(20);

  expect(ENDED).toContain(await follower.ctrlC());
  expect(follower.stderr).toBe('');
  // tail ends by the signal; what it had read was delivered.
  await producer.ctrlC();
  expect(producer.stderr).toContain('20 records');
});

test('a group goes on where Ctrl-C left it, and describe shows where that is', async ({ shell, gateway: _ }) => {
  await shell.run('npx dlog topics create access-log --partitions 3');
  await shell.run(`seq 1 100 | npx dlog produce access-log`);
  const line = `${lineOf('npx dlog consume access-log')} --group billing`;
  const first = shell.start(line.replace('npx dlog', 'node_modules/.bin/dlog'));
  await expect.poll(() => records(first.stdout).length).toBe(100);
  expect(await first.ctrlC()).toBe(0);
  const describe = lineOf('npx dlog groups describe billing');
  const described = JSON.parse((await shell.run(`${describe} --json`)).stdout);
  const sum = (of: 'committed' | 'end' | 'lag'): number =>
    described.offsets.reduce((total: number, offset: Record<string, number>) => total + (offset[of] ?? 0), 0);
  expect([sum('committed'), sum('end'), sum('lag')]).toEqual([100, 100, 0]);
  const table = await shell.run(describe);
  expect(table.code).toBe(0);
  expect(table.stdout).toMatch(/^billing {2}/);
  expect(table.stdout.match(/^access-log +[012] +\d+ +\d+ +0 /gm)).toHaveLength(3);

  await shell.run(`seq 101 150 | npx dlog produce access-log`);
  const second = shell.start(line);
  await expect.poll(() => records(second.stdout).length).toBe(50);
  const values = records(second.stdout).map(({ value }) => Number(value));
  expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => 101 + n));
  expect(ENDED).toContain(await second.ctrlC());
});

test('a group is sent back to where it should read again: shown first, done on --execute, refused under a member', async ({
  shell,
  gateway: _,
}) => {
  // Some twenty processes, one after the other.
  test.slow();
  // What npx would run, without the time it takes.
  const bin = 'node_modules/.bin/dlog';
  const dlog = (line: string) => shell.run(`${bin} ${line}`);
  const values = async (): Promise<string[]> =>
    (await dlog('consume orders --group billing')).stdout.split('\n').filter((line) => line !== '');
  const describe = async () => {
    const { stdout } = await dlog('groups describe billing --json');
    const { lag, state, members }: { lag: number; state: string; members: { memberId: string }[] } = JSON.parse(stdout);
    return { lag, state, members: members.map(({ memberId }) => memberId) };
  };
  await dlog('topics create orders --partitions 2');
  await shell.run(`seq 1 30 | ${bin} produce orders --partition 0`);
  await shell.run(`seq 31 60 | ${bin} produce orders --partition 1`);
  expect(await values()).toHaveLength(60);
  await shell.run(`seq 61 80 | ${bin} produce orders --partition 1`);
  expect(await describe()).toEqual({ lag: 20, state: 'Empty', members: [] });

  const plan = await dlog('groups reset billing --to 25');
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(plan.stdout).toMatch(/^orders +0 +30 +25 +5\norders +1 +30 +25 +25\n/m);
  expect(await describe()).toMatchObject({ lag: 20 });

  const member = shell.start(`${bin} consume orders --group billing --follow`);
  await expect.poll(() => member.stdout).toMatch(/^80$/m);
  const { members } = await describe();
  expect(members).toHaveLength(1);
  for (const line of ['groups reset billing --to 25 --execute', 'groups delete billing']) {
    const { code, stderr } = await dlog(line);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dlog groups \w+: group "billing" has 1 member.*stop them first\n$/);
    expect(stderr).toContain(members[0]);
  }
  expect(await member.ctrlC()).toBe(0);
  expect(await describe()).toEqual({ lag: 0, state: 'Empty', members: [] });

  const outside = await dlog('groups reset billing --to 31 --execute');
  expect(outside).toMatchObject({ code: 1, stdout: '' });
  expect(outside.stderr).toContain('31 in orders-0, which has 0 to 30');
  expect(await dlog('groups reset billing --to 25 --execute')).toMatchObject({ code: 0, stderr: '' });
  const again = [26, 27, 28, 29, 30, ...Array.from({ length: 25 }, (_, n) => 56 + n)];
  expect((await values()).map(Number).sort((a, b) => a - b)).toEqual(again);

  expect(await dlog('groups delete billing')).toEqual({ code: 0, stdout: 'deleted billing\n', stderr: '' });
  expect((await dlog('groups describe billing')).code).toBe(1);
  // Nothing is left of it: who reads as this group begins anew.
  expect(await values()).toHaveLength(80);
});

test('the gateway of the README ends in order on Ctrl-C, and what it took is there again', async ({
  shell,
  gateway,
}) => {
  await shell.run('seq 1 100 | npx dlog produce access-log');
  expect(ENDED).toContain(await gateway.ctrlC());
  await gateway.again();
  const { code, stdout } = await shell.run('npx dlog consume access-log');
  expect(code).toBe(0);
  expect(stdout).toBe(Array.from({ length: 100 }, (_, n) => `${n + 1}\n`).join(''));
});
