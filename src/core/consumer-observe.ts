// What a consumer shows of itself over time: status, assignment, lag, events, and when it has caught up or fallen behind. Knows nothing of how records are read.
import { Observable, Subject, Subscription } from 'rxjs';
import type { TopicPartition } from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import type { Fetcher } from './consumer-fetcher.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import type { ConnectionStatus, Session } from './session.ts';
import { State } from './state.ts';

export type PartitionLag = TopicPartition & {
  /** Records between the position and the end. */
  readonly lag: number;
  /** Where the log ends (under read_committed: the last stable offset). */
  readonly endOffset: number;
};
/** Changes of lag are told at most so often. */
const LAG_EVERY_MS = 250;

export class Observations<K, V> {
  readonly status$: Observable<ConnectionStatus>;
  readonly assignment$: Observable<readonly TopicPartition[]>;
  readonly lag$: Observable<readonly PartitionLag[]>;
  readonly events$: Observable<ConsumerEvent>;
  readonly #session: Session;
  readonly #config: ParsedConsumerConfig;
  readonly #fetcher: Fetcher<K, V>;
  readonly #status: State<ConnectionStatus>;
  readonly #assignment = new State<readonly TopicPartition[]>([]);
  readonly #lag = new Subject<readonly PartitionLag[]>();
  readonly #events = new Subject<ConsumerEvent>();
  readonly #sources = new Subscription();
  #lastLag: readonly PartitionLag[] = [];
  #cancelLag: (() => void) | undefined;
  #announced = false;
  #closed = false;

  constructor(session: Session, config: ParsedConsumerConfig, fetcher: Fetcher<K, V>) {
    this.#session = session;
    this.#config = config;
    this.#fetcher = fetcher;
    this.#status = new State(session.status);
    this.status$ = this.#status.value$;
    this.assignment$ = this.#assignment.value$;
    this.events$ = this.#events.asObservable();
    // Measured only while somebody looks, and at once for who begins to.
    this.lag$ = new Observable((subscriber) => {
      subscriber.next(this.#closed ? this.#lastLag : this.lags());
      return this.#lag.subscribe(subscriber);
    });
    this.#sources.add(session.status$.subscribe((status) => this.#status.next(status)));
    this.#sources.add(session.topics.onEnds(() => this.moved()));
  }

  emit(event: ConsumerEvent): void {
    this.#events.next(event);
  }
  assignmentChanged(): void {
    this.#announced = false;
    this.#assignment.next(this.#names());
    this.moved();
  }
  /** Catching up is told anew: after a seek, a reset, a reconnect. */
  rearm(): void {
    this.#announced = false;
  }
  #names(): readonly TopicPartition[] {
    return [...this.#fetcher.partitions.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  /** Where the log ends for this consumer, if the gateway has said so. */
  endOf({ at }: ConsumerPartition<K, V>): number | undefined {
    const ends = at.topicId === undefined ? undefined : this.#session.topics.ends(at.topicId, at.partition);
    if (ends === undefined) return undefined;
    return this.#config.isolationLevel === 'read_committed' ? ends.lastStableOffset : ends.highWatermark;
  }
  lagOf(partition: ConsumerPartition<K, V>): number | null {
    const end = this.endOf(partition);
    const { position } = partition.at;
    return end === undefined || position === undefined ? null : Math.max(0, end - position);
  }
  /** Of the partitions whose lag is known. */
  lags(): readonly PartitionLag[] {
    return [...this.#fetcher.partitions.values()].flatMap((partition) => {
      const lag = this.lagOf(partition);
      const endOffset = this.endOf(partition);
      const { topic, partition: number } = partition;
      return lag === null || endOffset === undefined ? [] : [{ topic, partition: number, lag, endOffset }];
    });
  }

  /** Positions or ends have moved. */
  moved(): void {
    if (this.#closed) return;
    this.#watchEnds();
    if (this.#cancelLag !== undefined || !this.#lag.observed) return;
    this.#cancelLag = this.#session.clock.after(LAG_EVERY_MS, () => {
      this.#cancelLag = undefined;
      this.#lag.next(this.lags());
    });
  }
  #watchEnds(): void {
    const { whenBehind } = this.#config;
    const limitMs = typeof whenBehind === 'object' ? whenBehind.skipToLiveAfterMs : undefined;
    if (this.#announced && limitMs === undefined) return;
    const now = this.#session.clock.now();
    let all = true;
    for (const partition of this.#fetcher.partitions.values()) {
      const lag = this.lagOf(partition);
      if (lag === 0) {
        partition.caughtUp = true;
        partition.behindSince = undefined;
      } else if (partition.caughtUp && lag !== null) {
        partition.behindSince ??= now;
        if (limitMs !== undefined && now - partition.behindSince >= limitMs && !partition.paused) this.#skip(partition);
      }
      if (!partition.caughtUp && !partition.paused) all = false;
    }
    if (!all || this.#announced || this.#fetcher.partitions.size === 0) return;
    this.#announced = true;
    this.#events.next({ type: 'caughtUp', partitions: this.#names() });
  }
  /** Later in this turn: positions must not change under whoever has just moved one. */
  #skip(partition: ConsumerPartition<K, V>): void {
    partition.behindSince = undefined;
    partition.caughtUp = false;
    queueMicrotask(() => {
      if (this.#closed || partition.at.position === undefined) return;
      partition.at.skipToEnd();
      this.#fetcher.follow(partition);
    });
  }

  /** The connection's own end is not the consumer's news. */
  detach(): void {
    this.#sources.unsubscribe();
  }
  close(status: ConnectionStatus): void {
    if (this.#closed) return;
    this.detach();
    this.#lastLag = this.lags();
    this.#closed = true;
    this.#cancelLag?.();
    this.#status.next(status);
    for (const subject of [this.#status, this.#assignment, this.#lag, this.#events]) subject.complete();
  }
}
