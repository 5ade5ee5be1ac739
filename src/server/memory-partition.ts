// One partition of the in-memory log: its batches, who waits for more of them, and its producers. Knows nothing of topics or groups.
import {
  type BatchHeader,
  decompressBatch,
  LogError,
  RecordReader,
  readBatchHeader,
  stampBatch,
  verifyBatch,
} from '../protocol/index.ts';
import type { AppendResult, PartitionEnds, ReadRequest, ReadResult } from './log.ts';
import { afterWriting, type ProducerState, writtenBefore } from './producer-state.ts';

interface Stored {
  readonly bytes: Uint8Array;
  readonly header: BatchHeader;
}

/** Producers a partition remembers; the one that was silent longest is forgotten first. */
const MAX_PRODUCERS = 1_000;
const LEADER_EPOCH = 0;

export class MemoryPartition {
  readonly topic: string;
  readonly partition: number;
  #batches: Stored[] = [];
  #bytes = 0;
  #logStart = 0;
  #end = 0;
  readonly #producers = new Map<number, ProducerState>();
  readonly #waiters = new Set<() => void>();
  #closedBy: LogError | undefined;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  ends(): PartitionEnds {
    return {
      logStart: this.#logStart,
      highWatermark: this.#end,
      lastStableOffset: this.#end,
      leaderEpoch: LEADER_EPOCH,
    };
  }

  /** Reads that wait for more. */
  get waiting(): number {
    return this.#waiters.size;
  }

  append(batch: Uint8Array, now: number): AppendResult {
    const { topic, partition } = this;
    const header = readBatchHeader(batch, 0);
    if (header === undefined || header.sizeInBytes !== batch.length) {
      throw new LogError('CORRUPT_MESSAGE', `Exactly one batch is appended at a time; ${batch.length} bytes are not.`, {
        topic,
        partition,
      });
    }
    verifyBatch(batch, 0, header);
    if (header.recordCount < 1 || header.lastOffset - header.baseOffset !== header.recordCount - 1) {
      throw new LogError('CORRUPT_MESSAGE', 'The offsets of a batch are not one after the other.', {
        topic,
        partition,
      });
    }
    if (header.isControl || header.isTransactional) {
      throw new LogError('INVALID_REQUEST', 'Transactional and control batches cannot be appended here.', {
        topic,
        partition,
      });
    }
    if (header.producerId >= 0) {
      const before = writtenBefore(this.#producers.get(header.producerId), header);
      if (before !== undefined) {
        return { baseOffset: before.baseOffset, logAppendTime: -1, logStart: this.#logStart };
      }
    }
    const baseOffset = this.#end;
    const bytes = batch.slice();
    stampBatch(bytes, 0, baseOffset, LEADER_EPOCH);
    const lastOffset = baseOffset + header.recordCount - 1;
    this.#batches.push({ bytes, header: { ...header, baseOffset, lastOffset, leaderEpoch: LEADER_EPOCH } });
    this.#bytes += bytes.length;
    this.#end = lastOffset + 1;
    if (header.producerId >= 0) this.#remember(header, baseOffset, now);
    for (const wake of [...this.#waiters]) wake();
    return { baseOffset, logAppendTime: -1, logStart: this.#logStart };
  }

  async read(request: ReadRequest, after: (delayMs: number, callback: () => void) => () => void): Promise<ReadResult> {
    const { signal } = request;
    this.#check(request);
    if (request.maxWaitMs > 0 && !this.#enough(request) && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#waiters.delete(look);
          cancel();
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const look = () => {
          if (this.#closedBy !== undefined || this.#enough(request)) done();
        };
        const cancel = after(request.maxWaitMs, done);
        signal?.addEventListener('abort', done);
        this.#waiters.add(look);
      });
      this.#check(request);
    }
    return this.#collect(request);
  }

  /** The first record at or after that time. */
  async offsetAt(timestamp: number): Promise<{ offset: number; timestamp: number } | undefined> {
    for (const { bytes, header } of [...this.#batches]) {
      if (header.maxTimestamp < timestamp) continue;
      let plain = bytes;
      if (header.compression !== 'none') {
        plain = await decompressBatch(bytes, 0, header, Number.MAX_SAFE_INTEGER);
      }
      const plainHeader = readBatchHeader(plain, 0) ?? header;
      const records = new RecordReader(this.topic, this.partition, plain, 0, plainHeader);
      for (let record = records.next(0); record !== undefined; record = records.next(0)) {
        if (record.timestamp >= timestamp) return { offset: record.offset, timestamp: record.timestamp };
      }
    }
    return undefined;
  }

  /** Drops the oldest batches that are too old or too many. Returns whether any went. */
  retain(now: number, retentionMs: number | undefined, retentionBytes: number | undefined): boolean {
    let dropped = 0;
    for (const { bytes, header } of this.#batches) {
      const tooOld = retentionMs !== undefined && header.maxTimestamp < now - retentionMs;
      const tooMany = retentionBytes !== undefined && this.#bytes - bytes.length >= retentionBytes;
      if (!tooOld && !tooMany) break;
      this.#bytes -= bytes.length;
      this.#logStart = header.lastOffset + 1;
      dropped++;
    }
    this.#batches.splice(0, dropped);
    return dropped > 0;
  }

  /** Ends every wait with that error. */
  close(error: LogError): void {
    this.#closedBy = error;
    this.#batches = [];
    for (const wake of [...this.#waiters]) wake();
  }

  #remember(header: BatchHeader, baseOffset: number, now: number): void {
    const { producerId } = header;
    const state = afterWriting(this.#producers.get(producerId), header, baseOffset, now);
    // The order of the map is the order of writing.
    this.#producers.delete(producerId);
    this.#producers.set(producerId, state);
    if (this.#producers.size <= MAX_PRODUCERS) return;
    const [oldest] = this.#producers.keys();
    if (oldest !== undefined) this.#producers.delete(oldest);
  }

  #check({ offset, leaderEpoch }: ReadRequest): void {
    const { topic, partition } = this;
    if (this.#closedBy !== undefined) throw this.#closedBy;
    if (leaderEpoch !== undefined && leaderEpoch > LEADER_EPOCH) {
      throw new LogError('UNKNOWN_LEADER_EPOCH', `Leader epoch ${leaderEpoch} is not known; it is ${LEADER_EPOCH}.`, {
        topic,
        partition,
      });
    }
    if (offset >= this.#logStart && offset <= this.#end) return;
    throw new LogError(
      'OFFSET_OUT_OF_RANGE',
      `Offset ${offset} of ${topic}-${partition} is outside the log, which has ${this.#logStart} to ${this.#end}.`,
      { topic, partition, offset, logStart: this.#logStart, logEnd: this.#end },
    );
  }

  #enough({ offset, minBytes }: ReadRequest): boolean {
    if (minBytes <= 0 || offset < this.#logStart) return true;
    let bytes = 0;
    for (let i = this.#indexOf(offset); i < this.#batches.length; i++) {
      bytes += this.#batches[i]?.bytes.length ?? 0;
      if (bytes >= minBytes) return true;
    }
    return false;
  }

  #collect({ offset, maxBytes, headroom }: ReadRequest): ReadResult {
    const first = this.#indexOf(offset);
    let last = first;
    let batchBytes = 0;
    for (let batch = this.#batches[last]; batch !== undefined; batch = this.#batches[last]) {
      if (last > first && batchBytes + batch.bytes.length > maxBytes) break;
      batchBytes += batch.bytes.length;
      last++;
    }
    const buffer = new Uint8Array(headroom + batchBytes);
    let at = headroom;
    let nextOffset = offset;
    for (const { bytes, header } of this.#batches.slice(first, last)) {
      buffer.set(bytes, at);
      at += bytes.length;
      nextOffset = header.lastOffset + 1;
    }
    return { ...this.ends(), buffer, batchBytes, nextOffset, aborted: [] };
  }

  /** Of the first batch that holds or follows the offset. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#batches[middle]?.header.lastOffset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
