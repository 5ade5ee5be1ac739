// Looks start positions up: committed offsets, log ends, times. Decides nothing; knows nothing of buffers or readers.
import { LogError, type ServerFrameOf } from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { named } from './partitions.ts';
import type { PartitionPosition, StartAt } from './positions.ts';
import type { Session } from './session.ts';
import { errorOf } from './session-requests.ts';

export interface ResolverHost<K, V> {
  readonly session: Session;
  readonly config: ParsedConsumerConfig;
  partitions(): Iterable<ConsumerPartition<K, V>>;
  found(partition: ConsumerPartition<K, V>, decision: number, offset: number): void;
  /** After positions or errors were set. */
  changed(): void;
  topicGone(topic: string): void;
}
interface Lookup<K, V> {
  readonly partition: ConsumerPartition<K, V>;
  readonly at: PartitionPosition;
  readonly topicId: string;
  readonly decision: number;
  readonly start: StartAt;
}
type Query = 'earliest' | 'latest' | number;
const RETRY_MS = 200;

export class PositionResolver<K, V> {
  readonly #host: ResolverHost<K, V>;
  readonly #abort = new AbortController();
  #scheduled = false;
  #cancelRetry: (() => void) | undefined;

  constructor(host: ResolverHost<K, V>) {
    this.#host = host;
  }

  /** Later in this turn, so that many partitions share a request. */
  schedule(): void {
    if (this.#scheduled || this.#abort.signal.aborted) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#run();
    });
  }
  close(): void {
    this.#abort.abort();
    this.#cancelRetry?.();
  }

  #run(): void {
    const lookups: Lookup<K, V>[] = [];
    const { autoOffsetReset } = this.#host.config;
    let failed = false;
    for (const partition of this.#host.partitions()) {
      const { at } = partition;
      if (at.topicId === undefined || at.start === undefined || !at.needsLookup) continue;
      if (at.start.type === 'reset' && autoOffsetReset === 'none') {
        at.reset(autoOffsetReset);
        failed = true;
        continue;
      }
      lookups.push({ partition, at, topicId: at.topicId, start: at.start, decision: at.beginLookup() });
    }
    if (failed) this.#host.changed();
    const committed = lookups.filter(({ start }) => start.type === 'committed');
    void this.#settle(committed, () => this.#lookUpCommitted(committed));
    const ends = lookups.filter(({ start }) => start.type !== 'committed');
    void this.#settle(ends, () => this.#lookUpOffsets(ends));
  }
  async #settle(lookups: readonly Lookup<K, V>[], work: () => Promise<void>): Promise<void> {
    if (lookups.length === 0) return;
    try {
      await work();
    } catch (error) {
      for (const lookup of lookups) this.#failed(lookup, LogError.from(error));
    }
    this.#host.changed();
  }
  #failed({ partition, at, decision }: Lookup<K, V>, error: LogError): void {
    if (at.decision !== decision || this.#abort.signal.aborted) return;
    if (!error.retriable) {
      at.fail(error);
      return;
    }
    at.lookupFailed(decision);
    if (error.code === 'UNKNOWN_TOPIC_ID' || error.code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      this.#host.topicGone(partition.topic);
    }
    this.#cancelRetry ??= this.#host.session.clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      this.schedule();
    });
  }

  async #lookUpCommitted(lookups: readonly Lookup<K, V>[]): Promise<void> {
    const { session, config } = this.#host;
    const { groupId } = config;
    const answers =
      groupId === undefined
        ? []
        : (
            await session.request<'committed'>(
              { type: 'committed', groupId, partitions: lookups.map(refOf) },
              { signal: this.#abort.signal },
            )
          ).partitions;
    lookups.forEach((lookup, i) => {
      const answer = answers[i];
      const { at, decision, partition } = lookup;
      if (answer?.error !== undefined) this.#failed(lookup, errorOf({ ...answer.error, ...named(partition) }));
      else if (at.decision !== decision) return;
      else if (answer === undefined || answer.offset === null) {
        at.reset(config.autoOffsetReset);
        this.schedule();
      } else this.#host.found(partition, decision, answer.offset);
    });
  }

  async #lookUpOffsets(lookups: readonly Lookup<K, V>[]): Promise<void> {
    const queries = lookups.map(({ start }) => this.#queriesOf(start));
    const asked = lookups.flatMap((lookup, i) => (queries[i] ?? []).map((at) => ({ ...refOf(lookup), at })));
    const answers = await this.#ask(asked);
    let next = 0;
    /** The end stands in for "no record at or after that time". */
    const late: Lookup<K, V>[] = [];
    lookups.forEach((lookup, i) => {
      const mine = answers.slice(next, next + (queries[i]?.length ?? 0));
      next += mine.length;
      const failed = mine.find(({ error }) => error !== undefined)?.error;
      if (failed !== undefined) this.#failed(lookup, errorOf({ ...failed, ...named(lookup.partition) }));
      else {
        const offset = offsetOf(lookup.start, mine);
        if (offset === undefined) late.push(lookup);
        else this.#host.found(lookup.partition, lookup.decision, offset);
      }
    });
    if (late.length === 0) return;
    const ends = await this.#ask(late.map((lookup) => ({ ...refOf(lookup), at: 'latest' as const })));
    late.forEach((lookup, i) => {
      const answer = ends[i];
      if (answer?.error !== undefined) this.#failed(lookup, errorOf({ ...answer.error, ...named(lookup.partition) }));
      else this.#host.found(lookup.partition, lookup.decision, answer?.offset ?? 0);
    });
  }
  async #ask(
    partitions: { topicId: string; partition: number; at: Query }[],
  ): Promise<ServerFrameOf<'listOffsets'>['partitions']> {
    const { session, config } = this.#host;
    const reply = await session.request<'listOffsets'>(
      { type: 'listOffsets', isolation: config.isolationLevel, partitions },
      { signal: this.#abort.signal },
    );
    return reply.partitions;
  }
  #queriesOf(start: StartAt): Query[] {
    const { config, session } = this.#host;
    switch (start.type) {
      case 'earliest':
      case 'latest':
        return [start.type];
      case 'tail':
        return ['earliest', 'latest'];
      case 'timestamp':
        return [Math.max(0, start.timestamp)];
      case 'reset': {
        const policy = config.autoOffsetReset;
        if (typeof policy === 'object') return [Math.max(0, session.clock.now() - policy.durationMs)];
        return [policy === 'earliest' ? 'earliest' : 'latest'];
      }
      case 'committed':
        return [];
      default:
        return start satisfies never;
    }
  }
}

function refOf<K, V>({ topicId, partition }: Lookup<K, V>): { topicId: string; partition: number } {
  return { topicId, partition: partition.partition };
}
function offsetOf(start: StartAt, answers: readonly { readonly offset: number | null }[]): number | undefined {
  const first = answers[0]?.offset ?? undefined;
  if (start.type !== 'tail') return first;
  const end = answers[1]?.offset;
  return first === undefined || end === null || end === undefined ? first : Math.max(first, end - start.count);
}
