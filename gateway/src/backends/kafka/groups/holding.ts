// What one client was told to own, and what it may still be working on. Pure; knows nothing of coordinators.
import type { Assignment, PartitionRef } from 'distributedlog/server';

export interface NamedPartition extends PartitionRef {
  readonly topic: string;
}
export interface OwnedPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export class Holding {
  /** By `topicId/partition`. */
  #assigned: ReadonlyMap<string, NamedPartition> = new Map();
  /** `assigned`, and what it was told to let go of and has not yet. */
  readonly #held = new Map<string, NamedPartition>();

  get isRevoking(): boolean {
    return this.#held.size > this.#assigned.size;
  }
  has(partition: PartitionRef): boolean {
    return this.#held.has(keyOf(partition));
  }
  held(): NamedPartition[] {
    return [...this.#held.values()];
  }
  /** What it was told to let go of and has not yet. */
  revoking(): NamedPartition[] {
    return [...this.#held].flatMap(([key, partition]) => (this.#assigned.has(key) ? [] : [partition]));
  }

  /** What it should own from now on; false: that is what it was told last. */
  assign(partitions: readonly NamedPartition[]): boolean {
    const next = new Map(partitions.map((one) => [keyOf(one), one]));
    const same = next.size === this.#assigned.size && [...next.keys()].every((key) => this.#assigned.has(key));
    this.#assigned = next;
    for (const [key, one] of next) this.#held.set(key, one);
    return !same;
  }
  /** It may have these from before. */
  recall(partitions: readonly NamedPartition[]): void {
    for (const one of partitions) this.#held.set(keyOf(one), one);
  }
  /** It says what it still has; true: it let go of something. */
  letGo(stillHeld: readonly OwnedPartitions[]): boolean {
    const still = new Set(
      stillHeld.flatMap(({ topicId, partitions }) => partitions.map((partition) => keyOf({ topicId, partition }))),
    );
    const before = this.#held.size;
    for (const key of [...this.#held.keys()]) if (!this.#assigned.has(key) && !still.has(key)) this.#held.delete(key);
    return this.#held.size < before;
  }

  assignment(memberEpoch: number): Assignment {
    return { memberEpoch, partitions: byTopic(this.#assigned.values()) };
  }
  /** What nobody else may have yet. */
  owned(): OwnedPartitions[] {
    return byTopic(this.#held.values());
  }
}

export function keyOf({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

function byTopic(partitions: Iterable<NamedPartition>): { topic: string; topicId: string; partitions: number[] }[] {
  const topics = new Map<string, { topic: string; topicId: string; partitions: number[] }>();
  for (const { topic, topicId, partition } of partitions) {
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, { topic, topicId, partitions: [partition] });
    else known.partitions.push(partition);
  }
  return [...topics.values()];
}
