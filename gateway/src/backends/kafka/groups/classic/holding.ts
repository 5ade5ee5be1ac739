// What one client was told to own, and what it may still be working on. Pure; knows nothing of coordinators.
import type { Assignment, PartitionRef } from 'distributedlog/server';
import type { ByTopic } from './consumer-protocol.ts';

export interface NamedPartition extends PartitionRef {
  readonly topic: string;
}

export class Holding {
  /** By `topicId/partition`. */
  #assigned: ReadonlyMap<string, NamedPartition> = new Map();
  readonly #held = new Map<string, NamedPartition>();

  /** The client was told to let go of something and has not done so. */
  get isRevoking(): boolean {
    return this.#held.size > this.#assigned.size;
  }
  get isEmpty(): boolean {
    return this.#held.size === 0;
  }
  has(partition: PartitionRef): boolean {
    return this.#held.has(keyOf(partition));
  }

  /** What it should own from now on; false: that is what it was told last. */
  assign(partitions: readonly NamedPartition[]): boolean {
    const next = new Map(partitions.map((one) => [keyOf(one), one]));
    const same = next.size === this.#assigned.size && [...next.keys()].every((key) => this.#assigned.has(key));
    this.#assigned = next;
    for (const [key, one] of next) this.#held.set(key, one);
    return !same;
  }
  /** It may have these from an earlier life. */
  recall(partitions: readonly NamedPartition[]): void {
    for (const one of partitions) this.#held.set(keyOf(one), one);
  }
  /** It says what it still has; true: it let go of something. */
  letGo(stillHeld: readonly { readonly topicId: string; readonly partitions: readonly number[] }[]): boolean {
    const still = new Set(
      stillHeld.flatMap(({ topicId, partitions }) => partitions.map((partition) => keyOf({ topicId, partition }))),
    );
    const before = this.#held.size;
    for (const key of [...this.#held.keys()]) if (!this.#assigned.has(key) && !still.has(key)) this.#held.delete(key);
    return this.#held.size < before;
  }

  /** What nobody else may have yet. */
  claims(): ByTopic {
    return byName(this.#held.values());
  }
  assignment(memberEpoch: number): Assignment {
    const topics = new Map<string, { topic: string; topicId: string; partitions: number[] }>();
    for (const { topic, topicId, partition } of this.#assigned.values()) {
      const known = topics.get(topicId);
      if (known === undefined) topics.set(topicId, { topic, topicId, partitions: [partition] });
      else known.partitions.push(partition);
    }
    return { memberEpoch, partitions: [...topics.values()] };
  }
}

function keyOf({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

/** In order, so that the same partitions are the same bytes. */
function byName(partitions: Iterable<NamedPartition>): ByTopic {
  const names = new Map<string, Set<number>>();
  for (const { topic, partition } of partitions) {
    const numbers = names.get(topic);
    if (numbers === undefined) names.set(topic, new Set([partition]));
    else numbers.add(partition);
  }
  return new Map(
    [...names]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, numbers]) => [name, [...numbers].sort((a, b) => a - b)]),
  );
}
