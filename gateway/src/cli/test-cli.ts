// The command line in processes of its own, on a gateway that the tests of one file share. Reads the build: `npm run build` comes first.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/dlog.js', import.meta.url));

export interface Cli {
  /** Of the gateway, which has an empty log and creates no topics by itself; known once tests run. */
  readonly url: string;
  /** A command that goes on; killed after the last test of the file. */
  start(args: readonly string[]): ChildProcess;
  /** A command to its end. */
  dlog(args: readonly string[], input?: string | Buffer): Promise<Outcome>;
}
interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Call it once, where the test file begins. */
export function serveCli(): Cli {
  const running = new Set<ChildProcess>();
  let dir = '';
  let url = '';
  const start = (args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: { ...process.env, DLOG_BOOTSTRAP: url, DLOG_TOKEN: '' },
    });
    running.add(child);
    child.on('exit', () => running.delete(child));
    return child;
  };
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dlog-cli-'));
    const gateway = start(['gateway', '--data', dir, '--port', '0', '--no-auto-create', '--log-level', 'error']);
    const stdout = collect(gateway.stdout);
    gateway.stderr?.pipe(process.stderr);
    await stdout.until(/ws:\/\/\S+?,/);
    url = /ws:\/\/[^\s,]+/.exec(stdout.text)?.[0] ?? '';
  });
  afterAll(async () => {
    const ended = [...running].map(exitOf);
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(ended);
    await rm(dir, { recursive: true, force: true });
  });
  return {
    get url() {
      return url;
    },
    start,
    async dlog(args, input = '') {
      const child = start(args);
      const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
      const code = await exitOf(child);
      return { code, stdout: stdout.text, stderr: stderr.text };
    },
  };
}

export interface Collected {
  /** All that came so far. */
  readonly text: string;
  /** Resolves when that has come, rejects when the process ends without. */
  until(pattern: RegExp): Promise<void>;
}
export function collect(stream: NodeJS.ReadableStream | null): Collected {
  const looks = new Set<() => void>();
  const look = (): void => {
    for (const one of [...looks]) one();
  };
  let isOver = false;
  const collected = {
    text: '',
    until: (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const one = (): void => {
          if (pattern.test(collected.text)) resolve();
          else if (isOver) reject(new Error(`it ended without ${pattern}: ${JSON.stringify(collected.text)}`));
          else return;
          looks.delete(one);
        };
        looks.add(one);
        one();
      }),
  };
  stream?.setEncoding?.('utf8');
  stream?.on('data', (chunk) => {
    collected.text += String(chunk);
    look();
  });
  stream?.on('close', () => {
    isOver = true;
    look();
  });
  return collected;
}

export const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.on('close', (code) => resolve(code));
  });
