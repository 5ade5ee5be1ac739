import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordReader, readBatchHeader, verifyBatch } from 'distributedlog/protocol';
import type { Log, PartitionRef } from 'distributedlog/server';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddedLog } from './index.ts';
import { type Command, type Report, recordsOfBatch, sequenceOfBatch } from './killed-workload.mts';
import { bundleProgram } from './test-bundle.ts';

const KILLS = 20;
const PRODUCERS = 6;
const PARTITIONS = 3;

let work: string;
let program: string;
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'dlog-kill-'));
  program = await bundleProgram('./killed-process.mts', work);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Producer {
  producerId: number | undefined;
  /** Base offset of each acknowledged batch, by its number. */
  readonly acknowledged: number[];
}

function start(command: Command, onReport: (report: Report) => void): ChildProcess {
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.on('message', (report: Report) => {
    if (report.type === 'started') child.send(command);
    onReport(report);
  });
  return child;
}
const exited = (child: ChildProcess) =>
  new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));

/** Every record of the partition as "producer:batch:index", in order; checks CRCs and that offsets have no hole. */
async function readBack(log: Log, ref: PartitionRef): Promise<Map<string, { offset: number; value: string }>> {
  const found = new Map<string, { offset: number; value: string }>();
  const end = log.ends(ref)?.highWatermark ?? 0;
  for (let offset = 0; offset < end; ) {
    const result = await log.read({
      ...ref,
      offset,
      isolation: 'read_uncommitted',
      maxBytes: 1024 * 1024,
      minBytes: 1,
      maxWaitMs: 0,
      headroom: 0,
    });
    for (let at = 0; at < result.batchBytes; ) {
      const header = readBatchHeader(result.buffer, at, result.batchBytes);
      if (header === undefined) throw new Error('a partial batch');
      verifyBatch(result.buffer, at, header);
      expect(header.baseOffset).toBe(offset);
      const reader = new RecordReader('t', ref.partition, result.buffer, at, header);
      for (let record = reader.next(0); record !== undefined; record = reader.next(0)) {
        expect(record.offset).toBe(offset);
        offset++;
        const value = new TextDecoder().decode(record.value ?? undefined);
        const name = value.split(':', 3).join(':');
        expect(found.has(name), `${name} is there twice`).toBe(false);
        found.set(name, { offset: record.offset, value });
      }
      at += header.sizeInBytes;
    }
    result.release?.();
  }
  return found;
}

async function check(log: Log, producers: readonly Producer[]): Promise<number> {
  const [topic] = await log.topics(['t']);
  let checked = 0;
  if (topic === undefined) return checked;
  const decoder = new TextDecoder();
  const partitions = await Promise.all(
    Array.from({ length: PARTITIONS }, (_, partition) => readBack(log, { topicId: topic.topicId, partition })),
  );
  for (const [index, producer] of producers.entries()) {
    const found = partitions[index % PARTITIONS];
    if (found === undefined) throw new Error('no such partition');
    for (const [number, baseOffset] of producer.acknowledged.entries())
      for (const [i, record] of recordsOfBatch(index, number).entries()) {
        const stored = found.get(`${index}:${number}:${i}`);
        if (stored?.offset !== baseOffset + i || stored.value !== decoder.decode(record.value ?? undefined))
          throw new Error(`acknowledged ${index}:${number}:${i} at ${baseOffset + i}, found ${stored?.offset}`);
        checked++;
      }
    // Batches of a producer are there in order, whole and without a hole: acknowledged ones and those whose answer was lost.
    const numbers = [...found.keys()].filter((name) => name.startsWith(`${index}:`));
    const expected = Array.from({ length: numbers.length }, () => '');
    for (let number = 0, at = 0; at < expected.length; number++)
      for (let i = 0; i < recordsOfBatch(index, number).length; i++) expected[at++] = `${index}:${number}:${i}`;
    expect(numbers).toEqual(expected.slice(0, numbers.length));
  }
  return checked;
}

it('the sequences of the workload count its records', () => {
  let sequence = 0;
  for (let number = 0; number < 20; number++) {
    expect(sequenceOfBatch(number)).toBe(sequence);
    sequence += recordsOfBatch(0, number).length;
  }
});

it(`what was acknowledged survives kill -9, ${KILLS} times under load, and retries write nothing twice`, async () => {
  const dir = join(work, 'data');
  const producers: Producer[] = Array.from({ length: PRODUCERS }, () => ({ producerId: undefined, acknowledged: [] }));
  let checked = 0;
  let lastEpoch = -1;
  for (let kill = 0; kill < KILLS; kill++) {
    const failures: string[] = [];
    let whenAcknowledged: (() => void) | undefined;
    const command: Command = {
      dir,
      topic: 't',
      partitions: PARTITIONS,
      producers: producers.map(({ producerId, acknowledged }) => ({ producerId, next: acknowledged.length })),
    };
    const child = start(command, (report) => {
      if (report.type === 'failed') {
        failures.push(report.message);
        whenAcknowledged?.();
      }
      const producer = report.type === 'started' || report.type === 'failed' ? undefined : producers[report.index];
      if (producer === undefined) return;
      if (report.type === 'producer') producer.producerId = report.producerId;
      if (report.type !== 'acknowledged') return;
      if (report.number !== producer.acknowledged.length) failures.push(`${report.number} out of order`);
      producer.acknowledged.push(report.baseOffset);
      whenAcknowledged?.();
    });
    const gone = exited(child);
    // Every fifth is killed at any moment of its start, the others at any moment under load.
    if (kill % 5 === 4) await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
    else {
      await new Promise<void>((resolve) => {
        whenAcknowledged = resolve;
      });
      if (kill === 0) {
        const second = await embeddedLog({ dir }).catch((error: unknown) => error);
        expect(second).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
        expect(String(second)).toContain(dir);
        expect(String(second)).toContain(`process ${child.pid}`);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 80));
    }
    child.kill('SIGKILL');
    expect(await gone).toBe('SIGKILL');
    expect(failures).toEqual([]);
    const log = await embeddedLog({ dir });
    checked = await check(log, producers);
    const [topic] = await log.topics(['t']);
    const epoch = topic?.partitions[0]?.leaderEpoch ?? lastEpoch;
    if (kill % 5 !== 4) expect(epoch).toBeGreaterThan(lastEpoch);
    lastEpoch = epoch;
    await log.close();
  }
  expect(checked).toBeGreaterThan(1_000);
}, 180_000);
