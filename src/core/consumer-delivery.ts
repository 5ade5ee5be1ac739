// From buffered batches to slices of decoded records: whose turn it is, what must be decompressed, what cannot be read. Knows nothing of fetches or credit.
import { type Decompressors, LogError } from '../protocol/index.ts';
import { MAX_BATCH_BYTES } from './consumer-config.ts';
import type { RecordDecoder } from './consumer-decoder.ts';
import { Hand, type Release } from './consumer-hand.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { Inflater } from './inflate.ts';
import { partitionError } from './partitions.ts';
import type { Gap } from './positions.ts';

export interface DeliveryHost<K, V> {
  readonly decoder: RecordDecoder<K, V>;
  readonly decompressors: Decompressors;
  readonly release: Release<K, V>;
  /** So many bytes more are held, decompressed. */
  grew(bytes: number): void;
  wake(): void;
  reportGap(partition: ConsumerPartition<K, V>, gap: Gap): void;
  /** What is buffered of it is worthless: it is to be fetched again from where decoding stands. */
  refetch(partition: ConsumerPartition<K, V>): void;
}

/** A slice of several compressed batches ends after so many bytes: however well they were compressed, memory has a bound. */
const INFLATED_AT_ONCE = 1024 * 1024;

export class Delivery<K, V> {
  readonly #host: DeliveryHost<K, V>;
  readonly #inflater: Inflater;
  #turn = 0;
  /** Bytes decompressed for the slice that is being cut. */
  #inflated = 0;

  constructor(host: DeliveryHost<K, V>) {
    this.#host = host;
    this.#inflater = new Inflater(MAX_BATCH_BYTES, host.decompressors);
  }

  /** Throws what fails every read until a seek, if there is such a thing. */
  throwError(partitions: readonly ConsumerPartition<K, V>[]): void {
    for (const { at, readable } of partitions) if (at.error !== undefined && readable) throw at.error;
  }
  /**
   * Up to `max` records, without waiting: partitions take turns. Positions move as the hand is emptied.
   * Throws as throwError; what is found while records are at hand is thrown next time.
   */
  take(partitions: readonly ConsumerPartition<K, V>[], max: number): Hand<K, V> {
    this.throwError(partitions);
    const hand = new Hand<K, V>(this.#host.release);
    const ready = partitions.filter((partition) => partition.readable && !partition.drained);
    if (ready.length === 0) return hand;
    const share = Math.ceil(max / ready.length);
    this.#turn = (this.#turn + 1) % ready.length;
    for (const limit of ready.length > 1 ? [share, max] : [max]) {
      for (let i = 0; i < ready.length && hand.records.length < max; i++) {
        const partition = ready[(this.#turn + i) % ready.length];
        if (partition === undefined || partition.at.error !== undefined) continue;
        this.#drain(partition, hand, Math.min(limit, max - hand.records.length));
      }
    }
    return hand;
  }
  /** Moves the position past what holds no record, without a reader. */
  passOver(partition: ConsumerPartition<K, V>): void {
    this.#drain(partition, new Hand<K, V>(this.#host.release), 0);
  }
  close(): void {
    this.#inflater.clear();
  }

  #drain(partition: ConsumerPartition<K, V>, hand: Hand<K, V>, max: number): void {
    const { buffer, returned } = partition;
    const { records } = hand;
    const full = records.length + max;
    if (returned !== undefined) {
      while (returned.index < returned.records.length && records.length < full) {
        const record = returned.records[returned.index++];
        if (record !== undefined) records.push(record);
      }
      const last = records.at(-1);
      if (returned.index < returned.records.length) {
        if (max > 0 && last !== undefined) hand.endRun(partition, last.offset + 1, 0, 0);
        return;
      }
      partition.returned = undefined;
      hand.endRun(partition, returned.next, returned.wire, returned.held);
    }
    const { decoder } = this.#host;
    try {
      // The record after the last one is looked at as well: so the position is past whatever holds no record.
      do {
        for (let raw = buffer.peek(); raw !== undefined && records.length < full; raw = buffer.peek()) {
          if (decoder.decode(partition, raw, records)) buffer.shift();
          else break;
        }
      } while (records.length < full && this.#inflated < INFLATED_AT_ONCE && this.#inflate(partition));
    } catch (error) {
      this.#unreadable(partition, LogError.from(error));
    }
    hand.endRun(partition, buffer.cursor, buffer.takeWireDone(), buffer.takeHeldDone());
    const lost = buffer.takeLost();
    if (lost !== undefined) this.#host.reportGap(partition, { ...lost, cause: 'retention' });
    this.#inflated = 0;
    this.#inflate(partition);
  }
  /** true: what comes next was compressed, and it is known by now whether it can be read. */
  #inflate(partition: ConsumerPartition<K, V>): boolean {
    const { buffer } = partition;
    const batch = buffer.compressed;
    if (batch === undefined || partition.at.error !== undefined) return false;
    return this.#inflater.request({
      batch,
      wanted: () => buffer.compressed === batch && partition.readable,
      done: (bytes) => {
        this.#inflated += bytes.length;
        this.#host.grew(buffer.decompressed(batch, bytes));
        this.#host.wake();
      },
      failed: (error) => {
        this.#unreadable(partition, error);
        this.#host.wake();
      },
    });
  }
  /** A damaged batch is fetched once more; found damaged again, or unreadable for another reason, it fails every read until a seek. */
  #unreadable(partition: ConsumerPartition<K, V>, error: LogError): void {
    const { at, buffer } = partition;
    const offset = buffer.cursor;
    if (error.code === 'CORRUPT_MESSAGE' && partition.damagedAt !== offset) {
      partition.damagedAt = offset;
      this.#host.refetch(partition);
      return;
    }
    const { code, message, cause, retriable } = error;
    at.fail(partitionError(code, partition, message, { offset, cause, retriable }));
  }
}
