// Decompresses batches one at a time, so that compressed data costs memory only when it is about to be read. Knows nothing of what is in them.
import { type Decompressors, decompressBatch, LogError } from '../protocol/index.ts';
import type { CompressedBatch } from './buffer.ts';

export interface InflateJob {
  readonly batch: CompressedBatch;
  /** Whether it is still wanted, asked when its turn comes. */
  wanted(): boolean;
  done(bytes: Uint8Array): void;
  failed(error: LogError): void;
}

export class Inflater {
  readonly #maxBatchBytes: number;
  readonly #decompressors: Decompressors;
  /** At most one a partition: a partition asks only for its next batch. */
  #queue: InflateJob[] = [];
  readonly #known = new Set<CompressedBatch>();
  #working = false;

  constructor(maxBatchBytes: number, decompressors: Decompressors) {
    this.#maxBatchBytes = maxBatchBytes;
    this.#decompressors = decompressors;
  }

  /** Asking again for a batch that waits or is being worked on does nothing. */
  request(job: InflateJob): void {
    if (this.#known.has(job.batch)) return;
    this.#known.add(job.batch);
    this.#queue.push(job);
    if (!this.#working) void this.#run();
  }
  clear(): void {
    this.#queue = [];
    this.#known.clear();
  }

  async #run(): Promise<void> {
    this.#working = true;
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      if (job.wanted()) await this.#inflate(job);
      this.#known.delete(job.batch);
    }
    this.#working = false;
  }
  async #inflate(job: InflateJob): Promise<void> {
    const { bytes, at, header } = job.batch;
    try {
      const inflated = await decompressBatch(bytes, at, header, this.#maxBatchBytes, this.#decompressors);
      if (job.wanted()) job.done(inflated);
    } catch (error) {
      if (job.wanted()) job.failed(LogError.from(error));
    }
  }
}
