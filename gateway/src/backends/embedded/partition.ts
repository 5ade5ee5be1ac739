// One partition: where it begins and ends, what it remembers of producers, and who waits for more. Knows nothing of reading or of disks.
import type { PartitionEnds, ProducerState } from 'distributedlog/server';
import type { PartitionKey } from './keys.ts';

/** What is stored of a partition beside its batches; written with every change. */
export interface PartitionState {
  readonly logStart: number;
  /** Offset of the next record; what is below it is on disk. */
  readonly nextOffset: number;
  /** Of all batches. */
  readonly bytes: number;
  /** Largest timestamp there ever was; −1 before the first. */
  readonly maxTimestamp: number;
  /** Bytes appended since the last entry of the timestamp index; −1: there is none yet. */
  readonly sinceIndexed: number;
}
export const EMPTY_PARTITION: PartitionState = {
  logStart: 0,
  nextOffset: 0,
  bytes: 0,
  maxTimestamp: -1,
  sinceIndexed: -1,
};

/** The oldest value of a partition, as retention needs it. */
export interface Head {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: number;
  readonly maxTimestamp: number;
}

/** Waits until `missingBytes` more were appended, or the partition changes in another way. */
export interface Waiter {
  missingBytes: number;
  wake(): void;
}

export interface PartitionIdentity {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export class Partition implements PartitionIdentity {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly key: PartitionKey;
  readonly leaderEpoch: number;
  state: PartitionState;
  /** Moves ahead of `state.logStart` as soon as a removal begins, so that nobody reads what is about to go. */
  logStart: number;
  deleted = false;
  /** By producer id, the least recently seen first. */
  readonly producers = new Map<number, ProducerState>();
  /** Known once retention looked. */
  head: Head | undefined;
  private readonly waiters = new Set<Waiter>();

  constructor(identity: PartitionIdentity, key: PartitionKey, leaderEpoch: number, state: PartitionState) {
    this.topic = identity.topic;
    this.topicId = identity.topicId;
    this.partition = identity.partition;
    this.key = key;
    this.leaderEpoch = leaderEpoch;
    this.state = state;
    this.logStart = state.logStart;
  }

  get highWatermark(): number {
    return this.state.nextOffset;
  }
  ends(): PartitionEnds {
    const highWatermark = this.highWatermark;
    return { logStart: this.logStart, highWatermark, lastStableOffset: highWatermark, leaderEpoch: this.leaderEpoch };
  }

  wait(waiter: Waiter): () => void {
    this.waiters.add(waiter);
    return () => this.waiters.delete(waiter);
  }
  appended(bytes: number): void {
    for (const waiter of this.waiters) {
      waiter.missingBytes -= bytes;
      if (waiter.missingBytes <= 0) waiter.wake();
    }
  }
  /** The log start moved, the topic is gone, or the log is closing. */
  wakeAll(): void {
    for (const waiter of this.waiters) waiter.wake();
  }
}
