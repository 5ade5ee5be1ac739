// What brokers answered beyond what a read wanted, kept for a moment for the read that goes on there. Knows nothing of requests.
import type { Clock } from 'distributedlog/core';
import type { PartitionEnds } from 'distributedlog/server';
import { wholeBatches } from './whole-batches.ts';

/** Batches from `offset` on, of the partition with that key, at `from` and after. No transaction among them was aborted. */
export interface Ahead {
  readonly key: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly ends: PartitionEnds;
}
export interface AheadBatches {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly nextOffset: number;
  readonly ends: PartitionEnds;
}

/** Who reads on asks within a round trip; what is older than this may not be what the log has now. */
const KEEP_MS = 1_000;

export class ReadAhead {
  readonly #clock: Clock;
  /** Of all that is kept; the oldest makes room. */
  readonly #maxBytes: number;
  /** By partition and offset, the oldest first. */
  readonly #kept = new Map<string, Ahead & { readonly until: number }>();
  #bytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keep(ahead: Ahead): void {
    if (wholeBatches(ahead.bytes, ahead.from, 0).nextOffset < 0) return;
    const id = idOf(ahead.key, ahead.offset);
    this.#forget(id);
    this.#kept.set(id, { ...ahead, until: this.#clock.now() + KEEP_MS });
    this.#bytes += ahead.bytes.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    this.#cancelTimer ??= this.#clock.after(KEEP_MS, () => this.#expire());
  }

  /** As many whole batches from there as fit, the first whatever its size; what is left is kept on. undefined: there is nothing, or it is of another leader. */
  take(key: string, offset: number, leaderEpoch: number, maxBytes: number): AheadBatches | undefined {
    const id = idOf(key, offset);
    const kept = this.#kept.get(id);
    if (kept === undefined) return undefined;
    this.#forget(id);
    if (kept.ends.leaderEpoch !== leaderEpoch || kept.until <= this.#clock.now()) return undefined;
    const { bytes, from, ends } = kept;
    const { end, nextOffset } = wholeBatches(bytes, from, maxBytes);
    if (nextOffset < 0) return undefined;
    this.keep({ key, offset: nextOffset, bytes, from: end, ends });
    return { bytes, from, to: end, nextOffset, ends };
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#kept.clear();
    this.#bytes = 0;
  }

  #forget(id: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#bytes -= kept.bytes.length;
  }
  #expire(): void {
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    for (const [id, { until }] of this.#kept) if (until <= now) this.#forget(id);
    if (this.#kept.size > 0) this.#cancelTimer = this.#clock.after(KEEP_MS, () => this.#expire());
  }
}

function idOf(key: string, offset: number): string {
  return `${key}/${offset}`;
}
