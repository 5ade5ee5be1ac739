// Appends what a socket produces: in the order it came, a bounded number at a time, the rest left in the socket. Knows nothing of records.
import { LogError, type ProduceFrame, parseProduceFrame, type ServerFrame } from '../protocol/index.ts';
import type { Limits } from './limits.ts';
import type { AppendResult, Log } from './log.ts';

export interface ProducesOptions {
  readonly log: Log;
  readonly limits: Pick<Limits, 'maxProduceInFlight' | 'maxBatchBytes' | 'maxFrameBytes'>;
  readonly reply: (frame: ServerFrame) => void;
  /** Answers a failed request and counts it. */
  readonly refuse: (id: number, error: unknown, startedAt: number) => void;
  readonly done: (frame: ProduceFrame, startedAt: number) => void;
  readonly now: () => number;
  readonly setReading: (on: boolean) => void;
  readonly onFault: (error: unknown) => void;
  /** Frames kept coming although reading was paused. */
  readonly onFlood: () => void;
}

/** Frames that were already on their way when reading was paused may take this many times maxFrameBytes. */
const WAITING_FRAMES = 4;

export class Produces {
  readonly #options: ProducesOptions;
  #waiting: { readonly frame: ProduceFrame; readonly at: number }[] = [];
  #waitingBytes = 0;
  #inFlight = 0;
  #paused = false;
  #closed = false;

  constructor(options: ProducesOptions) {
    this.#options = options;
  }

  /** Reading of the socket is paused until the log has caught up. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Throws INVALID_REQUEST for bytes that are not a produce frame. */
  accept(bytes: Uint8Array): void {
    const { limits, now, onFlood } = this.#options;
    const frame = parseProduceFrame(bytes);
    const at = now();
    if (this.#inFlight < limits.maxProduceInFlight) {
      this.#append(frame, at);
    } else {
      this.#waiting.push({ frame, at });
      this.#waitingBytes += bytes.length;
      if (this.#waitingBytes > WAITING_FRAMES * limits.maxFrameBytes) onFlood();
    }
    this.#setPaused(this.#inFlight >= limits.maxProduceInFlight);
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #append(frame: ProduceFrame, at: number): void {
    const { log, limits, reply, refuse, done } = this.#options;
    if (frame.batches.length > limits.maxBatchBytes) {
      const error = new LogError(
        'RECORD_TOO_LARGE',
        `A batch of ${frame.batches.length} bytes is over the limit of ${limits.maxBatchBytes}.`,
        { partition: frame.partition },
      );
      refuse(frame.id, error, at);
      return;
    }
    this.#inFlight++;
    // Calls are made in the order of the frames, and the log keeps that order within a partition.
    let appended: Promise<AppendResult>;
    try {
      appended = log.append({ topicId: frame.topicId, partition: frame.partition }, frame.batches);
    } catch (error) {
      appended = Promise.reject(error);
    }
    void appended
      .then(
        ({ baseOffset, logAppendTime, logStart }) => {
          if (this.#closed) return;
          reply({ type: 'produce', id: frame.id, baseOffset, logAppendTime, logStart });
          done(frame, at);
        },
        (error: unknown) => {
          if (!this.#closed) refuse(frame.id, error, at);
        },
      )
      .then(() => {
        this.#inFlight--;
        this.#next();
      })
      .catch(this.#options.onFault);
  }

  #next(): void {
    const { limits } = this.#options;
    while (!this.#closed && this.#inFlight < limits.maxProduceInFlight) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingBytes = Math.max(0, this.#waitingBytes - next.frame.batches.length);
      this.#append(next.frame, next.at);
    }
    if (this.#waiting.length === 0) {
      this.#waitingBytes = 0;
      if (!this.#closed) this.#setPaused(this.#inFlight >= limits.maxProduceInFlight);
    }
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#options.setReading(!paused);
  }
}
