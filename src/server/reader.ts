// One partition being read for one consumer, at one epoch: its position, its credit, its read under way. Knows nothing of the other partitions.
import type { ClientFrameOf, IsolationLevel } from '../protocol/index.ts';
import { CreditWindow } from './credit.ts';
import type { PartitionEnds, PartitionRef } from './log.ts';

/** What the frame that opened a partition said, for all its partitions. */
export interface FetchTerms {
  readonly isolation: IsolationLevel;
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly maxPartitionBytes: number;
}
export type PartitionToOpen = ClientFrameOf<'fetch'>['partitions'][number];

export function partitionKey(partition: PartitionRef): string {
  return `${partition.topicId}/${partition.partition}`;
}

/** The log ends a client was last told. */
export interface ToldEnds {
  logStart: number;
  highWatermark: number;
  lastStableOffset: number;
}

export class Reader implements PartitionRef {
  readonly key: string;
  readonly topicId: string;
  readonly partition: number;
  readonly epoch: number;
  readonly stream: number;
  readonly terms: FetchTerms;
  readonly credit: CreditWindow;
  readonly startOffset: number;
  /** Of the first read only: later ones continue what the log itself has said. */
  leaderEpoch: number | undefined;
  position: number;
  /** Bytes of the last read: a partition whose last read was small waits for minBytes before the next. */
  lastBytes: number;
  announced = false;
  told: ToldEnds | undefined;
  /** Data went out since the ends were last looked at. */
  flowing = false;
  /** Closed, replaced or failed: whatever is still under way for it is dropped. */
  over = false;
  cancelRetry: (() => void) | undefined;
  readonly #abort = new AbortController();

  constructor(spec: PartitionToOpen, terms: FetchTerms, stream: number) {
    this.key = partitionKey(spec);
    this.topicId = spec.topicId;
    this.partition = spec.partition;
    this.epoch = spec.epoch;
    this.stream = stream;
    this.terms = terms;
    this.credit = new CreditWindow(spec.limit);
    this.startOffset = spec.offset;
    this.position = spec.offset;
    this.leaderEpoch = spec.leaderEpoch;
    this.lastBytes = terms.minBytes <= 1 ? 1 : 0;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether more than the last read is there already, so that reading need not wait. */
  isBehind(ends: PartitionEnds | undefined): boolean {
    if (ends === undefined || this.lastBytes < this.terms.minBytes) return false;
    const end = this.terms.isolation === 'read_committed' ? ends.lastStableOffset : ends.highWatermark;
    return this.position < end;
  }

  tell(ends: ToldEnds): void {
    this.told = {
      logStart: ends.logStart,
      highWatermark: ends.highWatermark,
      lastStableOffset: ends.lastStableOffset,
    };
  }

  isTold(ends: ToldEnds): boolean {
    return (
      this.told !== undefined &&
      this.told.logStart === ends.logStart &&
      this.told.highWatermark === ends.highWatermark &&
      this.told.lastStableOffset === ends.lastStableOffset
    );
  }

  end(): void {
    if (this.over) return;
    this.over = true;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    this.#abort.abort();
  }
}
