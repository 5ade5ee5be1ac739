// Watches the offsets of each partition for repeats and holes, and counts what came. Knows nothing of consumers.

export interface PartitionCount {
  readonly topic: string;
  readonly partition: number;
  records: number;
  bytes: number;
  /** The offset expected next; −1: any will do. */
  expected: number;
}

/**
 * Counts by partition. Offsets that come again are `repeated`; offsets passed over are `skipped`, which compaction,
 * transactions and retention cause rightly.
 */
export class Continuity {
  repeated = 0;
  skipped = 0;
  records = 0;
  #topics = new Map<string, PartitionCount[]>();
  #last: PartitionCount | undefined;

  count(topic: string, partition: number, offset: number, bytes: number): void {
    let count = this.#last;
    if (count === undefined || count.partition !== partition || count.topic !== topic) {
      count = this.#find(topic, partition);
      this.#last = count;
    }
    if (count.expected >= 0) {
      if (offset < count.expected) this.repeated += 1;
      else this.skipped += offset - count.expected;
    }
    count.expected = Math.max(count.expected, offset + 1);
    count.records += 1;
    count.bytes += bytes;
    this.records += 1;
  }

  /** After a seek or a reset any offset is right; without arguments, on every partition. */
  expectAny(topic?: string, partition?: number): void {
    for (const count of this.counts()) {
      if (topic === undefined || (count.topic === topic && count.partition === partition)) count.expected = -1;
    }
  }

  *counts(): Iterable<PartitionCount> {
    for (const partitions of this.#topics.values()) yield* partitions.values();
  }

  #find(topic: string, partition: number): PartitionCount {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = [];
      this.#topics.set(topic, partitions);
    }
    let count = partitions.find((one) => one.partition === partition);
    if (count === undefined) {
      count = { topic, partition, records: 0, bytes: 0, expected: -1 };
      partitions.push(count);
    }
    return count;
  }
}
