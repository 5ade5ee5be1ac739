// One assigned partition as the consumer holds it: its position, its buffer, its credit and what is in the application's hands.
import type { ConsumerRecord, IsolationLevel, LogError } from '../protocol/index.ts';
import { AckTracker } from './ack.ts';
import { PartitionBuffer } from './buffer.ts';
import { PartitionWindow } from './credit.ts';
import { PartitionPosition, type StartAt } from './positions.ts';

/** Records that were decoded for a reader that left before it took them. */
interface Returned<K, V> {
  readonly records: readonly ConsumerRecord<K, V>[];
  index: number;
  /** The position once all of them are taken. */
  readonly next: number;
  /** Bytes to release then. */
  readonly wire: number;
  readonly held: number;
}

export class ConsumerPartition<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly at: PartitionPosition;
  readonly buffer: PartitionBuffer;
  readonly window: PartitionWindow;
  readonly acks = new AckTracker();
  /** Of the fetch; grows with every open and everything that makes data on its way worthless. */
  epoch: number;
  /** The gateway has been asked to send, at this epoch. */
  open = false;
  /** The gateway may have it open, at whatever epoch: to be closed. */
  asked = false;
  paused = false;
  /** Not delivered: assigned and its listener has not resolved, being revoked, or the group's connection is down. */
  withheld = false;
  /** Its topic is no longer subscribed to: not delivered, whenever its revocation completes. */
  unwanted = false;
  /** A poison handler is at work on the next record. */
  handlingPoison = false;
  /** The fetch ended with this; it counts once all that came before is delivered. */
  ending: LogError | undefined;
  /** Where a batch was found damaged; found again there, it is surfaced. */
  damagedAt = -1;
  /** Opens that failed in a row. */
  failures = 0;
  /** Until when a failed open waits. */
  cancelRetry: (() => void) | undefined;
  returned: Returned<K, V> | undefined;
  /** Counts restarts, so that a hand-out of before can be told apart. */
  generation = 0;
  /** Has reached the end since it was assigned or sought. */
  caughtUp = false;
  /** Since when it has been behind, after it had caught up. */
  behindSince: number | undefined;

  /** `epoch`: the last one of whoever had the partition before. */
  constructor(
    topic: string,
    partition: number,
    start: StartAt,
    isolation: IsolationLevel,
    maxWindow: number,
    epoch: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.epoch = epoch;
    this.at = new PartitionPosition(topic, partition, start);
    this.buffer = new PartitionBuffer(topic, partition, isolation);
    this.window = new PartitionWindow(maxWindow);
  }

  get readable(): boolean {
    return !this.paused && !this.withheld && !this.unwanted && !this.handlingPoison;
  }
  /** Nothing here that a reader could take, ever, without more data. */
  get drained(): boolean {
    return this.returned === undefined && this.buffer.empty;
  }
  /** Something is with the application. */
  get inHand(): boolean {
    return this.acks.unacked > 0 || this.at.processed !== this.at.position;
  }
  /** Drops all that is here and on its way; reading goes on at `offset` (undefined: not known yet). */
  restart(offset: number | undefined): void {
    this.buffer.restart(offset ?? 0);
    if (this.returned !== undefined) this.buffer.finished(this.returned.wire, this.returned.held);
    this.returned = undefined;
    this.acks.clear();
    this.ending = undefined;
    this.handlingPoison = false;
    this.generation++;
    this.epoch++;
    this.open = false;
    this.failures = 0;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    this.caughtUp = false;
    this.behindSince = undefined;
  }
}
