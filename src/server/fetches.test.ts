// Reading through a session: credit, turns, seeks, errors, ends, and what happens to slow sockets.
import { describe, expect, it } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  type ClientFrameOf,
  type Compression,
  compressBatch,
  type Decompressors,
  encodeBatch,
  LogError,
  readBatchHeader,
} from '../protocol/index.ts';
import { ATTRIBUTES_AT, COMPRESSIONS, sealBatch } from '../protocol/record-batch.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import type { Limits } from './limits.ts';
import type { Log, ReadRequest, ReadResult } from './log.ts';
import { type MemoryLog, memoryLog } from './memory-log.ts';

const PLENTY = 1 << 30;

interface World {
  readonly clock: ManualClock;
  readonly log: MemoryLog;
  readonly peer: SessionPeer;
  readonly topicId: string;
}
interface WorldOptions {
  readonly limits?: Partial<Limits>;
  readonly partitions?: number;
  readonly codecs?: ('gzip' | 'snappy' | 'lz4' | 'zstd')[];
  readonly decompressors?: Decompressors;
  readonly draining?: boolean;
  /** Stands between the session and the log’s reads. */
  readonly read?: (request: ReadRequest, log: Log) => Promise<ReadResult>;
}

async function world(options: WorldOptions = {}): Promise<World> {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random });
  const { topicId } = await log.createTopic({ name: 't', partitions: options.partitions ?? 1 });
  const { read } = options;
  const seen: Log =
    read === undefined
      ? log
      : Object.create(log, {
          read: { value: (request: ReadRequest) => read(request, log) },
          // Private fields need the log itself as `this`.
          ends: { value: log.ends.bind(log) },
          groups: { value: log.groups },
          logId: { value: log.logId },
        });
  const { limits, draining, decompressors } = options;
  const peer = new SessionPeer({ log: seen, clock, limits, draining, decompressors });
  await peer.hello(options.codecs ?? ['gzip', 'snappy', 'lz4', 'zstd']);
  return { clock, log, peer, topicId };
}

const batchOf = (valueBytes: number, records = 1, timestamp = 1_000) =>
  encodeBatch(
    Array.from({ length: records }, () => ({ key: null, value: new Uint8Array(valueBytes).fill(7), timestamp })),
  );

/** A batch that says its records are compressed, whatever they are. */
function asCodec(codec: Compression, batch: Uint8Array): Uint8Array {
  batch[ATTRIBUTES_AT + 1] = COMPRESSIONS.indexOf(codec);
  sealBatch(batch);
  return batch;
}

function fetchOf(
  { topicId }: World,
  terms: Partial<ClientFrameOf<'fetch'>> & {
    offset?: number;
    epoch?: number;
    partitionLimit?: number;
    partition?: number;
  } = {},
): ClientFrameOf<'fetch'> {
  const { offset = 0, epoch = 1, partitionLimit = PLENTY, partition = 0, ...rest } = terms;
  return {
    type: 'fetch',
    consumer: 1,
    isolation: 'read_uncommitted',
    minBytes: 1,
    maxWaitMs: 500,
    maxPartitionBytes: 1 << 20,
    limit: PLENTY,
    partitions: [{ topicId, partition, epoch, offset, limit: partitionLimit }],
    ...rest,
  };
}
const append = ({ log, topicId }: World, batch: Uint8Array, partition = 0) => log.append({ topicId, partition }, batch);

describe('a fetch', () => {
  it('announces the feed before its first data, with the offset it begins at', async () => {
    const w = await world();
    await append(w, batchOf(10, 3));
    await append(w, batchOf(10, 2));
    w.peer.send(fetchOf(w, { offset: 3 }));
    await w.peer.settle();
    expect(w.peer.all('feed')).toMatchObject([{ consumer: 1, topicId: w.topicId, partition: 0, epoch: 1, offset: 3 }]);
    expect(w.peer.order.indexOf('feed')).toBeLessThan(w.peer.order.indexOf('data'));
    expect(w.peer.data).toMatchObject([{ nextOffset: 5, stream: w.peer.all('feed')[0]?.stream }]);
  });

  it('pushes what is appended later, without being asked', async () => {
    const w = await world();
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.data).toEqual([]);
    for (let i = 1; i <= 3; i++) {
      await append(w, batchOf(10));
      await w.peer.settle();
      expect(w.peer.data.at(-1)).toMatchObject({ nextOffset: i, highWatermark: i });
    }
  });

  it('sends nothing while nothing is new, however long it takes', async () => {
    const w = await world();
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    await w.peer.advance(0);
    expect(w.peer.data).toHaveLength(1);
    for (let i = 0; i < 10; i++) {
      await w.peer.advance(10_000);
      w.peer.send({ type: 'heartbeat' });
    }
    expect(w.peer.data).toHaveLength(1);
    expect(w.log.waitingReads).toBe(1);
  });

  it('gathers small batches into frames of about targetFrameBytes', async () => {
    const w = await world({ limits: { targetFrameBytes: 10_000 } });
    for (let i = 0; i < 100; i++) await append(w, batchOf(900));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.data.at(-1)?.nextOffset).toBe(100);
    expect(w.peer.data.length).toBeLessThanOrEqual(12);
    for (const { batches } of w.peer.data) expect(batches.length).toBeLessThanOrEqual(10_000);
  });

  it('delivers a first batch that is larger than maxPartitionBytes', async () => {
    const w = await world();
    await append(w, batchOf(5_000));
    await append(w, batchOf(5_000));
    w.peer.send(fetchOf(w, { maxPartitionBytes: 100 }));
    await w.peer.settle();
    expect(w.peer.data.map(({ nextOffset }) => nextOffset)).toEqual([1, 2]);
  });

  it('waits for minBytes, but no longer than maxWaitMs', async () => {
    const w = await world();
    w.peer.send(fetchOf(w, { minBytes: 1_000, maxWaitMs: 400 }));
    await w.peer.settle();
    await append(w, batchOf(10));
    await w.peer.settle();
    expect(w.peer.data).toHaveLength(0);
    await w.peer.advance(400);
    expect(w.peer.data).toHaveLength(1);
    await append(w, batchOf(2_000));
    await w.peer.settle();
    expect(w.peer.data).toHaveLength(2);
  });
});

describe('credit', () => {
  it('of a partition lets a batch go while it is positive, overdrawn once, and no more before it is raised', async () => {
    const w = await world();
    for (let i = 0; i < 10; i++) await append(w, batchOf(1_000));
    const size = batchOf(1_000).length;
    w.peer.send(fetchOf(w, { partitionLimit: size + 1 }));
    await w.peer.settle();
    // One fits; one byte is left, which the second overdraws.
    expect(w.peer.batchBytes).toBe(2 * size);
    const raise = (limit: number) =>
      w.peer.send({
        type: 'credit',
        consumer: 1,
        partitions: [{ topicId: w.topicId, partition: 0, epoch: 1, limit }],
      });
    raise(2 * size);
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(2 * size);
    raise(2 * size + 1);
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(3 * size);
    raise(10 * size);
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(10 * size);
  });

  it('of a consumer bounds all its partitions together, also when they are read at once', async () => {
    const w = await world({ partitions: 8 });
    const size = batchOf(1_000).length;
    for (let p = 0; p < 8; p++) for (let i = 0; i < 20; i++) await append(w, batchOf(1_000), p);
    const partitions = Array.from({ length: 8 }, (_, partition) => ({
      topicId: w.topicId,
      partition,
      epoch: 1,
      offset: 0,
      limit: PLENTY,
    }));
    w.peer.send(fetchOf(w, { limit: 5 * size, partitions }));
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(5 * size);
    w.peer.send({ type: 'credit', consumer: 1, limit: 9 * size + 1, partitions: [] });
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(10 * size);
    w.peer.send({ type: 'credit', consumer: 1, limit: PLENTY, partitions: [] });
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(160 * size);
  });

  it('bounds partitions that wait at their ends and are all written to at once', async () => {
    const w = await world({ partitions: 4 });
    const size = batchOf(1_000).length;
    const partitions = [0, 1, 2, 3].map((partition) => ({
      topicId: w.topicId,
      partition,
      epoch: 1,
      offset: 0,
      limit: PLENTY,
    }));
    w.peer.send(fetchOf(w, { limit: size, partitions }));
    await w.peer.settle();
    await Promise.all([0, 1, 2, 3].map((partition) => append(w, batchOf(1_000), partition)));
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(size);
    w.peer.send({ type: 'credit', consumer: 1, limit: 4 * size, partitions: [] });
    await w.peer.settle();
    expect(w.peer.data.map(({ partition }) => partition).sort()).toEqual([0, 1, 2, 3]);
  });

  it('of one partition that is spent does not hold the others', async () => {
    const w = await world({ partitions: 2 });
    for (let i = 0; i < 5; i++) for (const p of [0, 1]) await append(w, batchOf(1_000), p);
    const open = (partition: number, limit: number) => ({ topicId: w.topicId, partition, epoch: 1, offset: 0, limit });
    w.peer.send(fetchOf(w, { partitions: [open(0, 1), open(1, PLENTY)] }));
    await w.peer.settle();
    expect(w.peer.data.filter(({ partition }) => partition === 0).at(-1)?.nextOffset).toBe(1);
    expect(w.peer.data.filter(({ partition }) => partition === 1).at(-1)?.nextOffset).toBe(5);
  });

  it('never falls, and that of an old epoch is ignored', async () => {
    const w = await world();
    const size = batchOf(1_000).length;
    for (let i = 0; i < 10; i++) await append(w, batchOf(1_000));
    w.peer.send(fetchOf(w, { epoch: 2, partitionLimit: 2 * size }));
    await w.peer.settle();
    const credit = (epoch: number, limit: number) =>
      w.peer.send({ type: 'credit', consumer: 1, partitions: [{ topicId: w.topicId, partition: 0, epoch, limit }] });
    credit(1, PLENTY);
    credit(2, 0);
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(2 * size);
    credit(2, 3 * size);
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(3 * size);
  });

  it('of zero reads nothing at all', async () => {
    const w = await world();
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { partitionLimit: 0 }));
    await w.peer.settle();
    expect(w.peer.data).toEqual([]);
    expect(w.log.waitingReads).toBe(0);
  });

  it('keeps its two bounds whatever is raised, appended, sought and closed', async () => {
    const w = await world({ partitions: 3, limits: { targetFrameBytes: 3_000, requestBurst: 10_000 } });
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    let limit = 0;
    const epochs = [1, 1, 1];
    const limits = [0, 0, 0];
    const largest = batchOf(1_500).length;
    const sentOf = (partition: number) => {
      const streams = new Set(
        w.peer
          .all('feed')
          .filter((feed) => feed.partition === partition && feed.epoch === epochs[partition])
          .map(({ stream }) => stream),
      );
      return w.peer.data.filter(({ stream }) => streams.has(stream)).reduce((sum, d) => sum + d.batches.length, 0);
    };
    for (const partition of [0, 1, 2]) w.peer.send(fetchOf(w, { limit: 0, partition, partitionLimit: 0 }));
    for (let step = 0; step < 400; step++) {
      const partition = random(3);
      const epoch = epochs[partition] ?? 0;
      switch (random(5)) {
        case 0:
        case 1:
          await append(w, batchOf(random(1_500)), partition);
          break;
        case 2:
          limit += random(4_000);
          w.peer.send({ type: 'credit', consumer: 1, limit, partitions: [] });
          break;
        case 3: {
          const raised = (limits[partition] ?? 0) + random(4_000);
          limits[partition] = raised;
          w.peer.send({
            type: 'credit',
            consumer: 1,
            partitions: [{ topicId: w.topicId, partition, epoch, limit: raised }],
          });
          break;
        }
        default:
          epochs[partition] = epoch + 1;
          limits[partition] = random(4_000);
          w.peer.send(fetchOf(w, { limit, partition, epoch: epoch + 1, partitionLimit: limits[partition], offset: 0 }));
      }
      if (random(2) === 0) await w.peer.settle();
      expect(w.peer.batchBytes).toBeLessThan(limit + largest);
      for (const p of [0, 1, 2]) expect(sentOf(p)).toBeLessThan((limits[p] ?? 0) + largest);
    }
    // In the end everything that is allowed has come.
    w.peer.send({ type: 'credit', consumer: 1, limit: PLENTY, partitions: [] });
    for (const p of [0, 1, 2]) {
      w.peer.send({
        type: 'credit',
        consumer: 1,
        partitions: [{ topicId: w.topicId, partition: p, epoch: epochs[p] ?? 0, limit: PLENTY }],
      });
    }
    await w.peer.settle();
    await w.peer.settle();
    for (const p of [0, 1, 2]) {
      const end = w.log.ends({ topicId: w.topicId, partition: p })?.highWatermark;
      expect(w.peer.data.filter(({ partition }) => partition === p).at(-1)?.nextOffset).toBe(end);
    }
    expect(w.peer.logged).toEqual([]);
  });
});

describe('turns', () => {
  it('let a quiet partition through while a busy one fills the socket', async () => {
    const w = await world({ partitions: 2, limits: { maxSocketBufferBytes: 10_000, targetFrameBytes: 5_000 } });
    for (let i = 0; i < 200; i++) await append(w, batchOf(1_000), 0);
    w.peer.setDraining(false);
    w.peer.send(fetchOf(w, { partition: 0 }));
    await w.peer.settle();
    w.peer.send(fetchOf(w, { partition: 1 }));
    await w.peer.settle();
    await append(w, batchOf(10), 1);
    await w.peer.settle();
    for (let i = 0; i < 4; i++) {
      w.peer.drain(1);
      await w.peer.settle();
    }
    expect(w.peer.data.some(({ partition }) => partition === 1)).toBe(true);
    expect(w.peer.data.at(-1)?.nextOffset).toBeLessThan(200);
  });

  it('share scarce consumer credit evenly among partitions that are behind', async () => {
    const w = await world({ partitions: 3, limits: { targetFrameBytes: 2_000 } });
    const size = batchOf(1_000).length;
    for (let p = 0; p < 3; p++) for (let i = 0; i < 50; i++) await append(w, batchOf(1_000), p);
    const partitions = [0, 1, 2].map((partition) => ({
      topicId: w.topicId,
      partition,
      epoch: 1,
      offset: 0,
      limit: PLENTY,
    }));
    w.peer.send(fetchOf(w, { limit: 1, partitions }));
    for (let i = 1; i <= 30; i++) {
      w.peer.send({ type: 'credit', consumer: 1, limit: i * size + 1, partitions: [] });
      await w.peer.settle();
    }
    const counts = [0, 1, 2].map((p) => w.peer.data.filter(({ partition }) => partition === p).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });
});

describe('a seek', () => {
  it('is a fetch with a higher epoch: a new stream from the new offset', async () => {
    const w = await world();
    for (let i = 0; i < 3; i++) await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    w.peer.send(fetchOf(w, { epoch: 2, offset: 1 }));
    await w.peer.settle();
    const [first, second] = w.peer.all('feed');
    expect(second).toMatchObject({ epoch: 2, offset: 1 });
    expect(second?.stream).not.toBe(first?.stream);
    expect(w.peer.data.at(-1)).toMatchObject({ stream: second?.stream, nextOffset: 3 });
    // The old reader is gone: what comes now comes once.
    await append(w, batchOf(10));
    await w.peer.settle();
    expect(w.peer.data.filter(({ nextOffset }) => nextOffset === 4)).toHaveLength(1);
    expect(w.log.waitingReads).toBe(1);
  });

  it.each([1, 2])('of the same or a lower epoch (%i) is ignored', async (epoch) => {
    const w = await world();
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { epoch: 2 }));
    await w.peer.settle();
    w.peer.send(fetchOf(w, { epoch, offset: 0 }));
    await w.peer.settle();
    expect(w.peer.data).toHaveLength(1);
    expect(w.peer.all('feed')).toHaveLength(1);
  });

  it('drops what is still being read for the old epoch', async () => {
    let answer: (() => void) | undefined;
    const w = await world({
      read: async (request, log) => {
        const result = await log.read(request);
        if (answer === undefined) await new Promise<void>((resolve) => (answer = resolve));
        return result;
      },
    });
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    w.peer.send(fetchOf(w, { epoch: 2 }));
    await w.peer.settle();
    answer?.();
    await w.peer.settle();
    expect(w.peer.all('feed')).toMatchObject([{ epoch: 2 }]);
    expect(w.peer.data).toHaveLength(1);
  });
});

describe('closing a fetch', () => {
  it('of some partitions ends those and no others', async () => {
    const w = await world({ partitions: 2 });
    for (const partition of [0, 1]) w.peer.send(fetchOf(w, { partition }));
    w.peer.send({ type: 'fetchClose', consumer: 1, partitions: [{ topicId: w.topicId, partition: 0 }] });
    await w.peer.settle();
    await append(w, batchOf(10), 0);
    await append(w, batchOf(10), 1);
    await w.peer.settle();
    expect(w.peer.data.map(({ partition }) => partition)).toEqual([1]);
    expect(w.log.waitingReads).toBe(1);
  });

  it('of a consumer ends all, and its credit counts from zero when it comes back', async () => {
    const w = await world();
    const size = batchOf(10).length;
    for (let i = 0; i < 4; i++) await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { limit: 2 * size }));
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(2 * size);
    w.peer.send({ type: 'fetchClose', consumer: 1 });
    w.peer.send(fetchOf(w, { limit: size, offset: 2, epoch: 2 }));
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(3 * size);
  });
});

describe('a fetch error', () => {
  it('OFFSET_OUT_OF_RANGE says where the log begins and ends, and the next epoch goes on', async () => {
    const w = await world();
    await append(w, batchOf(10, 3));
    w.peer.send(fetchOf(w, { offset: 9 }));
    await w.peer.settle();
    expect(w.peer.all('fetchError')).toMatchObject([
      { consumer: 1, epoch: 1, code: 'OFFSET_OUT_OF_RANGE', retriable: false, offset: 9, logStart: 0, logEnd: 3 },
    ]);
    w.peer.send(fetchOf(w, { offset: 0, epoch: 2 }));
    await w.peer.settle();
    expect(w.peer.data).toMatchObject([{ nextOffset: 3 }]);
  });

  it('UNKNOWN_TOPIC_ID and UNKNOWN_TOPIC_OR_PARTITION for what does not exist', async () => {
    const w = await world();
    const topicId = '00000000-0000-4000-8000-000000000000';
    w.peer.send(fetchOf(w, { partitions: [{ topicId, partition: 0, epoch: 1, offset: 0, limit: 1 }] }));
    w.peer.send(fetchOf(w, { partition: 5 }));
    await w.peer.settle();
    expect(w.peer.all('fetchError').map(({ code }) => code)).toEqual([
      'UNKNOWN_TOPIC_ID',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ]);
  });

  it('UNKNOWN_TOPIC_ID when the topic is deleted while it is read', async () => {
    const w = await world();
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    await w.log.deleteTopic('t');
    await w.peer.settle();
    expect(w.peer.all('fetchError')).toMatchObject([{ code: 'UNKNOWN_TOPIC_ID', retriable: true, epoch: 1 }]);
    expect(w.log.waitingReads).toBe(0);
  });

  it('of the disk is retriable, and of one partition leaves the others alone', async () => {
    const w = await world({
      partitions: 2,
      read: (request, log) =>
        request.partition === 0
          ? Promise.reject(new LogError('KAFKA_STORAGE_ERROR', 'The disk is gone.'))
          : log.read(request),
    });
    await append(w, batchOf(10), 1);
    for (const partition of [0, 1]) w.peer.send(fetchOf(w, { partition }));
    await w.peer.settle();
    expect(w.peer.all('fetchError')).toMatchObject([{ partition: 0, code: 'KAFKA_STORAGE_ERROR', retriable: true }]);
    expect(w.peer.data).toMatchObject([{ partition: 1 }]);
  });

  it('that nobody expected is logged and tells nothing', async () => {
    const w = await world({ read: () => Promise.reject(new Error('secret')) });
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.all('fetchError')).toMatchObject([{ code: 'UNKNOWN_SERVER_ERROR' }]);
    expect(JSON.stringify(w.peer.frames)).not.toContain('secret');
    expect(w.peer.logged).toMatchObject([{ level: 'error' }]);
  });
});

describe('frames', () => {
  const empty = (request: ReadRequest, log: Log, nextOffset: number): ReadResult => ({
    logStart: 0,
    highWatermark: 0,
    lastStableOffset: 0,
    leaderEpoch: 0,
    ...log.ends(request),
    buffer: new Uint8Array(0),
    batchBytes: 0,
    nextOffset,
    aborted: [],
  });

  it('without batches are sent when they move the next offset', async () => {
    const w = await world({
      read: (request, log) =>
        request.offset === 0 ? Promise.resolve(empty(request, log, 3)) : log.read({ ...request, minBytes: 1 }),
    });
    for (let i = 0; i < 3; i++) await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.data).toHaveLength(1);
    expect(w.peer.data[0]).toMatchObject({ nextOffset: 3, batches: new Uint8Array(0) });
  });

  it('carry more aborted transactions than there was room for', async () => {
    const aborted = Array.from({ length: 50 }, (_, i) => ({ producerId: i, firstOffset: i * 2 }));
    const w = await world({ read: async (request, log) => ({ ...(await log.read(request)), aborted }) });
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { isolation: 'read_committed' }));
    await w.peer.settle();
    expect(w.peer.data[0]?.aborted).toEqual(aborted);
    expect(w.peer.data[0]?.batches.length).toBe(batchOf(10).length);
  });

  it('are sent out of the buffer the log filled, which is given back once it is written', async () => {
    let released = 0;
    const w = await world({
      read: async (request, log) => ({ ...(await log.read(request)), release: () => released++ }),
    });
    w.peer.setDraining(false);
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.data).toHaveLength(1);
    expect(released).toBe(0);
    w.peer.drain();
    expect(released).toBe(1);
  });

  it('never spin on a log that answers a wait at once with nothing', async () => {
    let reads = 0;
    const w = await world({
      read: async (request, log) => {
        reads++;
        return empty(request, log, request.offset);
      },
    });
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(reads).toBeLessThanOrEqual(2);
    await w.peer.advance(1_000);
    expect(reads).toBeLessThanOrEqual(13);
  });
});

describe('codecs', () => {
  it('the client announced pass through untouched', async () => {
    const w = await world({ codecs: ['gzip'] });
    const gzipped = await compressBatch(batchOf(5_000), 'gzip');
    await append(w, gzipped);
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.batchBytes).toBe(gzipped.length);
  });

  it('it did not announce are decompressed, between batches that need it not', async () => {
    const w = await world({ codecs: [] });
    await append(w, batchOf(10, 2));
    await append(w, await compressBatch(batchOf(5_000, 3), 'gzip'));
    await append(w, batchOf(10, 2));
    w.peer.send(fetchOf(w));
    await w.peer.until(() => w.peer.data.at(-1)?.nextOffset === 7);
    const headers = w.peer.data.map(({ batches }) => readBatchHeader(batches, 0));
    expect(headers.map((header) => header?.compression)).toEqual(['none', 'none', 'none']);
    expect(headers.map((header) => header?.lastOffset)).toEqual([1, 4, 6]);
    expect(w.peer.data[1]?.batches.length).toBe(batchOf(5_000, 3).length);
  });

  it('that cannot be decompressed are UNSUPPORTED_COMPRESSION_TYPE at the offset of the batch', async () => {
    const w = await world({ codecs: ['gzip'] });
    await append(w, batchOf(10));
    await append(w, asCodec('zstd', batchOf(10)));
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.data).toMatchObject([{ nextOffset: 1 }]);
    expect(w.peer.all('fetchError')).toMatchObject([{ code: 'UNSUPPORTED_COMPRESSION_TYPE', offset: 1 }]);
  });

  it('it did not announce are decompressed by what the gateway was given, gzip in place of its own', async () => {
    const plain = batchOf(100, 3);
    const seen: string[] = [];
    const given = (name: string) => (compressed: Uint8Array) => {
      seen.push(`${name} ${compressed.length}`);
      return plain.subarray(BATCH_HEADER_BYTES);
    };
    const w = await world({ codecs: ['snappy'], decompressors: { lz4: given('lz4'), gzip: given('gzip') } });
    await append(w, asCodec('lz4', batchOf(7, 3)));
    await append(w, asCodec('snappy', batchOf(8, 3)));
    await append(w, asCodec('gzip', batchOf(9, 3)));
    w.peer.send(fetchOf(w));
    await w.peer.until(() => w.peer.data.at(-1)?.nextOffset === 9);
    const headers = w.peer.data.map(({ batches }) => readBatchHeader(batches, 0));
    expect(headers.map((header) => header?.compression)).toEqual(['none', 'snappy', 'none']);
    const bodyBytes = (valueBytes: number) => batchOf(valueBytes, 3).length - BATCH_HEADER_BYTES;
    expect(seen).toEqual([`lz4 ${bodyBytes(7)}`, `gzip ${bodyBytes(9)}`]);
    // All else of the batch is as it was.
    const first = w.peer.data[0]?.batches ?? new Uint8Array();
    const expected = plain.slice();
    expected.set(asCodec('lz4', batchOf(7, 3)).subarray(0, BATCH_HEADER_BYTES));
    new DataView(expected.buffer).setInt32(8, plain.length - 12);
    expected[22] = 0;
    // The log's own, not covered by the CRC.
    new DataView(expected.buffer).setInt32(12, 0);
    sealBatch(expected);
    expect(first).toEqual(expected);
  });

  it('that are damaged are CORRUPT_MESSAGE at the offset of the batch, be it by the CRC or by what the codec says', async () => {
    const lz4 = () => {
      throw new TypeError('no such thing');
    };
    const w = await world({
      codecs: [],
      decompressors: { lz4 },
      read: async (request, log) => {
        const result = await log.read(request);
        // One bit of the second batch.
        if (request.offset === 1) result.buffer[request.headroom + 70] = 99;
        return result;
      },
    });
    await append(w, asCodec('lz4', batchOf(10)));
    await append(w, asCodec('lz4', batchOf(10)));
    w.peer.send(fetchOf(w));
    expect(await w.peer.frame('fetchError')).toMatchObject({
      code: 'CORRUPT_MESSAGE',
      offset: 0,
      message: expect.stringContaining('(lz4): no such thing'),
    });
    w.peer.send(fetchOf(w, { epoch: 2, offset: 1 }));
    expect(await w.peer.frame('fetchError', 2)).toMatchObject({
      code: 'CORRUPT_MESSAGE',
      offset: 1,
      message: expect.stringContaining('CRC'),
    });
  });

  it('are decompressed several to a frame, up to its target, and what is wrong with one does not hold up those before it', async () => {
    const w = await world({ codecs: [], limits: { targetFrameBytes: 2_000 } });
    for (let i = 0; i < 5; i++) await append(w, await compressBatch(batchOf(500), 'gzip'));
    await append(w, asCodec('lz4', batchOf(10)));
    w.peer.send(fetchOf(w));
    expect(await w.peer.frame('fetchError')).toMatchObject({ offset: 5 });
    expect(w.peer.data.map(({ nextOffset }) => nextOffset)).toEqual([3, 5]);
    for (const { batches } of w.peer.data) expect(batches.length).toBeLessThanOrEqual(2_000);
  });

  it('refuse a batch over maxBatchBytes, decompressed or not, with RECORD_TOO_LARGE', async () => {
    const w = await world({ codecs: [], limits: { maxBatchBytes: 4_000 } });
    await append(w, await compressBatch(batchOf(5_000), 'gzip'));
    await append(w, batchOf(5_000));
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w));
    expect(await w.peer.frame('fetchError')).toMatchObject({ code: 'RECORD_TOO_LARGE', offset: 0 });
    w.peer.send(fetchOf(w, { epoch: 2, offset: 1 }));
    expect(await w.peer.frame('fetchError', 2)).toMatchObject({ code: 'RECORD_TOO_LARGE', offset: 1 });
    w.peer.send(fetchOf(w, { epoch: 3, offset: 2 }));
    await w.peer.until(() => w.peer.data.length > 0);
    expect(w.peer.data).toMatchObject([{ nextOffset: 3 }]);
  });
});

describe('log ends', () => {
  it('of a partition just opened are told at once, later changes at most once a second', async () => {
    const w = await world();
    await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { partitionLimit: 0 }));
    await w.peer.advance(0);
    expect(w.peer.all('ends')).toMatchObject([{ partitions: [{ topicId: w.topicId, highWatermark: 1 }] }]);
    for (let i = 0; i < 5; i++) {
      await append(w, batchOf(10));
      await w.peer.advance(100);
    }
    expect(w.peer.all('ends')).toHaveLength(1);
    await w.peer.advance(500);
    expect(w.peer.all('ends')).toHaveLength(2);
    expect(w.peer.all('ends')[1]).toMatchObject({ partitions: [{ highWatermark: 6 }] });
    await w.peer.advance(5_000);
    expect(w.peer.all('ends')).toHaveLength(2);
  });

  it('are not told where data flows, since data carries them', async () => {
    const w = await world();
    w.peer.send(fetchOf(w));
    await w.peer.advance(0);
    const before = w.peer.all('ends').length;
    for (let i = 0; i < 30; i++) {
      await append(w, batchOf(10));
      await w.peer.advance(100);
    }
    expect(w.peer.data).toHaveLength(30);
    expect(w.peer.all('ends')).toHaveLength(before);
  });
});

describe('a slow socket', () => {
  it('is given no more than its buffer bound and what was being read', async () => {
    const w = await world({ limits: { maxSocketBufferBytes: 50_000, targetFrameBytes: 10_000 } });
    for (let i = 0; i < 200; i++) await append(w, batchOf(1_000));
    w.peer.setDraining(false);
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    expect(w.peer.bufferedBytes).toBeGreaterThanOrEqual(50_000);
    expect(w.peer.bufferedBytes).toBeLessThan(50_000 + 4 * 11_000);
    w.peer.setDraining(true);
    await w.peer.settle();
    await w.peer.settle();
    expect(w.peer.data.at(-1)?.nextOffset).toBe(200);
  });

  it('that takes nothing for stallTimeoutMs is closed 4531', async () => {
    const w = await world({ limits: { maxSocketBufferBytes: 5_000, targetFrameBytes: 2_000, stallTimeoutMs: 10_000 } });
    for (let i = 0; i < 50; i++) await append(w, batchOf(1_000));
    w.peer.setDraining(false);
    w.peer.send(fetchOf(w));
    await w.peer.settle();
    await w.peer.advance(9_000);
    expect(w.peer.closed).toBeUndefined();
    await w.peer.advance(1_001);
    expect(w.peer.closed).toMatchObject({ code: 4531 });
  });

  it('that takes a little now and then is left alone', async () => {
    const w = await world({ limits: { maxSocketBufferBytes: 5_000, targetFrameBytes: 2_000, stallTimeoutMs: 10_000 } });
    for (let i = 0; i < 50; i++) await append(w, batchOf(1_000));
    w.peer.setDraining(false);
    w.peer.send(fetchOf(w));
    for (let i = 0; i < 8; i++) {
      await w.peer.advance(6_000);
      w.peer.drain(1);
      await w.peer.settle();
    }
    expect(w.peer.closed).toBeUndefined();
  });
});

describe('consumers', () => {
  it('over maxConsumers are refused, and closing one makes room', async () => {
    const w = await world({ limits: { maxConsumers: 2 } });
    for (const consumer of [1, 2, 3]) w.peer.send(fetchOf(w, { consumer }));
    await w.peer.settle();
    expect(w.peer.all('error')).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    w.peer.send({ type: 'fetchClose', consumer: 1 });
    w.peer.send(fetchOf(w, { consumer: 3 }));
    await append(w, batchOf(10));
    await w.peer.settle();
    expect(w.peer.all('feed').map(({ consumer }) => consumer)).toEqual([2, 3]);
  });

  it('that read the same partition have streams and credit of their own', async () => {
    const w = await world();
    const size = batchOf(10).length;
    for (let i = 0; i < 3; i++) await append(w, batchOf(10));
    w.peer.send(fetchOf(w, { consumer: 1, limit: size }));
    w.peer.send(fetchOf(w, { consumer: 2, limit: 2 * size }));
    await w.peer.settle();
    const bytes = w.peer
      .all('feed')
      .map(({ stream }) =>
        w.peer.data.filter((data) => data.stream === stream).reduce((sum, { batches }) => sum + batches.length, 0),
      );
    expect(bytes).toEqual([size, 2 * size]);
  });
});
