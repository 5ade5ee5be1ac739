// Waits until nothing of some partitions is in the application's hands. Knows nothing of why they must be given up.
import type { ConsumerPartition } from './consumer-partition.ts';

export class HandGate<K, V> {
  #waiting: { readonly partitions: readonly ConsumerPartition<K, V>[]; readonly open: () => void }[] = [];

  /** Resolves once none of them is in hand; returns how to give up waiting as well. */
  wait(partitions: readonly ConsumerPartition<K, V>[]): { readonly done: Promise<void>; cancel(): void } {
    let open: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#waiting.push({ partitions, open });
    this.check();
    return { done, cancel: open };
  }
  /** After something was processed. Cheap while nobody waits. */
  check(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter(({ partitions, open }) => {
      if (partitions.some((partition) => partition.inHand)) return true;
      open();
      return false;
    });
  }
}
