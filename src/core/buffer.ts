// What one partition has received and not delivered yet, decoded one record at a time. Knows nothing of credit, positions of others, or sockets.
import {
  type AbortedTransaction,
  type BatchHeader,
  type ConsumerRecord,
  type DataFrame,
  type IsolationLevel,
  type LogError,
  RecordReader,
  readBatchHeader,
  verifyBatch,
} from '../protocol/index.ts';
import { partitionError } from './partitions.ts';

interface QueuedFrame {
  readonly bytes: Uint8Array;
  /** Where the next batch begins. */
  at: number;
  readonly nextOffset: number;
  readonly logStart: number;
  readonly aborted: readonly AbortedTransaction[];
}
/** A batch that must be decompressed before it can be read. */
export interface CompressedBatch {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly header: BatchHeader;
}

/**
 * A queue of frames and the cursor in it. Control batches and, under read_committed, aborted transactions are passed over;
 * they and empty frames move the cursor all the same. Every batch is verified once, when the cursor reaches it.
 */
export class PartitionBuffer {
  readonly topic: string;
  readonly partition: number;
  /** Next offset to decode. */
  cursor = 0;
  /** Next offset to fetch: after everything that is here. */
  end = 0;
  /** Bytes of batches here, decompressed where they are. */
  held = 0;
  /** Set while the next batch waits to be decompressed. */
  compressed: CompressedBatch | undefined;
  readonly #readCommitted: boolean;
  #frames: QueuedFrame[] = [];
  #reader: RecordReader | undefined;
  /** Of the batch being read: its last offset, the bytes it counts for here, and those it had on the wire. */
  #lastOffset = 0;
  #batchHeld = 0;
  #batchWire = 0;
  #batchChecked = false;
  #next: ConsumerRecord | undefined;
  #wireDone = 0;
  #heldDone = 0;
  /** Producers inside an aborted transaction, by the rule that it ends at the producer's next control batch. */
  readonly #aborting = new Set<number>();
  readonly #lastControl = new Map<number, number>();
  /** Records the log no longer had when the cursor came to them. */
  #lost: { readonly from: number; readonly to: number } | undefined;

  constructor(topic: string, partition: number, isolation: IsolationLevel) {
    this.topic = topic;
    this.partition = partition;
    this.#readCommitted = isolation === 'read_committed';
  }

  /** Drops everything; what was dropped is released. */
  restart(offset: number): void {
    for (const frame of this.#frames) this.#wireDone += frame.bytes.length - frame.at;
    this.#wireDone += this.#batchWire;
    this.#heldDone += this.held;
    this.held = 0;
    this.#frames = [];
    this.#endReader();
    this.#next = undefined;
    this.#aborting.clear();
    this.#lastControl.clear();
    this.#lost = undefined;
    this.cursor = offset;
    this.end = offset;
  }
  #endReader(): void {
    this.#reader = undefined;
    this.compressed = undefined;
    this.#batchHeld = 0;
    this.#batchWire = 0;
    this.#batchChecked = false;
  }

  /** Nothing at all is waiting, not even an empty frame. */
  get empty(): boolean {
    return (
      this.#frames.length === 0 &&
      this.#reader === undefined &&
      this.#next === undefined &&
      this.compressed === undefined
    );
  }
  /** Wire bytes that are waiting. */
  get wire(): number {
    let sum = this.#batchWire;
    for (const frame of this.#frames) sum += frame.bytes.length - frame.at;
    return sum;
  }

  push(frame: DataFrame): void {
    const { batches, nextOffset, logStart, aborted } = frame;
    if (nextOffset < this.end) return; // Says nothing new: an answer from before where reading goes on.
    this.held += batches.length;
    this.#frames.push({ bytes: batches, at: 0, nextOffset, logStart, aborted });
    this.end = nextOffset;
  }

  /**
   * The next record, left in place; undefined: nothing to read now (`compressed` says if a batch waits to be decompressed).
   * Throws a LogError with the offset when the next batch cannot be read; it does so again until `restart`.
   */
  peek(): ConsumerRecord | undefined {
    while (this.#next === undefined) {
      const reader = this.#reader;
      if (reader !== undefined) {
        this.#next = reader.next(this.cursor);
        if (this.#next === undefined) this.#endBatch();
      } else if (!this.#openBatch()) {
        return undefined;
      }
    }
    return this.#next;
  }
  /** Takes what `peek` returned. */
  shift(): void {
    if (this.#next === undefined) return;
    this.cursor = this.#next.offset + 1;
    this.#next = undefined;
  }

  /** Bytes that had left the buffer are done with as well. */
  finished(wire: number, held: number): void {
    this.#wireDone += wire;
    this.#heldDone += held;
  }
  /** Wire bytes done with since the last call. */
  takeWireDone(): number {
    const bytes = this.#wireDone;
    this.#wireDone = 0;
    return bytes;
  }
  /** Held bytes done with since the last call. */
  takeHeldDone(): number {
    const bytes = this.#heldDone;
    this.#heldDone = 0;
    return bytes;
  }
  /** What retention took from under the cursor, once. */
  takeLost(): { readonly from: number; readonly to: number } | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    return lost;
  }

  /** The compressed batch in another form; ignored if it is no longer the next one. Returns by how many bytes more is held. */
  decompressed(batch: CompressedBatch, bytes: Uint8Array): number {
    if (this.compressed !== batch) return 0;
    const header = readBatchHeader(bytes, 0);
    if (header === undefined) throw this.#damaged(batch.header.baseOffset, 'is cut short');
    // Where the records are not what the header says, the batch still waits, and is not passed over.
    this.#reader = new RecordReader(this.topic, this.partition, bytes, 0, header);
    this.compressed = undefined;
    const more = bytes.length - this.#batchHeld;
    this.held += more;
    this.#batchHeld = bytes.length;
    return more;
  }

  /** Goes to the next batch with records to deliver. false: there is none to read now. */
  #openBatch(): boolean {
    if (this.compressed !== undefined) return false;
    for (;;) {
      const frame = this.#frames[0];
      if (frame === undefined) return false;
      const header = frame.at < frame.bytes.length ? readBatchHeader(frame.bytes, frame.at) : undefined;
      if (header === undefined) {
        // The end of the frame, or a trailing partial batch.
        this.#drop(frame, frame.bytes.length - frame.at);
        this.#frames.shift();
        if (this.cursor < frame.nextOffset) {
          if (frame.bytes.length === 0 && this.cursor < frame.logStart)
            this.#lose(Math.min(frame.logStart, frame.nextOffset));
          this.cursor = frame.nextOffset;
        }
        continue;
      }
      const { sizeInBytes, baseOffset, lastOffset } = header;
      if (lastOffset < this.cursor) {
        // Its records are not wanted, but a marker among them still ends a transaction.
        if (header.isControl) this.#wanted(frame, header);
        this.#drop(frame, sizeInBytes);
        continue;
      }
      if (this.cursor < frame.logStart && this.cursor < baseOffset) {
        this.#lose(Math.min(frame.logStart, baseOffset));
      }
      if (!this.#batchChecked) {
        verifyBatch(frame.bytes, frame.at, header);
        this.#batchChecked = true;
      }
      if (!this.#wanted(frame, header)) {
        this.#drop(frame, sizeInBytes);
        this.#batchChecked = false;
        this.cursor = lastOffset + 1;
        continue;
      }
      this.#batchHeld = sizeInBytes;
      this.#batchWire = sizeInBytes;
      this.#lastOffset = lastOffset;
      if (header.compression === 'none') {
        this.#reader = new RecordReader(this.topic, this.partition, frame.bytes, frame.at, header);
      } else {
        this.compressed = { bytes: frame.bytes, at: frame.at, header };
      }
      frame.at += sizeInBytes;
      return this.#reader !== undefined;
    }
  }
  #endBatch(): void {
    this.cursor = Math.max(this.cursor, this.#lastOffset + 1);
    this.#wireDone += this.#batchWire;
    this.#heldDone += this.#batchHeld;
    this.held -= this.#batchHeld;
    this.#endReader();
  }
  #drop(frame: QueuedFrame, bytes: number): void {
    frame.at += bytes;
    this.#wireDone += bytes;
    this.#heldDone += bytes;
    this.held -= bytes;
  }

  #lose(to: number): void {
    this.#lost = { from: this.#lost?.from ?? this.cursor, to };
    this.cursor = to;
  }

  #wanted(frame: QueuedFrame, header: BatchHeader): boolean {
    if (!this.#readCommitted) return !header.isControl;
    const { producerId, lastOffset, isControl, isTransactional } = header;
    if (isControl) {
      this.#aborting.delete(producerId);
      this.#lastControl.set(producerId, lastOffset);
      return false;
    }
    if (!isTransactional) return true;
    for (const { producerId: aborted, firstOffset } of frame.aborted) {
      if (aborted !== producerId || firstOffset > lastOffset) continue;
      // A transaction that began before the producer's last marker is over.
      if (firstOffset > (this.#lastControl.get(aborted) ?? -1)) this.#aborting.add(aborted);
    }
    return !this.#aborting.has(producerId);
  }
  #damaged(offset: number, what: string): LogError {
    return partitionError('CORRUPT_MESSAGE', this, `the batch at offset ${offset} ${what}`, { offset });
  }
}
