// A process that fills a small disk over and over with large batches: half of a test beside it (faults.test.ts), bundled and started there.
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBatch, LogError, readBatchHeader, verifyBatch } from 'distributedlog/protocol';
import { ManualClock } from 'distributedlog/testing';
import type { EmbeddedLog } from './embedded-log.ts';
import { openInDirectory } from './open.ts';

const [disk = '', rounds = '1'] = process.argv.slice(2);
const ballast = join(disk, 'ballast');
const MIB = 1024 * 1024;

/** Up to `bytes`, or as much as there is room for. */
function load(bytes: number): void {
  const block = Buffer.alloc(64 * 1024);
  const handle = openSync(ballast, 'w');
  try {
    for (let left = bytes; left > 0; ) left -= writeSync(handle, block, 0, Math.min(left, block.length));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(handle);
  }
}
function expectThat(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(what);
}

async function round(number: number): Promise<number> {
  const clock = new ManualClock();
  const dir = join(disk, `data-${number}`);
  const open = (): Promise<EmbeddedLog> => openInDirectory({ dir }, { clock, random: Math.random });
  let log = await open();
  const { topicId } = await log.createTopic({ name: 't' });
  const at = { topicId, partition: 0 };
  /** Sizes of the acknowledged values, by offset. */
  const acknowledged = new Map<number, number>();
  const append = async (size: number): Promise<void> => {
    const value = randomFillSync(Buffer.alloc(size));
    const { baseOffset } = await log.append(at, encodeBatch([{ key: null, value, timestamp: 1 }]));
    acknowledged.set(baseOffset, size);
  };
  const check = async (): Promise<void> => {
    let offset = 0;
    while (offset < acknowledged.size) {
      const read = await log.read({
        ...at,
        offset,
        isolation: 'read_uncommitted',
        maxBytes: 4 * MIB,
        minBytes: 1,
        maxWaitMs: 0,
        headroom: 0,
      });
      for (let position = 0; position < read.batchBytes; ) {
        const header = readBatchHeader(read.buffer, position, read.batchBytes);
        if (header === undefined) throw new Error('a partial batch');
        verifyBatch(read.buffer, position, header);
        const size = acknowledged.get(offset) ?? Number.NaN;
        expectThat(header.baseOffset === offset, `offset ${header.baseOffset} where ${offset} was expected`);
        expectThat(
          Math.abs(header.sizeInBytes - size) < 200,
          `offset ${offset} has ${header.sizeInBytes}, not ${size}`,
        );
        offset++;
        position += header.sizeInBytes;
      }
      read.release?.();
    }
    expectThat(log.ends(at)?.highWatermark === acknowledged.size, 'more is there than was acknowledged');
  };
  const size = (i: number): number => (i % 4 === 3 ? 10_000 : MIB + ((i * 7 + number) % 11) * 100_000);

  // Half of the disk is somebody else's: in every other round only when the log already writes, and then all that is left.
  const isSudden = number % 2 === 1;
  if (!isSudden) load(8 * MIB);
  let failure: unknown;
  for (let i = 0; failure === undefined; i += 3) {
    if (isSudden && i === 3) load(Number.POSITIVE_INFINITY);
    const outcomes = await Promise.allSettled([append(size(i)), append(size(i + 1)), append(size(i + 2))]);
    failure = outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
  }
  if (!(failure instanceof LogError && failure.code === 'KAFKA_STORAGE_ERROR')) throw failure;
  expectThat(failure.message.startsWith('disk full'), failure.message);
  for (let i = 0; i < 40; i++) clock.advance(1_000), await new Promise((resolve) => setImmediate(resolve));
  await check();
  if (!isSudden) {
    // What the log fills by itself it can be opened on.
    await log.close();
    log = await open();
    await check();
  }

  rmSync(ballast);
  while (log.health() !== undefined) clock.advance(1_000), await new Promise((resolve) => setImmediate(resolve));
  await append(size(0));
  await append(size(3));
  await check();
  await log.close();
  log = await open();
  await check();
  await log.close();
  rmSync(dir, { recursive: true });
  return acknowledged.size;
}

let records = 0;
for (let number = 0; number < Number(rounds); number++) records += await round(number);
process.stdout.write(`${records} records\n`);
