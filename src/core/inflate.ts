// Decompresses batches one at a time, so that compressed data costs memory only when it is about to be read. Knows nothing of what is in them.
import { type Decompressors, inflateBatch, LogError } from '../protocol/index.ts';
import type { CompressedBatch } from './buffer.ts';

export interface InflateJob {
  readonly batch: CompressedBatch;
  /** Whether it is still wanted, asked when it is done. */
  wanted(): boolean;
  done(bytes: Uint8Array): void;
  failed(error: LogError): void;
}

export class Inflater {
  readonly #maxBatchBytes: number;
  readonly #decompressors: Decompressors;
  /** At most one a partition: a partition asks only for its next batch. The first is being worked on. */
  #queue: InflateJob[] = [];

  constructor(maxBatchBytes: number, decompressors: Decompressors) {
    this.#maxBatchBytes = maxBatchBytes;
    this.#decompressors = decompressors;
  }

  /**
   * Asking again for a batch that waits or is being worked on does nothing. true: it is settled already, since nothing was before it and
   * its codec answers at once.
   */
  request(job: InflateJob): boolean {
    if (this.#queue.some(({ batch }) => batch === job.batch)) return false;
    if (this.#queue.length === 0) {
      const inflating = this.#inflate(job);
      if (inflating === undefined) return true;
      this.#queue.push(job);
      void this.#run(inflating);
    } else this.#queue.push(job);
    return false;
  }
  clear(): void {
    this.#queue = [];
  }

  async #run(inflating: Promise<void> | undefined): Promise<void> {
    while (this.#queue.length > 0) {
      await inflating;
      this.#queue.shift();
      const [job] = this.#queue;
      inflating = job && this.#inflate(job);
    }
  }
  /** undefined: settled. */
  #inflate(job: InflateJob): Promise<void> | undefined {
    const { bytes, at, header } = job.batch;
    const done = (inflated: Uint8Array): void => {
      if (job.wanted()) job.done(inflated);
    };
    const failed = (error: unknown): void => {
      if (job.wanted()) job.failed(LogError.from(error));
    };
    try {
      const inflated = inflateBatch(bytes, at, header, this.#maxBatchBytes, this.#decompressors);
      if (inflated instanceof Promise) return inflated.then(done).catch(failed);
      done(inflated);
    } catch (error) {
      failed(error);
    }
    return undefined;
  }
}
