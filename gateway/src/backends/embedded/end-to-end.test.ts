import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin, Consumer, type ConsumerEvent, Producer } from 'distributedlog/node';
import type { Log } from 'distributedlog/server';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ask, openGateway } from '../../test-support.ts';
import { embeddedLog } from './index.ts';
import { canMount, mountDisk, unmountDisk } from './test-disk.ts';

const PARTITION = { topic: 't', partition: 0 };
type Gap = Extract<ConsumerEvent, { type: 'gap' }>;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-end-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function setUp(data: string, config: Record<string, string> = {}) {
  const log = await embeddedLog({ dir: data });
  const { gateway } = await openGateway({ log });
  const client = { bootstrapServers: gateway.url };
  const admin = new Admin(client);
  await admin.createTopic({ name: 't', config });
  await admin.close();
  const producer = new Producer({ ...client, lingerMs: 0 });
  const consumer = new Consumer({
    ...client,
    autoOffsetReset: 'earliest',
    maxBufferedBytes: 64 * 1024,
    maxPartitionFetchBytes: 16 * 1024,
  });
  onTestFinished(async () => {
    await consumer.close();
    await producer.close({ timeoutMs: 0 }).catch(() => undefined);
  });
  return { log, gateway, producer, consumer };
}
async function endsOf(log: Log) {
  const [topic] = await log.topics(['t']);
  const ends = topic && log.ends({ topicId: topic.topicId, partition: 0 });
  if (ends === undefined) throw new Error('there is no such partition');
  return ends;
}

describe('a consumer that retention overtakes', () => {
  it.each([
    ['bytes', { 'retention.bytes': '100000' }],
    ['age', { 'retention.ms': '700' }],
  ])(
    'by %s: delivers what it holds, says exactly what it missed, and goes on',
    async (_, config) => {
      const { log, producer, consumer } = await setUp(join(dir, 'data'), config);
      const delivered: number[] = [];
      const gaps: Gap[] = [];
      consumer.events$.subscribe((event) => {
        if (event.type === 'gap') gaps.push(event);
      });
      const value = new Uint8Array(2_000);
      const write = async (count: number) => {
        for (let i = 0; i < count; i++) await producer.send({ topic: 't', value });
      };
      const take = async () => {
        for (const { offset } of await consumer.poll({ timeoutMs: 200 })) delivered.push(offset);
      };
      await write(10);
      await consumer.assign([PARTITION]);
      while (delivered.length === 0) await take();
      consumer.pause();
      // More than the consumer holds, and all of it goes.
      await write(200);
      await vi.waitFor(async () => expect((await endsOf(log)).logStart).toBeGreaterThan(100), { timeout: 15_000 });
      expect(gaps).toEqual([]);
      const before = await endsOf(log);
      consumer.resume();
      let writing = true;
      const writer = write(40).finally(() => {
        writing = false;
      });
      while (writing || (await consumer.position(PARTITION)) < (await endsOf(log)).highWatermark) await take();
      await writer;
      expect(gaps.length).toBeGreaterThan(0);
      expect(gaps[0]?.to).toBeGreaterThanOrEqual(before.logStart);
      // What was delivered and what was missed, one after the other, is the whole log: nothing twice, nothing unsaid.
      const pieces = [
        ...delivered.map((offset) => ({ from: offset, to: offset + 1 })),
        ...gaps.map(({ from, to, cause, topic, partition }) => {
          expect({ cause, topic, partition }).toEqual({ cause: 'retention', ...PARTITION });
          return { from, to };
        }),
      ].sort((a, b) => a.from - b.from);
      let next = 0;
      for (const { from, to } of pieces) {
        expect(from).toBe(next);
        next = to;
      }
      expect(next).toBe(250);
      expect(delivered).toEqual([...delivered].sort((a, b) => a - b));
      expect(delivered.at(-1) ?? 0).toBeGreaterThan(gaps[0]?.from ?? 0);
    },
    40_000,
  );
});

describe.runIf(canMount)('a gateway on a full disk (a mounted tmpfs; skipped where mounting is not possible)', () => {
  let disk: string;
  beforeEach(() => {
    disk = join(dir, 'disk');
    mountDisk(disk, 20);
    // lmdb prints the failed commit.
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    unmountDisk(disk);
  });

  it('keeps what is sent until there is space again, goes on serving readers, and says what is wrong', async () => {
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(12 * 1024 * 1024));
    const { gateway, producer, consumer } = await setUp(join(disk, 'data'));
    expect((await ask(gateway, '/readyz')).status).toBe(200);
    const outcomes = new Map<number, number>();
    const failures: unknown[] = [];
    let sent = 0;
    const send = () => {
      const number = sent++;
      return producer.send({ topic: 't', value: `${number}`.padEnd(60_000) }).then(
        ({ offset }) => outcomes.set(number, offset),
        (error: unknown) => failures.push(error),
      );
    };
    let answer = await ask(gateway, '/readyz');
    while (answer.status === 200) {
      void send();
      answer = await ask(gateway, '/readyz');
    }
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining('KAFKA_STORAGE_ERROR: disk full') });
    const last = send();
    const acknowledged = outcomes.size;
    expect(acknowledged).toBeGreaterThan(10);
    // Readers find all of it, and nothing else.
    await consumer.assign([PARTITION]);
    const seen: (string | undefined)[] = [];
    const read = async (count: number) => {
      while (seen.length < count)
        for (const { offset, value } of await consumer.poll({ timeoutMs: 200 }))
          seen[offset] = Buffer.from(value ?? [])
            .toString()
            .trim();
    };
    await read(acknowledged);
    expect(outcomes.size).toBeLessThan(sent);
    expect((await ask(gateway, '/readyz')).status).toBe(503);
    rmSync(ballast);
    await last;
    await producer.flush();
    expect(failures).toEqual([]);
    expect(outcomes.size).toBe(sent);
    await vi.waitFor(async () => expect((await ask(gateway, '/readyz')).status).toBe(200));
    await read(sent);
    expect(seen).toEqual(Array.from({ length: sent }, (_, number) => `${number}`));
    for (const [number, offset] of outcomes) expect(offset).toBe(number);
  }, 60_000);
});
