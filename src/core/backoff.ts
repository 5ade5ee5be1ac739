// How long to wait before trying again. Knows nothing of what is tried.
import type { Random } from './clock.ts';

export interface Backoff {
  /** Upper bound of the first delay, ms. */
  readonly baseMs: number;
  /** Upper bound of every delay, ms. */
  readonly maxMs: number;
}

/** Full jitter: uniform in [0, min(maxMs, baseMs · 2^failures)), so that clients that failed together do not come back together. */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: Random): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(failures, 52));
}
