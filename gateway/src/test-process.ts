// A gateway, and programs that use it, each a process of its own that ends with its test. Reads the build: `npm run build` comes first.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/dlog.js', import.meta.url));
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

export interface Run {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  /** Exit code (or signal), what it wrote, and when. */
  readonly ended: Promise<{ code: number | string; stderr: string; at: number }>;
  /** Resolves when it has printed that, rejects when it ended before. */
  printed(pattern: RegExp): Promise<string>;
}
export function run(...args: readonly string[]): Run {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: PACKAGE });
  let stdout = '';
  let stderr = '';
  const looks = new Set<() => void>();
  child.stdout.on('data', (text) => {
    stdout += text;
    for (const look of [...looks]) look();
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | string; stderr: string; at: number }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? '', stderr, at: performance.now() }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const printed = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(stdout)?.[0];
        if (found === undefined) return;
        looks.delete(look);
        resolve(found);
      };
      looks.add(look);
      void ended.then(({ code }) => reject(new Error(`ended with ${code}: ${stderr}`)));
      look();
    });
  return { child, stdout: () => stdout, ended, printed };
}

/** `port` 0: any. */
export const startGateway = (dir: string, port: number, ...args: readonly string[]): Run =>
  run(BIN, 'gateway', '--data', dir, '--port', String(port), '--log-level', 'error', ...args);
export const ADDRESS = /ws:\/\/[^\s,]+/;

export async function dataDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'dlog-process-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
