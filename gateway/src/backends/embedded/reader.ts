// Reads a partition: gathers stored batches into one pooled buffer, and waits for more where the caller wants to. Decodes no record.
import type { Clock } from 'distributedlog/core';
import { LogError, readBatchHeader, scanBatches } from 'distributedlog/protocol';
import type { ReadRequest, ReadResult } from 'distributedlog/server';
import { numberedKey, numberOfKey } from './keys.ts';
import type { Partition } from './partition.ts';
import type { Slab, SlabPool } from './slab-pool.ts';
import type { Store } from './store.ts';

/** One read gathers no more than this, so that a large one does not hold up the event loop. */
const MAX_GATHERED_BYTES = 8 * 1024 * 1024;
/** What fits into this is not worth a slab. */
const SMALL_BYTES = 16 * 1024;

export interface Value {
  readonly baseOffset: number;
  /** Overwritten by the next read of the store. */
  readonly bytes: Uint8Array;
}

/** The value that holds `offset`, or should. `undefined`: there is none at or before it. */
export function valueAt(store: Store, partition: Partition, offset: number): Value | undefined {
  const key = numberedKey(partition.key, offset);
  const exact = store.getShared('batches', key);
  if (exact !== undefined) return { baseOffset: offset, bytes: exact };
  const before = store.lastKeyUpTo('batches', key);
  if (before === undefined || before.compare(key, 0, 8, 0, 8) !== 0) return undefined;
  const bytes = store.getShared('batches', before);
  return bytes === undefined ? undefined : { baseOffset: numberOfKey(before), bytes };
}

/** Where a damaged value is noticed: by its own offsets, not by decoding. */
export function damaged(partition: Partition, offset: number, cause?: unknown): LogError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  const message = `the stored batch at offset ${offset} of ${partition.topic}-${partition.partition} is damaged${reason}`;
  return new LogError('CORRUPT_MESSAGE', message, {
    topic: partition.topic,
    partition: partition.partition,
    offset,
    cause,
  });
}

/** Bytes of whole batches from `at` that fit into `maxBytes` (the first whatever its size), and the offset after them. */
function prefixThatFits(bytes: Uint8Array, at: number, maxBytes: number): { end: number; nextOffset: number } {
  let end = at;
  let nextOffset = -1;
  while (end < bytes.length) {
    const header = readBatchHeader(bytes, end);
    if (header === undefined) throw new LogError('CORRUPT_MESSAGE', 'a batch is cut short');
    if (end > at && end + header.sizeInBytes - at > maxBytes) break;
    end += header.sizeInBytes;
    nextOffset = header.lastOffset + 1;
  }
  return { end, nextOffset };
}

export class Reader {
  private readonly store: Store;
  private readonly pool: SlabPool;
  private readonly clock: Clock;
  private closed = false;

  constructor(store: Store, pool: SlabPool, clock: Clock) {
    this.store = store;
    this.pool = pool;
    this.clock = clock;
  }

  /** Reads that wait are refused once they wake. */
  close(): void {
    this.closed = true;
  }

  async read(partition: Partition, request: ReadRequest): Promise<ReadResult> {
    const wanted = Math.min(request.minBytes, request.maxBytes, MAX_GATHERED_BYTES);
    const now = this.gather(partition, request);
    if (now.batchBytes >= wanted || now.nextOffset < partition.highWatermark) return now;
    if (request.maxWaitMs <= 0 || request.signal?.aborted) return now;
    now.release?.();
    await this.moreBytes(partition, wanted - now.batchBytes, request);
    if (this.closed) throw new LogError('BROKER_NOT_AVAILABLE', 'the log is closed');
    return this.gather(partition, request);
  }

  private moreBytes(partition: Partition, missingBytes: number, request: ReadRequest): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        leave();
        cancelTimer();
        request.signal?.removeEventListener('abort', done);
        resolve();
      };
      const leave = partition.wait({ missingBytes, wake: done });
      const cancelTimer = this.clock.after(request.maxWaitMs, done);
      request.signal?.addEventListener('abort', done, { once: true });
    });
  }

  private gather(partition: Partition, request: ReadRequest): ReadResult {
    assertReadable(partition, request);
    const { headroom } = request;
    const limit = Math.min(request.maxBytes, MAX_GATHERED_BYTES);
    const { highWatermark } = partition;
    let slab: Slab | undefined;
    let buffer: Uint8Array | undefined;
    let end = headroom;
    let nextOffset = request.offset;
    try {
      while (nextOffset < highWatermark && (end === headroom || end - headroom < limit)) {
        const value = valueAt(this.store, partition, nextOffset);
        if (value === undefined) throw damaged(partition, nextOffset);
        const from = value.baseOffset === nextOffset ? 0 : this.skip(partition, value, nextOffset);
        let length = value.bytes.length - from;
        const room = limit - (end - headroom);
        if (length > room) {
          const fits = this.fitting(partition, value, from, end === headroom ? limit : room);
          if (end > headroom && fits > room) break;
          length = fits;
        }
        const after = this.nextAfter(partition, value, from, from + length, nextOffset);
        if (buffer === undefined) {
          if (length <= SMALL_BYTES && after === highWatermark) buffer = Buffer.allocUnsafe(headroom + length);
          else {
            slab = this.pool.take(headroom + Math.max(length, limit));
            buffer = slab.buffer;
          }
        }
        buffer.set(value.bytes.subarray(from, from + length), end);
        nextOffset = after;
        end += length;
      }
    } catch (error) {
      // What came before the damage is good; the next read meets it first and says so.
      if (end === headroom || !(error instanceof LogError)) {
        slab?.release();
        throw error;
      }
    }
    return {
      ...partition.ends(),
      buffer: buffer ?? new Uint8Array(headroom),
      batchBytes: end - headroom,
      nextOffset,
      aborted: [],
      ...(slab === undefined ? {} : { release: slab.release }),
    };
  }

  /** Where, in a value that begins before `offset`, the batch with `offset` begins. */
  private skip(partition: Partition, { bytes }: Value, offset: number): number {
    let at = 0;
    while (at < bytes.length) {
      const header = this.header(partition, bytes, at, offset);
      if (header.lastOffset >= offset) return at;
      at += header.sizeInBytes;
    }
    throw damaged(partition, offset);
  }

  private header(partition: Partition, bytes: Uint8Array, at: number, offset: number) {
    try {
      const header = readBatchHeader(bytes, at);
      if (header !== undefined) return header;
    } catch (error) {
      throw damaged(partition, offset, error);
    }
    throw damaged(partition, offset);
  }

  private fitting(partition: Partition, { bytes, baseOffset }: Value, from: number, room: number): number {
    try {
      return prefixThatFits(bytes, from, room).end - from;
    } catch (error) {
      throw damaged(partition, baseOffset, error);
    }
  }

  /** The offset after the batches in bytes[from, end), from their headers; they must hold `offset` and stay below the end of the log. */
  private nextAfter(partition: Partition, value: Value, from: number, end: number, offset: number): number {
    const { bytes, baseOffset } = value;
    const first = this.header(partition, bytes, from, offset);
    if (from === 0 ? first.baseOffset !== baseOffset : first.baseOffset > offset) throw damaged(partition, offset);
    let scanned: ReturnType<typeof scanBatches>;
    try {
      scanned = scanBatches(bytes, from, end);
    } catch (error) {
      throw damaged(partition, offset, error);
    }
    const { nextOffset } = scanned;
    if (scanned.end !== end || nextOffset <= offset || nextOffset > partition.highWatermark)
      throw damaged(partition, offset);
    return nextOffset;
  }
}

function assertReadable(partition: Partition, { offset, leaderEpoch }: ReadRequest): void {
  const { topic, partition: number } = partition;
  if (partition.deleted) throw new LogError('UNKNOWN_TOPIC_ID', `topic "${topic}" was deleted`, { topic });
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new LogError('INVALID_REQUEST', `offset ${offset} is not allowed: a whole number from 0 to 2^53 − 1`);
  if (leaderEpoch !== undefined && leaderEpoch > partition.leaderEpoch)
    throw new LogError(
      'UNKNOWN_LEADER_EPOCH',
      `${topic}-${number} has leader epoch ${partition.leaderEpoch}; the reader comes from ${leaderEpoch}, so this log has lost records that it read`,
      { topic, partition: number },
    );
  const { logStart, highWatermark } = partition.ends();
  if (offset >= logStart && offset <= highWatermark) return;
  const message = `offset ${offset} of ${topic}-${number} lies outside the log, which goes from ${logStart} to ${highWatermark}`;
  throw new LogError('OFFSET_OUT_OF_RANGE', message, {
    topic,
    partition: number,
    offset,
    logStart,
    logEnd: highWatermark,
  });
}
