// What a consumer tells about itself. Types only.
import type {
  ConsumerRecord,
  LogError,
  OffsetAndMetadata,
  TopicPartition,
  TopicPartitionOffset,
} from '../protocol/index.ts';
import type { GapCause } from './positions.ts';
import type { WaitOptions } from './wait-options.ts';

/** A record whose key or value the deserializer refused: raw bytes, and why. */
export interface PoisonRecord extends ConsumerRecord {
  readonly field: 'key' | 'value';
  readonly error: unknown;
}
export type ConsumerEvent =
  /** The records from `from` up to (not including) `to` are not delivered. `to` may be smaller: the log is shorter than it was. */
  | (TopicPartition & { readonly type: 'gap'; readonly from: number; readonly to: number; readonly cause: GapCause })
  /** All that the log had has been delivered. Once after each assignment, seek, reset and reconnect. */
  | { readonly type: 'caughtUp'; readonly partitions: readonly TopicPartition[] }
  | {
      readonly type: 'rebalance';
      readonly assigned: readonly TopicPartition[];
      readonly revoked: readonly TopicPartition[];
      readonly lost: readonly TopicPartition[];
    }
  /** A commit that ended, well or (with `error`) not. */
  | {
      readonly type: 'commit';
      readonly offsets: readonly TopicPartitionOffset[];
      readonly error?: LogError | undefined;
    }
  | { readonly type: 'poison'; readonly record: PoisonRecord }
  /** The gateway delays this connection's requests by so many ms. */
  | { readonly type: 'throttled'; readonly delayMs: number }
  /** Something failed that no call was waiting for. */
  | { readonly type: 'error'; readonly error: LogError };

/** What a {@link RebalanceListener} may do with the consumer. */
export interface RebalanceView {
  assignment(): readonly TopicPartition[];
  commit(offsets?: Iterable<TopicPartitionOffset & { readonly value?: never }>, options?: WaitOptions): Promise<void>;
  committed(partition: TopicPartition, options?: WaitOptions): Promise<OffsetAndMetadata | null>;
  position(partition: TopicPartition, options?: WaitOptions): Promise<number>;
  seek(partition: TopicPartition, offset: number | OffsetAndMetadata): void;
  seekToBeginning(partitions?: readonly TopicPartition[]): void;
  seekToEnd(partitions?: readonly TopicPartition[]): void;
  pause(partitions?: readonly TopicPartition[]): void;
  resume(partitions?: readonly TopicPartition[]): void;
  paused(): readonly TopicPartition[];
  beginningOffsets(partitions: readonly TopicPartition[], options?: WaitOptions): Promise<TopicPartitionOffset[]>;
  endOffsets(partitions: readonly TopicPartition[], options?: WaitOptions): Promise<TopicPartitionOffset[]>;
}
/** Awaited in order; what it throws surfaces at the next poll. */
export interface RebalanceListener {
  /** Only the added ones; nothing of them is delivered before this resolves. */
  onPartitionsAssigned?(partitions: readonly TopicPartition[], consumer: RebalanceView): void | Promise<void>;
  /** Before they go: they are still assigned, and commits are allowed. */
  onPartitionsRevoked?(partitions: readonly TopicPartition[], consumer: RebalanceView): void | Promise<void>;
  /** They are gone already, and others may read them. */
  onPartitionsLost?(partitions: readonly TopicPartition[], consumer: RebalanceView): void | Promise<void>;
}

/** Counts since the consumer was made; bytes and records as their names say. */
export interface ConsumerMetrics {
  readonly groupId: string | null;
  readonly subscriptions: readonly string[];
  readonly assignmentCount: number;
  readonly closed: boolean;
  readonly recordsConsumed: number;
  /** Bytes of batches received, as they travelled. */
  readonly bytesConsumed: number;
  /** Received and not delivered yet, decompressed where it is. */
  readonly bufferedBytes: number;
  /** Sum over the assigned partitions; null while one of them is unknown. */
  readonly lag: number | null;
  readonly reconnects: number;
  readonly gaps: number;
  readonly commits: number;
  readonly commitFailures: number;
  readonly poisonRecords: number;
}
