// Asks the other end for a sign of life, and gives up when there is none. Knows nothing of frames.
import type { Clock } from '../core/index.ts';

export interface LivenessOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Asks for a sign. Returns whether it could: a full socket is watched by other means. */
  readonly ask: () => boolean;
  /** Counts what the peer has taken; growth is a sign of life too. */
  readonly progress: () => number;
  readonly onDead: () => void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  #intervalMs: number;
  /** When the sign that is awaited was asked for. */
  #askedAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
    this.#armAsk();
  }

  /** Any frame came in. */
  heard(): void {
    if (this.#askedAt !== undefined) this.#alive(this.#askedAt);
  }

  /** Asks at least this often from now on. */
  atLeastEvery(intervalMs: number): void {
    if (intervalMs >= this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    // An answer that is awaited now is still awaited; the new interval begins after it.
    if (this.#askedAt === undefined) {
      this.#cancel?.();
      this.#armAsk();
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#askedAt = undefined;
  }
  #alive(askedAt: number): void {
    const { clock } = this.#options;
    this.#askedAt = undefined;
    this.#cancel?.();
    this.#armAsk(Math.max(0, askedAt + this.#intervalMs - clock.now()));
  }

  #armAsk(delayMs = this.#intervalMs): void {
    const { clock, timeoutMs, progress, ask, onDead } = this.#options;
    this.#cancel = clock.after(delayMs, () => {
      const askedAt = clock.now();
      const before = progress();
      if (!ask()) {
        this.#armAsk();
        return;
      }
      this.#askedAt = askedAt;
      this.#cancel = clock.after(timeoutMs, () => {
        this.#cancel = undefined;
        if (progress() === before) onDead();
        else this.#alive(askedAt);
      });
    });
  }
}
