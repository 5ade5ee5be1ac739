// One consumer from its making to its close: what it reads, from where, and what can be seen of it. Knows nothing of views or of the URL.
import {
  type Client,
  type Consumer,
  type ConsumerEvent,
  type ConsumerRecord,
  LogError,
  type TopicDescription,
  type TopicPartition,
} from 'distributedlog';
import { MAX_BUFFERED_BYTES, type PartitionState } from './app-state.ts';
import type { RateLimiter } from './limiter.ts';
import { readRecords } from './reader.ts';
import type { Start } from './url-state.ts';

export type SeekTarget = Start | { readonly kind: 'offset'; readonly offset: number };

export interface RunHandlers {
  onEvent(event: ConsumerEvent): void;
  onRecords(records: readonly ConsumerRecord[]): void;
  /** Reading has stopped. `resume()` starts it again where that makes sense. */
  onFailure(error: LogError): void;
}

export const keyOf = (partition: TopicPartition): string => `${partition.topic}-${partition.partition}`;

function resetOf(start: Start): 'earliest' | 'latest' | { durationMs: number } {
  if (start.kind === 'minutes') return { durationMs: start.minutes * 60_000 };
  return start.kind === 'earliest' ? 'earliest' : 'latest';
}

export class ConsumerRun {
  readonly group: string | null;
  readonly consumer: Consumer;
  readonly #handlers: RunHandlers;
  readonly #limiter: RateLimiter;
  readonly #createdWith: Start;
  readonly #subscriptions: { unsubscribe(): void }[] = [];
  #start: Start;
  #assigned: readonly TopicPartition[] = [];
  /** Partitions that the reader paused one by one. */
  #held = new Set<string>();
  #allPaused: boolean;
  #reading: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #ends = new Map<string, { lag: number; endOffset: number }>();
  #positions = new Map<string, number>();
  #committed = new Map<string, number>();
  #closed = false;

  constructor(
    client: Client,
    options: {
      group: string | null;
      start: Start;
      paused: boolean;
      limiter: RateLimiter;
    },
    handlers: RunHandlers,
  ) {
    this.group = options.group;
    this.#start = options.start;
    this.#createdWith = options.start;
    this.#allPaused = options.paused;
    this.#limiter = options.limiter;
    this.#handlers = handlers;
    this.consumer = client.consumer({
      groupId: options.group ?? undefined,
      autoCommitIntervalMs: 1000,
      autoOffsetReset: resetOf(options.start),
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      maxPollRecords: 1000,
    });
    this.#subscriptions.push(
      this.consumer.events$.subscribe((event) => this.#onEvent(event)),
      this.consumer.assignment$.subscribe((partitions) => this.#onAssignment(partitions)),
      this.consumer.lag$.subscribe((lags) => {
        for (const lag of lags) this.#ends.set(keyOf(lag), lag);
      }),
    );
  }

  get assigned(): readonly TopicPartition[] {
    return this.#assigned;
  }

  /** Reads these topics from now on; those that stay go on where they are. */
  async subscribe(topics: readonly string[], signal: AbortSignal): Promise<void> {
    if (topics.length === 0) {
      await this.#stopReading();
      await this.consumer.unsubscribe({ signal });
      return;
    }
    const before = new Set(this.consumer.assignment().map(keyOf));
    await this.consumer.subscribe([...topics], { signal });
    const added = this.consumer.assignment().filter((partition) => !before.has(keyOf(partition)));
    // Of a start, the reset policy can say only a part; and it says what was wanted when the consumer was made.
    const covered = this.#start === this.#createdWith && this.#start.kind !== 'last' && this.#start.kind !== 'at';
    if (this.group === null && !covered && added.length > 0) await this.#seek(this.#start, added);
    this.resume();
  }

  /** Starts reading, also after a failure. */
  resume(): void {
    if (this.#reading !== undefined || this.#closed) return;
    const stop = new AbortController();
    const onRecords = (records: readonly ConsumerRecord[]): void => this.#handlers.onRecords(records);
    const ended = readRecords(this.consumer, this.#limiter, stop.signal, onRecords).catch((error: unknown) => {
      if (this.#reading?.stop === stop) this.#reading = undefined;
      if (!stop.signal.aborted && !this.#closed) this.#handlers.onFailure(LogError.from(error));
    });
    this.#reading = { stop, ended };
  }

  /** Moves every partition there. What is added later starts there too. `onMoved`: from now on records are of the new place. */
  async seekAll(start: Start, onMoved: () => void): Promise<void> {
    this.#start = start;
    await this.#move(start, this.consumer.assignment(), onMoved);
  }
  async seek(partition: TopicPartition, target: SeekTarget, onMoved: () => void): Promise<void> {
    await this.#move(target, [partition], onMoved);
  }

  setAllPaused(paused: boolean): void {
    this.#allPaused = paused;
    const others = this.consumer.assignment().filter((partition) => !this.#held.has(keyOf(partition)));
    if (paused) this.consumer.pause(others);
    else this.consumer.resume(others);
  }
  setPaused(partition: TopicPartition, paused: boolean): void {
    if (paused) {
      this.#held.add(keyOf(partition));
      this.consumer.pause([partition]);
    } else {
      this.#held.delete(keyOf(partition));
      if (!this.#allPaused) this.consumer.resume([partition]);
    }
  }

  async commit(): Promise<void> {
    await this.consumer.commit();
  }

  /** The partitions as they are now. A position that is not known yet is null, and never waited for. */
  async sample(topics: readonly TopicDescription[]): Promise<PartitionState[]> {
    const described = new Map(topics.map((topic) => [topic.name, topic]));
    const paused = new Set(this.consumer.paused().map(keyOf));
    const assigned = [...this.#assigned];
    await Promise.all(
      assigned.map(async (partition) => {
        try {
          this.#positions.set(keyOf(partition), await this.consumer.position(partition, { timeoutMs: 400 }));
        } catch (error) {
          // Not resolved yet, or no longer assigned: the next look will tell.
          if (!(error instanceof LogError)) throw error;
        }
      }),
    );
    return assigned.map((partition) => {
      const key = keyOf(partition);
      const about = described
        .get(partition.topic)
        ?.partitions.find((candidate) => candidate.partition === partition.partition);
      const position = this.#positions.get(key) ?? null;
      // News of the end comes once a second; what was read meanwhile is news of it too.
      const end = Math.max(this.#ends.get(key)?.endOffset ?? -1, about?.highWatermark ?? -1, position ?? -1);
      return {
        topic: partition.topic,
        partition: partition.partition,
        start: about?.logStart ?? null,
        end: end < 0 ? null : end,
        position,
        lag: this.consumer.currentLag(partition),
        committed: this.#committed.get(key) ?? null,
        paused: paused.has(key),
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#stopReading();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.consumer.close({ timeoutMs: 2000 });
  }

  /** Resolves once what was taken has been handed on. */
  async #stopReading(): Promise<void> {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.stop.abort();
    await reading?.ended;
  }

  /** What was already taken is shown before the seek, and nothing of the old place after it. */
  async #move(target: SeekTarget, partitions: readonly TopicPartition[], onMoved: () => void): Promise<void> {
    await this.#stopReading();
    try {
      await this.#seek(target, partitions);
      onMoved();
    } finally {
      this.resume();
    }
  }

  async #seek(target: SeekTarget, partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    for (const partition of partitions) this.#positions.delete(keyOf(partition));
    switch (target.kind) {
      case 'earliest':
        this.consumer.seekToBeginning(partitions);
        break;
      case 'latest':
        this.consumer.seekToEnd(partitions);
        break;
      case 'minutes':
        await this.consumer.seekToTimestamp(Date.now() - target.minutes * 60_000, partitions);
        break;
      case 'last':
        this.consumer.seekToTail(target.count, partitions);
        break;
      case 'at':
        await this.consumer.seekToTimestamp(target.timestamp, partitions);
        break;
      case 'offset':
        for (const partition of partitions) this.consumer.seek(partition, target.offset);
        break;
    }
  }

  #onAssignment(partitions: readonly TopicPartition[]): void {
    const known = new Set(this.#assigned.map(keyOf));
    this.#assigned = partitions;
    const now = new Set(partitions.map(keyOf));
    for (const key of known) {
      if (now.has(key)) continue;
      this.#held.delete(key);
      this.#ends.delete(key);
      this.#positions.delete(key);
      this.#committed.delete(key);
    }
    const added = partitions.filter((partition) => !known.has(keyOf(partition)));
    if (this.#allPaused && added.length > 0) this.consumer.pause(added);
  }

  #onEvent(event: ConsumerEvent): void {
    if (event.type === 'commit' && event.error === undefined) {
      for (const offset of event.offsets) this.#committed.set(keyOf(offset), offset.offset);
    }
    this.#handlers.onEvent(event);
  }
}
