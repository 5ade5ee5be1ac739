import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c, encodeBatch, type RecordToEncode, type TopicInfo } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EmbeddedLog } from './embedded-log.ts';
import { embeddedLog } from './index.ts';
import { numberedKey } from './keys.ts';
import { type Environment, openInDirectory } from './open.ts';
import type { EmbeddedLogOptions } from './options.ts';
import { openStore } from './store.ts';

let dir: string;
let clock: ManualClock;
let logs: Log[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-'));
  clock = new ManualClock();
  logs = [];
});
afterEach(async () => {
  for (const log of logs) await log.close();
  rmSync(dir, { recursive: true, force: true });
});

async function open(
  options: Partial<EmbeddedLogOptions> = {},
  tuning: Partial<Environment> = {},
): Promise<EmbeddedLog> {
  const log = await openInDirectory({ dir, ...options }, { clock, random: Math.random, ...tuning });
  logs.push(log);
  return log;
}
const record = (value: string, timestamp = 1): RecordToEncode => ({ key: null, value: Buffer.from(value), timestamp });
const batch = (...values: string[]) => encodeBatch(values.map((value) => record(value)));
const at = (topic: TopicInfo, partition = 0) => ({ topicId: topic.topicId, partition });
const readOf = (topic: TopicInfo, offset: number, partition = 0) => ({
  ...at(topic, partition),
  offset,
  isolation: 'read_uncommitted' as const,
  maxBytes: 1024 * 1024,
  minBytes: 1,
  maxWaitMs: 0,
  headroom: 0,
});

describe('the embedded log', () => {
  it('refuses wrong options, naming each and what is allowed', async () => {
    // @ts-expect-error: a misspelled key, as JavaScript lets it through
    await expect(embeddedLog({ dir, retentionMS: 5 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    await expect(embeddedLog({ dir, defaultPartitions: 0, retentionMs: -5 })).rejects.toThrow(
      /defaultPartitions must be .*retentionMs must be /,
    );
    await expect(embeddedLog({ dir: '' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('finds the exact record by its time, also inside a batch whose codec is not the runtime’s own', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    const fixture = new URL('../../../../src/codecs/fixtures/kcat-lz4.batch', import.meta.url);
    await log.append(at(topic), new Uint8Array(readFileSync(fixture)));
    // Records 0 to 531 have the millisecond before.
    const query = { ...at(topic), at: 1_795_468_044_865 };
    expect(await log.listOffsets([query])).toMatchObject([{ offset: 532, timestamp: query.at }]);
  });

  it('makes its directory, and says in one line why it cannot', async () => {
    const log = await openInDirectory({ dir: join(dir, 'a', 'b') }, { clock, random: Math.random });
    await log.close();
    await expect(embeddedLog({ dir: '/dev/null/data' })).rejects.toThrow(
      /^cannot use the data directory \/dev\/null\/data: /,
    );
  });

  it.runIf(process.platform === 'linux')('a directory that takes no children is an error, not an endless attempt', () =>
    expect(embeddedLog({ dir: '/proc/none/data' })).rejects.toThrow(
      /^cannot use the data directory \/proc\/none\/data: /,
    ),
  );

  it('leaves nothing in the directory but its store and the mark of a clean end', async () => {
    await (await open()).close();
    expect(readdirSync(dir).sort()).toEqual(['clean-shutdown', 'data.mdb', 'lock.mdb']);
  });

  it('a second opener is refused with the directory and the process, until the first has closed', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow(`the data directory ${dir} is in use by process ${process.pid}`);
    await first.close();
    await open();
  });

  it('the leader epoch stays after a clean end and grows after an unclean one, in new batches too', async () => {
    const first = await open();
    const topic = await first.createTopic({ name: 't' });
    const before = first.ends(at(topic))?.leaderEpoch ?? -1;
    await first.close();
    const second = await open();
    expect(second.ends(at(topic))?.leaderEpoch).toBe(before);
    await second.close();
    // As a kill leaves it: the tests of kill -9 do it for real.
    rmSync(join(dir, 'clean-shutdown'));
    const third = await open();
    expect(third.ends(at(topic))?.leaderEpoch).toBe(before + 1);
    await third.append(at(topic), batch('a'));
    const { buffer } = await third.read(readOf(topic, 0));
    expect(Buffer.from(buffer).readInt32BE(12)).toBe(before + 1);
    await third.close();
    const fourth = await open();
    expect(fourth.ends(at(topic))?.leaderEpoch).toBe(before + 1);
    await expect(fourth.read({ ...readOf(topic, 0), leaderEpoch: before + 2 })).rejects.toMatchObject({
      code: 'UNKNOWN_LEADER_EPOCH',
    });
    expect((await fourth.read({ ...readOf(topic, 0), leaderEpoch: before })).batchBytes).toBeGreaterThan(0);
  });

  it('nothing can be read before it is on disk', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    const appended = log.append(at(topic), batch('a'));
    expect(log.ends(at(topic))?.highWatermark).toBe(0);
    expect((await log.read(readOf(topic, 0))).batchBytes).toBe(0);
    await expect(log.read(readOf(topic, 1))).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', logEnd: 0 });
    await appended;
    expect(log.ends(at(topic))?.highWatermark).toBe(1);
  });

  it('small batches of one commit share values of 16 KiB and more; large ones have their own', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    const sizes = [...Array.from({ length: 200 }, () => 200), 50_000, 200, 200];
    await Promise.all(sizes.map((size) => log.append(at(topic), batch('x'.repeat(size)))));
    await log.close();
    const store = openStore(dir);
    const lengths = store.entries('batches').map(({ value }) => value.length);
    await store.close();
    expect(lengths.length).toBeLessThanOrEqual(8);
    const small = lengths.filter((length) => length < 16 * 1024);
    // The last before the large one, and what comes after it.
    expect(small.length).toBeLessThanOrEqual(2);
    expect(Math.max(...lengths)).toBeLessThan(51_000);
  });

  it('concurrent appends go to disk together', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    const before = log.metrics().transactions ?? 0;
    await Promise.all(Array.from({ length: 64 }, () => log.append(at(topic), batch('x'))));
    expect((log.metrics().transactions ?? 0) - before).toBeLessThanOrEqual(3);
  });

  it('transactional batches, timestamps set by the log, and record counts that lie are refused', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    const patched = (patch: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(batch('a'));
      patch(bytes);
      bytes.writeUInt32BE(crc32c(bytes, 21), 17);
      return bytes;
    };
    await expect(
      log.append(
        at(topic),
        patched((b) => b.writeInt16BE(0x10, 21)),
      ),
    ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(
      log.append(
        at(topic),
        patched((b) => b.writeInt16BE(0x08, 21)),
      ),
    ).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP' });
    await expect(
      log.append(
        at(topic),
        patched((b) => b.writeInt32BE(9, 57)),
      ),
    ).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' });
    await expect(
      log.append(
        at(topic),
        patched((b) => b.writeInt32BE(9, 23)),
      ),
    ).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' });
    expect(log.ends(at(topic))?.highWatermark).toBe(0);
  });

  it('what waits for the disk is bounded: more is refused as retriable, and what was taken is written', async () => {
    const log = await open({}, { maxQueuedBytes: 100_000 });
    const topic = await log.createTopic({ name: 't' });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => log.append(at(topic), batch('x'.repeat(10_000)))),
    );
    const refused = outcomes.filter((o) => o.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'THROTTLING_QUOTA_EXCEEDED', retriable: true });
    expect(log.ends(at(topic))?.highWatermark).toBe(20 - refused.length);
    await log.append(at(topic), batch('later'));
  });

  it('a deleted topic is cleared away in the background: records, indexes, producers and commits', async () => {
    const log = await open({}, { maxTransactionBytes: 1024 * 1024 });
    const kept = await log.createTopic({ name: 'kept' });
    const gone = await log.createTopic({ name: 'gone', partitions: 3 });
    const { producerId } = await log.initProducer();
    for (let partition = 0; partition < 3; partition++)
      for (let i = 0; i < 150; i++)
        await log.append(
          at(gone, partition),
          encodeBatch([record('x'.repeat(20_000), i)], { producerId, producerEpoch: 0, baseSequence: i }),
        );
    await log.append(at(kept), batch('a'));
    await log.groups.commit('g', undefined, [{ ...at(gone), offset: 3 }]);
    await log.groups.commit('g', undefined, [{ ...at(kept), offset: 1 }]);
    await log.deleteTopic('gone');
    await log.maintain();
    await log.close();
    const store = openStore(dir);
    const left = (['batches', 'times', 'producers', 'partitions', 'commits', 'doomed', 'topics'] as const).map(
      (table) => [table, store.entries(table).length],
    );
    await store.close();
    expect(Object.fromEntries(left)).toEqual({
      batches: 1,
      times: 1,
      producers: 0,
      partitions: 1,
      commits: 1,
      doomed: 0,
      topics: 1,
    });
  });

  it('a deleted topic that was not cleared away when the process ended is cleared by the next', async () => {
    const first = await open();
    const topic = await first.createTopic({ name: 't' });
    await first.append(at(topic), batch('a'));
    await first.deleteTopic('t');
    await first.close();
    const second = await open();
    await second.maintain();
    await second.close();
    const store = openStore(dir);
    expect(store.entries('batches')).toEqual([]);
    expect(store.entries('doomed')).toEqual([]);
    await store.close();
  });

  it('retention of the log’s own options runs by itself, and a topic’s config goes first', async () => {
    const log = await open({ retentionMs: 10_000 });
    const plain = await log.createTopic({ name: 'plain' });
    const longer = await log.createTopic({ name: 'longer', config: { 'retention.ms': '100000' } });
    for (const topic of [plain, longer]) await log.append(at(topic), encodeBatch([record('a', clock.now())]));
    const woken = log.read({ ...readOf(plain, 1), maxWaitMs: 1_000_000 });
    clock.advance(20_000);
    // Retention wakes those who wait, so that they see where the log begins now.
    expect(await woken).toMatchObject({ batchBytes: 0, logStart: 1, nextOffset: 1 });
    expect(log.ends(at(longer))?.logStart).toBe(0);
  });

  it('producers that were idle too long are forgotten, on disk too', async () => {
    const log = await open({}, { producerExpiryMs: 60_000 });
    const topic = await log.createTopic({ name: 't' });
    const [idle, busy] = [await log.initProducer(), await log.initProducer()];
    const send = (producerId: number, baseSequence: number) =>
      log.append(at(topic), encodeBatch([record('a')], { producerId, producerEpoch: 0, baseSequence }));
    await send(idle.producerId, 0);
    await send(busy.producerId, 0);
    clock.advance(50_000);
    await send(busy.producerId, 1);
    clock.advance(20_000);
    await log.maintain();
    await expect(send(idle.producerId, 1)).rejects.toMatchObject({ code: 'UNKNOWN_PRODUCER_ID' });
    await send(busy.producerId, 2);
    await log.close();
    const store = openStore(dir);
    expect(store.entries('producers')).toHaveLength(1);
    await store.close();
  });

  it('appends under way when it closes are either acknowledged and there afterwards, or refused', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't' });
    await log.append(at(topic), batch('first'));
    const outcomes: Promise<number | undefined>[] = [];
    const send = () => {
      const value = `${outcomes.length}`;
      outcomes.push(
        log.append(at(topic), batch(value)).then(
          ({ baseOffset }) => baseOffset,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
            return undefined;
          },
        ),
      );
    };
    for (let i = 0; i < 300; i++) send();
    const closing = log.close();
    for (let i = 0; i < 50; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      send();
    }
    await closing;
    send();
    const offsets = (await Promise.all(outcomes)).filter((offset) => offset !== undefined);
    expect(offsets.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(offsets.length).toBeLessThan(outcomes.length);
    const again = await open();
    expect(again.ends(at(topic))?.highWatermark).toBe(offsets.length + 1);
  });

  it('readers and lookups that retention overtakes are told so, and never see damage', async () => {
    const log = await open();
    const topic = await log.createTopic({ name: 't', config: { 'retention.bytes': '60000' } });
    let writing = true;
    const write = async () => {
      for (let i = 0; i < 300; i++) {
        await log.append(at(topic), encodeBatch([record('x'.repeat(3_000), i + 1)]));
        if (i % 10 === 9) await log.maintain();
      }
      writing = false;
    };
    let overtaken = 0;
    const read = async (behind: number) => {
      let offset = 0;
      while (writing) {
        const ends = log.ends(at(topic));
        const outcome = await log.read({ ...readOf(topic, offset), maxBytes: 5_000 }).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          expect(outcome).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
          overtaken++;
          offset = (log.ends(at(topic))?.logStart ?? 0) + behind;
          offset = Math.min(offset, ends?.highWatermark ?? 0);
        } else if (typeof outcome === 'object' && outcome !== null && 'nextOffset' in outcome)
          offset = Math.min(Number(outcome.nextOffset), log.ends(at(topic))?.highWatermark ?? 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const lookUp = async () => {
      while (writing) {
        const ends = log.ends(at(topic));
        const [answer] = await log.listOffsets([{ ...at(topic), at: 1 }]);
        expect(answer?.error).toBeUndefined();
        expect(answer?.offset ?? Number.MAX_SAFE_INTEGER).toBeGreaterThanOrEqual(ends?.logStart ?? 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const slow = async () => {
      while (writing) {
        const outcome = await log.read(readOf(topic, 0)).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          expect(outcome).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', logStart: log.ends(at(topic))?.logStart });
          overtaken++;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([write(), read(0), read(3), lookUp(), slow()]);
    expect(overtaken).toBeGreaterThan(0);
  });

  it('a damaged value is CORRUPT_MESSAGE for its offsets, and those before and after it can be read', async () => {
    const first = await open();
    const topic = await first.createTopic({ name: 't' });
    for (let i = 0; i < 5; i++) await first.append(at(topic), batch('x'.repeat(20_000), 'y'));
    await first.close();
    const store = openStore(dir);
    const key = numberedKey({ topicNumber: 1, partition: 0 }, 4);
    const value = store.get('batches', key) ?? Buffer.alloc(0);
    const damages: [string, Buffer][] = [
      ['rubbish', Buffer.alloc(value.length, 0xab)],
      ['cut short', value.subarray(0, 1_000)],
      ['shorter than a header', value.subarray(0, 10)],
      ['another base offset', Buffer.from(value).fill(9, 0, 8)],
      ['another last offset', Buffer.from(value).fill(1, 23, 27)],
      ['followed by rubbish', Buffer.concat([value, Buffer.alloc(100, 1)])],
      ['missing', Buffer.alloc(0)],
    ];
    await store.close();
    for (const [what, damaged] of damages) {
      const tampered = openStore(dir);
      await tampered.commit([{ table: 'batches', key, value: what === 'missing' ? undefined : damaged }]);
      await tampered.close();
      const log = await open();
      const upTo = await log.read(readOf(topic, 0));
      expect(upTo.nextOffset, what).toBe(4);
      for (const offset of [4, 5])
        await expect(log.read(readOf(topic, offset)), `${what} at ${offset}`).rejects.toMatchObject({
          code: 'CORRUPT_MESSAGE',
          offset,
          topic: 't',
          partition: 0,
        });
      expect((await log.read(readOf(topic, 6))).nextOffset, what).toBe(10);
      const [found] = await log.listOffsets([{ ...at(topic), at: 99 }]);
      expect(found, what).toMatchObject({ offset: null });
      await log.append(at(topic), batch('after'));
      await log.close();
      // The next round begins with the same five.
      const again = openStore(dir);
      const state = { logStart: 0, nextOffset: 10, bytes: 100_000, maxTimestamp: 1, sinceIndexed: 0 };
      await again.commit([
        { table: 'partitions', key: key.subarray(0, 8), value: Buffer.from(JSON.stringify(state)) },
        { table: 'batches', key: numberedKey({ topicNumber: 1, partition: 0 }, 10), value: undefined },
      ]);
      await again.close();
    }
  });
});
