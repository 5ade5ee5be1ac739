import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from './directory-lock.ts';

const OTHER = 'lock-1-other.sock';
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Another process that holds the lock of `dir` as this one would. */
async function otherHolder(at: string) {
  const program = `require('node:net').createServer((s) => s.end(process.pid + ' holds\\n')).listen(process.argv[1], () => console.log('held'))`;
  const child = spawn(process.execPath, ['-e', program, join(at, OTHER)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

describe('the lock of a data directory', () => {
  it('is held once, also within one process, and can be taken again after its release', async () => {
    const lock = await lockDirectory(dir);
    await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: false });
    await expect(lockDirectory(dir)).rejects.toThrow(`${dir} is in use by process ${process.pid}`);
    await lock.release();
    await lock.release();
    const again = await lockDirectory(dir);
    await again.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('names the process that holds it, and is free once that was killed', async () => {
    const child = await otherHolder(dir);
    await expect(lockDirectory(dir)).rejects.toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(join(dir, OTHER))).toBe(true);
    const lock = await lockDirectory(dir);
    await lock.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is held by a process that is stopped and does not answer', async () => {
    const child = await otherHolder(dir);
    child.kill('SIGSTOP');
    await expect(lockDirectory(dir)).rejects.toThrow('in use by another process');
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('goes to exactly one of several that find what a killed process left', async () => {
    const child = await otherHolder(dir);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => lockDirectory(dir)));
    const held = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(held).toHaveLength(1);
    await held[0]?.release();
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
  });

  it.runIf(process.platform === 'linux')(
    'works in a directory whose path is longer than a socket address',
    async () => {
      const deep = join(dir, 'x'.repeat(120), 'y'.repeat(120));
      mkdirSync(deep, { recursive: true });
      const lock = await lockDirectory(deep);
      await expect(lockDirectory(deep)).rejects.toThrow(`in use by process ${process.pid}`);
      await lock.release();
      expect(readdirSync(deep)).toEqual([]);
    },
  );
});
