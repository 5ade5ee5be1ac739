// From raw records to what the application works with, and what happens to a record that a deserializer refuses. Knows nothing of buffers or positions.
import type { ConsumerRecord } from '../protocol/index.ts';
import type { OnPoisonRecord } from './consumer-config.ts';
import type { ConsumerEvent, PoisonRecord } from './consumer-events.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import type { Deserializer } from './deserializers.ts';
import { partitionError } from './partitions.ts';

export interface DecoderOptions<K, V> {
  readonly key: Deserializer<K> | undefined;
  readonly value: Deserializer<V> | undefined;
  readonly onPoisonRecord: OnPoisonRecord;
  emit(event: ConsumerEvent): void;
  /** A partition that waited for its poison handler goes on. */
  wake(): void;
}

export class RecordDecoder<K, V> {
  poisonRecords = 0;
  readonly #options: DecoderOptions<K, V>;
  readonly #raw: boolean;
  /** The poison record of a partition whose handler is at work or done: it is passed over. */
  readonly #handled = new Map<ConsumerPartition<K, V>, number>();

  constructor(options: DecoderOptions<K, V>) {
    this.#options = options;
    this.#raw = options.key === undefined && options.value === undefined;
  }

  /** Adds the decoded record to `into` unless it is passed over. false: the partition stops here, failed or waiting for a handler. */
  decode(partition: ConsumerPartition<K, V>, raw: ConsumerRecord, into: ConsumerRecord<K, V>[]): boolean {
    if (this.#raw) {
      // Without deserializers K and V are Uint8Array.
      into.push(raw as ConsumerRecord<K, V>);
      return true;
    }
    const { key: keyOf, value: valueOf } = this.#options;
    let field: 'key' | 'value' = 'key';
    try {
      const key = (keyOf === undefined || raw.key === null ? raw.key : keyOf(raw.key, raw)) as K | null;
      field = 'value';
      const value = (valueOf === undefined || raw.value === null ? raw.value : valueOf(raw.value, raw)) as V | null;
      const { topic, offset, timestamp, timestampType, headers, leaderEpoch } = raw;
      into.push({
        topic,
        partition: raw.partition,
        offset,
        timestamp,
        timestampType,
        key,
        value,
        headers,
        leaderEpoch,
      });
      return true;
    } catch (error) {
      return this.#poison(partition, { ...raw, field, error });
    }
  }
  forget(partition: ConsumerPartition<K, V>): void {
    this.#handled.delete(partition);
  }

  #poison(partition: ConsumerPartition<K, V>, poison: PoisonRecord): boolean {
    const { onPoisonRecord } = this.#options;
    if (this.#handled.get(partition) === poison.offset) {
      this.#handled.delete(partition);
      return true;
    }
    if (onPoisonRecord === 'throw') {
      this.#fail(partition, poison, poison.error);
      return false;
    }
    this.poisonRecords++;
    this.#options.emit({ type: 'poison', record: poison });
    if (onPoisonRecord === 'skip') return true;
    try {
      const work = onPoisonRecord(poison);
      if (!(work instanceof Promise)) return true;
      this.#await(partition, poison, work);
    } catch (error) {
      this.#fail(partition, poison, error);
    }
    return false;
  }
  /** Reading goes on behind the record once the handler is done, so that nothing commits past it before. */
  #await(partition: ConsumerPartition<K, V>, poison: PoisonRecord, work: Promise<void>): void {
    const { generation } = partition;
    partition.handlingPoison = true;
    const settle = (then: () => void) => () => {
      if (partition.generation !== generation) return; // A seek has left the record behind.
      partition.handlingPoison = false;
      then();
      this.#options.wake();
    };
    work.then(
      settle(() => this.#handled.set(partition, poison.offset)),
      (error: unknown) => settle(() => this.#fail(partition, poison, error))(),
    );
  }
  #fail(partition: ConsumerPartition<K, V>, poison: PoisonRecord, cause: unknown): void {
    const { field, error: _, ...record } = poison;
    const { offset } = record;
    const why = cause instanceof Error ? cause.message : String(cause);
    partition.at.fail(
      partitionError(
        'DESERIALIZATION_FAILED',
        record,
        `the ${field} of the record at offset ${offset} could not be deserialized: ${why}; seek past it to go on`,
        { offset, record, cause },
      ),
    );
  }
}
