// Partitions that the group gives and takes: withheld, let go of, told to the listener, in the order that keeps its promises. Knows nothing of why they come and go.
import type { TopicPartition } from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent, RebalanceListener, RebalanceView } from './consumer-events.ts';
import type { Fetcher } from './consumer-fetcher.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { named } from './partitions.ts';

export interface RebalanceHost<K, V> {
  readonly config: ParsedConsumerConfig;
  readonly fetcher: Fetcher<K, V>;
  readonly view: RebalanceView;
  emit(event: ConsumerEvent): void;
  wake(): void;
  /** Decoded records that were not handed out go back. */
  giveBack(): void;
  /** Nothing of these is in hand any more; false: not within `timeoutMs`. */
  letGo(partitions: readonly ConsumerPartition<K, V>[], timeoutMs: number | undefined): Promise<boolean>;
  /** With auto-commit: what is processed of these. Never rejects. */
  autoCommit(partitions: readonly ConsumerPartition<K, V>[]): Promise<void>;
  forgetCommits(partition: TopicPartition): void;
  listenerFailed(error: unknown): void;
  assignmentChanged(): void;
}

export class Rebalance<K, V> {
  listener: RebalanceListener | undefined;
  readonly #host: RebalanceHost<K, V>;
  /** Partitions whose listener is being told that they go. */
  readonly #dropping = new WeakMap<ConsumerPartition<K, V>, Promise<void>>();

  constructor(host: RebalanceHost<K, V>) {
    this.#host = host;
  }

  /** Nothing of them is delivered before the listener is done. */
  async take(added: readonly ConsumerPartition<K, V>[]): Promise<void> {
    if (added.length === 0) return;
    for (const partition of added) partition.withheld = true;
    this.#host.assignmentChanged();
    await this.#tell((listener) => listener.onPartitionsAssigned?.(added.map(named), this.#host.view));
    // Meanwhile they may have gone again, or be about to.
    const mine = added.filter((one) => this.#has(one) && !this.#dropping.has(one));
    if (mine.length === 0) return;
    for (const partition of mine) partition.withheld = false;
    this.#host.emit({ type: 'rebalance', assigned: mine.map(named), revoked: [], lost: [] });
    this.#host.fetcher.scheduleOpen();
    this.#host.wake();
  }
  /** The group wants them back: when nothing of them is in hand, at the latest after rebalanceTimeoutMs, since then they are lost. */
  async revoke(partitions: readonly TopicPartition[]): Promise<void> {
    const mine = this.#withhold(partitions);
    const inTime = await this.#host.letGo(mine, this.#host.config.rebalanceTimeoutMs);
    if (inTime) await this.#host.autoCommit(mine.filter((one) => this.#has(one)));
    await this.drop(mine, inTime ? 'revoked' : 'lost');
  }
  /** All there are, are another's already, or of a log that is gone: told to the listener when nothing of them is in hand. */
  async lose(): Promise<void> {
    const mine = this.#withhold([...this.#host.fetcher.partitions.values()]);
    if (mine.length === 0) return;
    await this.#host.letGo(mine, undefined);
    await this.drop(mine, 'lost');
  }
  #withhold(partitions: readonly TopicPartition[]): ConsumerPartition<K, V>[] {
    const { fetcher } = this.#host;
    this.#host.giveBack();
    return partitions.flatMap(({ topic, partition }) => {
      const mine = fetcher.get(topic, partition);
      if (mine === undefined) return [];
      mine.withheld = true;
      return [mine];
    });
  }

  /** Those that are there still; each is told of once. */
  async drop(partitions: readonly ConsumerPartition<K, V>[], how: 'revoked' | 'lost'): Promise<void> {
    const there = partitions.filter((one) => this.#has(one));
    const gone = there.filter((one) => !this.#dropping.has(one));
    let done: (work: Promise<void>) => void = () => undefined;
    const dropped = new Promise<void>((resolve) => {
      done = resolve;
    });
    // Before the listener is called: it may itself unsubscribe or close, and shall not hear of them again.
    for (const one of gone) this.#dropping.set(one, dropped);
    done(this.#tellDropped(gone, how));
    await Promise.all(there.map((one) => this.#dropping.get(one)));
  }
  #has(one: ConsumerPartition<K, V>): boolean {
    return this.#host.fetcher.get(one.topic, one.partition) === one;
  }
  async #tellDropped(gone: readonly ConsumerPartition<K, V>[], how: 'revoked' | 'lost'): Promise<void> {
    if (gone.length === 0) return;
    const names = gone.map(named);
    for (const partition of gone) partition.withheld = true;
    await this.#tell((listener) =>
      how === 'lost'
        ? listener.onPartitionsLost?.(names, this.#host.view)
        : listener.onPartitionsRevoked?.(names, this.#host.view),
    );
    this.#host.giveBack();
    for (const partition of gone) {
      this.#host.fetcher.remove(partition);
      this.#host.forgetCommits(partition);
    }
    this.#host.assignmentChanged();
    this.#host.emit({ type: 'rebalance', assigned: [], revoked: [], lost: [], [how]: names });
  }
  async #tell(call: (listener: RebalanceListener) => void | Promise<void> | undefined): Promise<void> {
    if (this.listener === undefined) return;
    try {
      await call(this.listener);
    } catch (error) {
      this.#host.listenerFailed(error);
    }
  }
}
