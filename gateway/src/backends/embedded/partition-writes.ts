// What one transaction does to one partition: offsets, sequences, packing into values, the timestamp index, trimming.
// Nothing of it shows until the transaction is on disk. Knows nothing of reading.
import { type BatchHeader, LogError, stampBatch } from 'distributedlog/protocol';
import { type AppendResult, afterWriting, type ProducerState, writtenBefore } from 'distributedlog/server';
import { numberedKey, partitionKey, timestampKey } from './keys.ts';
import type { Partition, PartitionState } from './partition.ts';
import { encodeProducerState } from './stored-producer.ts';
import type { Participant, Transaction } from './writer.ts';

/** Small batches of one transaction share a value of at least this size: small values waste most of their pages. */
const PACKED_BYTES = 16 * 1024;
/** One entry of the timestamp index for about this many bytes. */
const INDEX_INTERVAL_BYTES = 64 * 1024;
/** Producers remembered for each partition; the least recently seen are forgotten first. */
const MAX_PRODUCERS = 10_000;

interface StagedBatch {
  readonly bytes: Uint8Array;
  readonly baseOffset: number;
  readonly maxTimestamp: number;
}

export class PartitionWrites implements Participant {
  private readonly partition: Partition;
  private readonly now: number;
  private state: PartitionState;
  private readonly batches: StagedBatch[] = [];
  private readonly producers = new Map<number, ProducerState>();
  private forgotten: readonly number[] = [];
  private appendedBytes = 0;

  constructor(partition: Partition, now: number) {
    this.partition = partition;
    this.now = now;
    this.state = partition.state;
  }

  static of(transaction: Transaction, partition: Partition, now: number): PartitionWrites {
    return transaction.participant(
      partition,
      (p) => p instanceof PartitionWrites,
      () => new PartitionWrites(partition, now),
    );
  }

  /** A repeated batch is not written again: it gets the answer of the first. */
  append(batch: Uint8Array, header: BatchHeader): () => AppendResult {
    const { partition } = this;
    if (partition.deleted) throw new LogError('UNKNOWN_TOPIC_ID', `topic "${partition.topic}" was deleted`);
    const answer = (baseOffset: number) => () => ({ baseOffset, logAppendTime: -1, logStart: partition.logStart });
    const baseOffset = this.state.nextOffset;
    const { producerId } = header;
    if (producerId >= 0) {
      const known = this.producers.get(producerId) ?? partition.producers.get(producerId);
      const before = writtenBefore(known, header);
      if (before !== undefined) return answer(before.baseOffset);
      this.producers.set(producerId, afterWriting(known, header, baseOffset, this.now));
    }
    stampBatch(batch, 0, baseOffset, partition.leaderEpoch);
    this.batches.push({ bytes: batch, baseOffset, maxTimestamp: clampTimestamp(header.maxTimestamp) });
    this.state = { ...this.state, nextOffset: baseOffset + header.recordCount };
    return answer(baseOffset);
  }

  /** Removes what is below `logStart`: the values with these base offsets and these entries of the timestamp index. */
  trim(
    transaction: Transaction,
    logStart: number,
    bytes: number,
    values: readonly number[],
    times: readonly Buffer[],
  ): void {
    const { partition } = this;
    for (const baseOffset of values) transaction.remove('batches', numberedKey(partition.key, baseOffset));
    for (const key of times) transaction.remove('times', key);
    this.state = { ...this.state, logStart, bytes: this.state.bytes - bytes };
    partition.logStart = logStart;
  }

  forget(transaction: Transaction, producerIds: readonly number[]): void {
    for (const producerId of producerIds) transaction.remove('producers', numberedKey(this.partition.key, producerId));
    this.forgotten = [...this.forgotten, ...producerIds];
  }

  prepare(transaction: Transaction): void {
    for (const value of packed(this.batches)) this.writeValue(transaction, value);
    this.forget(transaction, this.surplusProducers());
    for (const [producerId, state] of this.producers)
      transaction.put('producers', numberedKey(this.partition.key, producerId), encodeProducerState(state));
    transaction.put('partitions', partitionKey(this.partition.key), Buffer.from(JSON.stringify(this.state)));
  }

  private writeValue(transaction: Transaction, { baseOffset, bytes, maxTimestamp }: StagedBatch): void {
    const { key } = this.partition;
    transaction.put('batches', numberedKey(key, baseOffset), bytes);
    let { sinceIndexed } = this.state;
    if (maxTimestamp > this.state.maxTimestamp && (sinceIndexed < 0 || sinceIndexed >= INDEX_INTERVAL_BYTES)) {
      const entry = Buffer.allocUnsafe(8);
      entry.writeDoubleBE(baseOffset);
      transaction.put('times', timestampKey(key, this.state.maxTimestamp), entry);
      sinceIndexed = 0;
    }
    this.appendedBytes += bytes.length;
    this.state = {
      ...this.state,
      bytes: this.state.bytes + bytes.length,
      maxTimestamp: Math.max(this.state.maxTimestamp, maxTimestamp),
      sinceIndexed: sinceIndexed < 0 ? -1 : sinceIndexed + bytes.length,
    };
  }

  private surplusProducers(): number[] {
    const known = this.partition.producers;
    let surplus = known.size - MAX_PRODUCERS;
    for (const producerId of this.producers.keys()) if (!known.has(producerId)) surplus++;
    const ids: number[] = [];
    for (const producerId of known.keys()) {
      if (surplus <= 0) break;
      if (this.producers.has(producerId)) continue;
      ids.push(producerId);
      surplus--;
    }
    return ids;
  }

  committed(): void {
    const { partition } = this;
    for (const producerId of this.forgotten) partition.producers.delete(producerId);
    for (const [producerId, state] of this.producers) {
      partition.producers.delete(producerId);
      partition.producers.set(producerId, state);
    }
    const trimmed = this.state.logStart !== partition.state.logStart;
    partition.state = this.state;
    if (trimmed) partition.wakeAll();
    else if (this.appendedBytes > 0) partition.appended(this.appendedBytes);
  }
}

/** Timestamps come from outside; the index counts in exact whole numbers. */
function clampTimestamp(timestamp: number): number {
  return Math.min(Math.max(timestamp, -1), Number.MAX_SAFE_INTEGER);
}

/** Large batches as they are; neighbouring small ones joined until a value is large enough. */
function packed(batches: readonly StagedBatch[]): StagedBatch[] {
  const values: StagedBatch[] = [];
  let open: StagedBatch[] = [];
  let openBytes = 0;
  const seal = (): void => {
    const [first] = open;
    if (first === undefined) return;
    const maxTimestamp = Math.max(...open.map((batch) => batch.maxTimestamp));
    const bytes = open.length === 1 ? first.bytes : Buffer.concat(open.map((batch) => batch.bytes));
    values.push({ bytes, baseOffset: first.baseOffset, maxTimestamp });
    open = [];
    openBytes = 0;
  };
  for (const batch of batches) {
    if (batch.bytes.length >= PACKED_BYTES) {
      seal();
      values.push(batch);
      continue;
    }
    open.push(batch);
    openBytes += batch.bytes.length;
    if (openBytes >= PACKED_BYTES) seal();
  }
  seal();
  return values;
}
