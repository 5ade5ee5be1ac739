// A slice of records on its way from the buffers to the application: positions move as they are handed out, not before. Knows nothing of who reads.
import type { ConsumerRecord } from '../protocol/index.ts';
import type { ConsumerPartition } from './consumer-partition.ts';

/** Consecutive records of one partition within a slice. */
interface Run<K, V> {
  readonly from: ConsumerPartition<K, V>;
  readonly generation: number;
  /** Index after its last record. */
  readonly end: number;
  /** The position once all of them are handed out. */
  readonly next: number;
  /** Bytes that are done with then. */
  readonly wire: number;
  readonly held: number;
}
/** Told when bytes are done with. */
export type Release<K, V> = (partition: ConsumerPartition<K, V>, wire: number, held: number) => void;

export class Hand<K, V> {
  readonly records: ConsumerRecord<K, V>[] = [];
  readonly #runs: Run<K, V>[] = [];
  readonly #release: Release<K, V>;
  #index = 0;
  #run = 0;

  constructor(release: Release<K, V>) {
    this.#release = release;
  }

  get done(): boolean {
    return this.#index >= this.records.length;
  }
  /** Ends the run of what was pushed since the last one. */
  endRun(from: ConsumerPartition<K, V>, next: number, wire: number, held: number): void {
    this.#runs.push({ from, generation: from.generation, end: this.records.length, next, wire, held });
    // One without records before the first record: left for later, that record would be taken for this partition's.
    if (this.records.length === 0) this.#finishRuns(0);
  }

  /** The partition the next record is of. */
  get partition(): ConsumerPartition<K, V> | undefined {
    return this.#runs[this.#run]?.from;
  }
  /** Hands one record out: its partition's position moves behind it. */
  next(): ConsumerRecord<K, V> | undefined {
    const record = this.records[this.#index];
    const run = this.#runs[this.#run];
    if (record === undefined || run === undefined) return undefined;
    this.#index++;
    if (this.#index < run.end) run.from.at.position = record.offset + 1;
    else this.#finishRuns(this.#index);
    return record;
  }
  /** Hands everything out. */
  all(): ConsumerRecord<K, V>[] {
    this.#index = this.records.length;
    this.#finishRuns(this.#index);
    return this.records;
  }
  #finishRuns(index: number): void {
    for (let run = this.#runs[this.#run]; run !== undefined && run.end <= index; run = this.#runs[++this.#run]) {
      const { at } = run.from;
      if (run.generation === run.from.generation) {
        // Where nothing was in hand and nothing was handed out, what was passed over is processed as well.
        if (this.#isBare(this.#run) && at.processed === at.position) at.processed = run.next;
        at.position = run.next;
      }
      this.#release(run.from, run.wire, run.held);
    }
  }
  #isBare(run: number): boolean {
    return this.#runs[run]?.end === (this.#runs[run - 1]?.end ?? 0);
  }

  /** Gives what was not handed out back to the partitions, for the next reader. */
  giveBack(): void {
    // From the last to the first, since each goes before what its partition already got back.
    for (let i = this.#runs.length - 1; i >= this.#run; i--) {
      const run = this.#runs[i];
      if (run === undefined) break;
      const { from, end, next, wire, held } = run;
      if (run.generation !== from.generation) {
        this.#release(from, wire, held);
        continue;
      }
      const rest = from.returned;
      const start = Math.max(this.#index, this.#runs[i - 1]?.end ?? 0);
      from.returned = {
        records: [...this.records.slice(start, end), ...(rest?.records.slice(rest.index) ?? [])],
        index: 0,
        next: rest?.next ?? next,
        wire: wire + (rest?.wire ?? 0),
        held: held + (rest?.held ?? 0),
      };
    }
    this.#run = this.#runs.length;
    this.#index = this.records.length;
  }
}
