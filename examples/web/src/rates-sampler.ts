// Once a second: how many records and bytes of each topic came, and how far each partition is behind. Knows nothing of charts.
import type { PartitionState } from './app-state.ts';
import type { Continuity } from './continuity.ts';
import { CurveHistory } from './rates.ts';

export class RateSampler {
  readonly records = new CurveHistory();
  readonly bytes = new CurveHistory();
  readonly lag = new CurveHistory();
  #before = new Map<string, { records: number; bytes: number }>();
  #at: number;

  constructor(nowMs: number) {
    this.#at = nowMs;
  }

  /** `nowMs`: since the epoch. A page that slept has its counts spread over the time it slept. */
  sample(
    nowMs: number,
    continuity: Continuity,
    partitions: readonly PartitionState[],
    topics: readonly string[],
  ): void {
    const seconds = Math.max(0.2, (nowMs - this.#at) / 1000);
    this.#at = nowMs;
    const sums = new Map<string, { records: number; bytes: number }>();
    for (const topic of topics) sums.set(topic, { records: 0, bytes: 0 });
    for (const count of continuity.counts()) {
      const sum = sums.get(count.topic);
      if (sum === undefined) continue;
      sum.records += count.records;
      sum.bytes += count.bytes;
    }
    const records = new Map<string, number>();
    const bytes = new Map<string, number>();
    for (const [topic, sum] of sums) {
      // A topic that is new to the page begins at what it had when it was read before, so that no old count becomes a peak.
      const before = this.#before.get(topic) ?? { records: 0, bytes: 0 };
      records.set(topic, (sum.records - before.records) / seconds);
      bytes.set(topic, (sum.bytes - before.bytes) / seconds);
      this.#before.set(topic, sum);
    }
    const lag = new Map<string, number>();
    for (const partition of partitions) {
      if (partition.lag !== null) lag.set(`${partition.topic} / ${partition.partition}`, partition.lag);
    }
    const time = Math.round(nowMs / 1000);
    this.records.add(time, records);
    this.bytes.add(time, bytes);
    this.lag.add(time, lag);
  }
}
