// Gathers the records of one partition into batches, oldest first. A pure data structure: knows nothing of encoding, sending or timers.

export interface Sized {
  /** Bytes it adds to a batch. */
  readonly size: number;
  /** When it is no longer worth sending, by the caller's clock. */
  readonly deadline: number;
}
interface OpenBatch<E> {
  entries: E[];
  bytes: number;
  readonly openedAt: number;
}
export interface AccumulatorOptions {
  /** A batch is full at this many bytes; an entry that would exceed it begins the next one. */
  readonly batchBytes: number;
  /** How long a batch that is not full waits for more, ms. */
  readonly lingerMs: number;
}

/** The earliest deadline of `entries`, or `earliest` if none is before it. */
export function earliestOf(entries: Iterable<{ readonly deadline: number }>, earliest: number): number {
  let found = earliest;
  for (const { deadline } of entries) if (deadline < found) found = deadline;
  return found;
}

export class Accumulator<E extends Sized> {
  readonly #options: AccumulatorOptions;
  readonly #batches: OpenBatch<E>[] = [];

  constructor(options: AccumulatorOptions) {
    this.#options = options;
  }

  /** Whether the newest batch has room for the entry. */
  fits(entry: E): boolean {
    const last = this.#batches.at(-1);
    return last !== undefined && last.bytes + entry.size <= this.#options.batchBytes;
  }

  /** Adds an entry to the newest batch or, where it does not fit, to a new one; true if a new one was begun. */
  append(entry: E, now: number): boolean {
    const last = this.#batches.at(-1);
    if (last !== undefined && this.fits(entry)) {
      last.entries.push(entry);
      last.bytes += entry.size;
      return false;
    }
    this.#batches.push({ entries: [entry], bytes: entry.size, openedAt: now });
    return true;
  }

  /** From when on the oldest batch need not wait for more: the past if it is full or one is behind it; undefined if there is none. */
  get readyAt(): number | undefined {
    const first = this.#batches[0];
    if (first === undefined) return undefined;
    const full = this.#batches.length > 1 || first.bytes >= this.#options.batchBytes;
    return full ? Number.NEGATIVE_INFINITY : first.openedAt + this.#options.lingerMs;
  }

  /** The entries of the oldest batch, ready or not. */
  take(): E[] {
    return this.#batches.shift()?.entries ?? [];
  }

  /** Removes and returns what the predicate picks. */
  remove(pick: (entry: E) => boolean): E[] {
    const removed: E[] = [];
    for (let i = 0; i < this.#batches.length; i++) {
      const batch = this.#batches[i];
      if (batch === undefined || !batch.entries.some(pick)) continue;
      const kept: E[] = [];
      for (const entry of batch.entries) (pick(entry) ? removed : kept).push(entry);
      batch.entries = kept;
      batch.bytes = kept.reduce((sum, entry) => sum + entry.size, 0);
      if (kept.length > 0) continue;
      this.#batches.splice(i--, 1);
    }
    return removed;
  }

  /** Removes and returns what is past its deadline. */
  expire(now: number): E[] {
    return this.remove((entry) => entry.deadline <= now);
  }

  /** The earliest deadline; infinite when empty. */
  get deadline(): number {
    return this.#batches.reduce((earliest, { entries }) => earliestOf(entries, earliest), Number.POSITIVE_INFINITY);
  }
}
