import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBatch, LogError } from 'distributedlog/protocol';
import { ManualClock } from 'distributedlog/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EmbeddedLog } from './embedded-log.ts';
import { openInDirectory } from './open.ts';
import { bundleProgram } from './test-bundle.ts';
import { canMount, mountDisk, unmountDisk } from './test-disk.ts';

let dir: string;
let clock: ManualClock;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-faults-'));
  clock = new ManualClock();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (at: string): Promise<EmbeddedLog> => openInDirectory({ dir: at }, { clock, random: Math.random });
const batch = (size: number) => encodeBatch([{ key: null, value: Buffer.alloc(size, 7), timestamp: 1 }]);
const at = (topicId: string) => ({ topicId, partition: 0 });
const readOf = (topicId: string, offset: number) => ({
  ...at(topicId),
  offset,
  isolation: 'read_uncommitted' as const,
  maxBytes: 1024 * 1024,
  minBytes: 1,
  maxWaitMs: 0,
  headroom: 0,
});
async function readToEnd(log: EmbeddedLog, topicId: string): Promise<number> {
  let offset = 0;
  for (;;) {
    const result = await log.read(readOf(topicId, offset));
    if (result.nextOffset === offset) return offset;
    offset = result.nextOffset;
    result.release?.();
  }
}

describe('a damaged store', () => {
  async function filledStore(): Promise<string> {
    const log = await open(dir);
    const { topicId } = await log.createTopic({ name: 't' });
    for (let i = 0; i < 200; i++) await log.append(at(topicId), batch(i % 10 === 0 ? 30_000 : 500));
    await log.close();
    return join(dir, 'data.mdb');
  }
  const refusal = async (): Promise<string> => {
    const outcome = await open(dir).catch((error: unknown) => error);
    if (!(outcome instanceof LogError)) throw new Error(`it opened, or failed otherwise: ${String(outcome)}`);
    expect(outcome).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: false });
    expect(outcome.message).not.toContain('\n');
    return outcome.message;
  };

  it.each([0.2, 0.5, 0.99])('cut to %d of its size is refused, naming the file and what to do', async (part) => {
    const file = await filledStore();
    truncateSync(file, Math.floor((statSync(file).size * part) / 4096) * 4096);
    const message = await refusal();
    expect(message).toContain(`the store ${file} is damaged`);
    expect(message).toContain('restore the directory from a backup, or move it away');
  });

  it('with pages of rubbish is refused', async () => {
    const file = await filledStore();
    const pages = Math.floor(statSync(file).size / 4096);
    const handle = openSync(file, 'r+');
    for (let page = 2; page < pages; page++) writeSync(handle, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
    closeSync(handle);
    expect(await refusal()).toContain(`the store ${file} is damaged`);
  });

  it('that is no store at all is refused', async () => {
    const file = join(dir, 'data.mdb');
    writeFileSync(file, 'this is not a store '.repeat(1_000));
    expect(await refusal()).toContain(`the store ${file} is damaged`);
  });

  it('leaves the directory free for the next attempt', async () => {
    const file = await filledStore();
    truncateSync(file, 8_192);
    await refusal();
    rmSync(file);
    const log = await open(dir);
    expect(await log.topics()).toEqual([]);
    await log.close();
  });
});

describe.runIf(canMount)('a full disk (on a mounted tmpfs of 24 MiB; skipped where mounting is not possible)', () => {
  let disk: string;
  const rejections: unknown[] = [];
  const onRejection = (error: unknown) => rejections.push(error);
  beforeEach(() => {
    disk = join(dir, 'disk');
    mountDisk(disk, 24);
    rejections.length = 0;
    process.on('unhandledRejection', onRejection);
  });
  afterEach(() => {
    process.off('unhandledRejection', onRejection);
    unmountDisk(disk);
  });

  async function fill(log: EmbeddedLog, topicId: string): Promise<{ acknowledged: number; failure: LogError }> {
    let acknowledged = 0;
    for (;;) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, () => log.append(at(topicId), batch(60_000))),
      );
      const failed = outcomes.filter((o) => o.status === 'rejected');
      acknowledged += outcomes.length - failed.length;
      if (failed[0]?.reason instanceof LogError) return { acknowledged, failure: failed[0].reason };
    }
  }
  const recovered = (log: EmbeddedLog) =>
    vi.waitFor(
      () => {
        clock.advance(1_000);
        expect(log.health()).toBeUndefined();
      },
      { timeout: 10_000 },
    );

  it('makes the log read-only with a clear error, and space makes it writable again', async () => {
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(8 * 1024 * 1024));
    const data = join(disk, 'data');
    const log = await open(data);
    const { topicId } = await log.createTopic({ name: 't' });
    const { acknowledged, failure } = await fill(log, topicId);
    expect(failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: true });
    expect(failure.message).toBe(
      `disk full: no space left for the log in ${data}; it can be read, and writes resume when there is space`,
    );
    expect(log.health()).toBe(failure);
    // Everything that was acknowledged can be read, and nothing else.
    expect(acknowledged).toBeGreaterThan(50);
    expect(await readToEnd(log, topicId)).toBe(acknowledged);
    for (const write of [
      () => log.append(at(topicId), batch(10)),
      () => log.createTopic({ name: 'other' }),
      () => log.groups.commit('g', undefined, [{ ...at(topicId), offset: 1 }]),
    ])
      await expect(write()).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
    // Groups go on; their members would not survive a restart now.
    const member = await log.groups.join(
      {
        groupId: 'g',
        clientId: 'c',
        topics: ['t'],
        sessionTimeoutMs: 60_000,
        rebalanceTimeoutMs: 60_000,
        maxPollIntervalMs: 60_000,
      },
      { onAssignment: () => undefined, onFenced: () => undefined, onTakenOver: () => undefined },
    );
    expect(member.partitions).toEqual([{ topic: 't', topicId, partitions: [0] }]);
    expect(log.metrics()).toMatchObject({ group_failures: 1, read_only: 1 });
    rmSync(ballast);
    await recovered(log);
    expect((await log.append(at(topicId), batch(60_000))).baseOffset).toBe(acknowledged);
    await log.close();
    const again = await open(data);
    expect(await readToEnd(again, topicId)).toBe(acknowledged + 1);
    await again.close();
    expect(rejections).toEqual([]);
  });

  it('is mended by deleting a topic, too', async () => {
    const data = join(disk, 'data');
    const log = await open(data);
    const kept = await log.createTopic({ name: 'kept' });
    await log.append(at(kept.topicId), batch(100));
    const { topicId } = await log.createTopic({ name: 'large' });
    await fill(log, topicId);
    await log.deleteTopic('large');
    await log.maintain();
    await recovered(log);
    for (let i = 0; i < 20; i++) await log.append(at(kept.topicId), batch(60_000));
    expect(await readToEnd(log, kept.topicId)).toBe(21);
    await log.close();
    expect(rejections).toEqual([]);
  });

  it('at start is one clear line', async () => {
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(24 * 1024 * 1024 - 8_192));
    const outcome = await open(join(disk, 'data')).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
    expect(String(outcome)).not.toContain('\n');
    rmSync(join(disk, 'ballast'));
    const log = await open(join(disk, 'data'));
    await log.close();
    expect(readdirSync(join(disk, 'data'))).toContain('clean-shutdown');
    expect(rejections).toEqual([]);
  });

  it('never ends the process, whatever the size of the batches: 20 times filled, everything acknowledged is there', async () => {
    const program = await bundleProgram('./filling-process.mts', dir);
    // It prints nothing else: lmdb never found the disk full, for that is what it does not survive.
    const child = spawn(process.execPath, [program, disk, '20'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 50_000,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    const end = await new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    expect({ end, output }).toEqual({
      end: { code: 0, signal: null },
      output: expect.stringMatching(/^[0-9]+ records\n$/),
    });
  }, 60_000);
});
