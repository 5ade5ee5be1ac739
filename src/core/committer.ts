// Commits offsets, one commit at a time: the automatic ones of what is processed, and the application's own. Knows nothing of buffers or readers.
import { type ClientFrameOf, LogError, type ServerFrameOf, type TopicPartitionOffset } from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import type { ConsumerEvent } from './consumer-events.ts';
import { pause, RETRY_MS } from './consumer-wait.ts';
import { partitionKey } from './partitions.ts';
import type { Session } from './session.ts';
import { aborted, errorOf } from './session-requests.ts';
import { type WaitOptions, waitFor } from './wait-options.ts';

export interface CommitterHost {
  readonly session: Session;
  readonly config: ParsedConsumerConfig;
  /** The member that commits; undefined with assign. Throws where there should be one. */
  identity(): { readonly memberId: string; readonly memberEpoch: number } | undefined;
  /** The id of the latest membership, over or not; undefined: there was none. */
  latestMember(): string | undefined;
  /** Resolves when the member (if there is one) is held by the gateway. */
  whenIn(): Promise<void>;
  owns(topic: string, partition: number): boolean;
  /** What is processed, of every assigned partition whose position is known. */
  processed(): readonly TopicPartitionOffset[];
  /** Rejects where there is no such topic. */
  topicId(topic: string, options: WaitOptions): Promise<string>;
  emit(event: ConsumerEvent): void;
}
/** The coordinator knows the member, or its ownership, no more. */
const LOST = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH', 'FENCED_INSTANCE_ID', 'COMMIT_FAILED']);

export class Committer {
  commits = 0;
  failures = 0;
  readonly #host: CommitterHost;
  readonly #groupId: string;
  /** What the group has, as far as this consumer said it. */
  readonly #last = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  #busy = false;

  constructor(host: CommitterHost, groupId: string) {
    this.#host = host;
    this.#groupId = groupId;
  }

  /** Commits what is processed every autoCommitIntervalMs, until `stop`. */
  start(): void {
    if (this.#cancelTimer !== undefined || !this.#host.config.autoCommit) return;
    const { session, config } = this.#host;
    const tick = (): void => {
      this.#cancelTimer = session.clock.after(config.autoCommitIntervalMs, tick);
      // One in flight: while it lasts, the newest positions wait for the next tick.
      if (!this.#busy && session.status.type === 'live') {
        this.commitProcessed({ timeoutMs: config.requestTimeoutMs }).catch(() => undefined); // The event says it.
      }
    };
    this.#cancelTimer = session.clock.after(config.autoCommitIntervalMs, tick);
  }
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
  /** The partition is another's now, or its position means nothing any more. */
  forget(topic: string, partition: number): void {
    this.#last.delete(partitionKey(topic, partition));
  }

  /** Commits those of `offsets` (default: what is processed when its turn comes) that have not been committed. */
  commitProcessed(options: WaitOptions, offsets?: readonly TopicPartitionOffset[]): Promise<void> {
    const by = offsets && this.#host.latestMember();
    return this.#inTurn(options, async (rest) => {
      const changed = this.#changed(offsets);
      if (changed.length > 0) await this.#commit(changed, rest, offsets === undefined ? this.#host.latestMember() : by);
    });
  }
  /** With auto-commit: what is processed, in one frame and without a word of how it went, since the page that asks may end in the next moment. */
  flush(): void {
    const { session } = this.#host;
    if (this.#cancelTimer === undefined || session.status.type !== 'live') return;
    const offsets = this.#changed().flatMap(({ topic, partition, offset }) => {
      const topicId = session.topics.byName(topic)?.topicId;
      return topicId === undefined ? [] : [{ topicId, partition, offset }];
    });
    if (offsets.length > 0) this.#request(offsets, {}).catch(() => undefined);
  }
  /** Nothing of a topic that is gone: its commits went with it, and one that cannot succeed would hold up all others. */
  #changed(offsets = this.#host.processed()): readonly TopicPartitionOffset[] {
    const { topics } = this.#host.session;
    return offsets.filter(
      ({ topic, partition, offset }) =>
        topics.byName(topic) !== undefined && this.#last.get(partitionKey(topic, partition)) !== offset,
    );
  }
  /** Commits exactly these. */
  commit(offsets: readonly TopicPartitionOffset[], options: WaitOptions): Promise<void> {
    const by = this.#host.latestMember();
    return this.#inTurn(options, async (rest) => {
      if (offsets.length > 0) await this.#commit(offsets, rest, by);
    });
  }
  /** Waiting for its turn takes from the time a commit has; one whose time is over by then is not sent. */
  #inTurn(options: WaitOptions, work: (rest: WaitOptions) => Promise<void>): Promise<void> {
    const { clock, requestTimeoutMs } = this.#host.session;
    const { timeoutMs = requestTimeoutMs, signal } = options;
    const deadline = clock.now() + timeoutMs;
    const result = this.#turn.then(() => {
      if (signal?.aborted) throw aborted(signal);
      const left = deadline - clock.now();
      if (left < 0) throw new LogError('TIMED_OUT', `commit: not done within ${timeoutMs} ms`);
      return work({ timeoutMs: left, signal });
    });
    this.#turn = result.catch(() => undefined);
    return waitFor('commit', result, clock, { timeoutMs, signal });
  }

  /** `by`: the membership by which the consumer had these partitions; once it has another, others may have committed more. */
  async #commit(offsets: readonly TopicPartitionOffset[], options: WaitOptions, by: string | undefined): Promise<void> {
    this.#busy = true;
    try {
      await this.#send(offsets, options, by);
      for (const { topic, partition, offset } of offsets) this.#last.set(partitionKey(topic, partition), offset);
      this.commits++;
      this.#host.emit({ type: 'commit', offsets });
    } catch (cause) {
      const error = LogError.from(cause);
      this.failures++;
      this.#host.emit({ type: 'commit', offsets, error });
      throw error;
    } finally {
      this.#busy = false;
    }
  }
  async #send(
    offsets: readonly TopicPartitionOffset[],
    { timeoutMs, signal }: WaitOptions,
    by: string | undefined,
  ): Promise<void> {
    const { session } = this.#host;
    const deadline = session.clock.now() + (timeoutMs ?? session.requestTimeoutMs);
    const left = () => Math.max(0, deadline - session.clock.now());
    let last: LogError | undefined;
    for (let pending = offsets; pending.length > 0; ) {
      if (signal?.aborted) throw aborted(signal);
      if (last !== undefined && left() === 0) throw last;
      try {
        await waitFor('commit', this.#host.whenIn(), session.clock, { timeoutMs: left(), signal });
        pending = await this.#ask(pending, { timeoutMs: left(), signal }, by, (error) => {
          last = error;
        });
      } catch (cause) {
        const error = this.#final(LogError.from(cause), pending);
        if (!error.retriable || error.code === 'TIMED_OUT') throw error;
        last = error;
      }
      const retry = () => pause(session.clock, Math.min(RETRY_MS, left()));
      if (pending.length > 0) await waitFor('commit', retry(), session.clock, { signal });
    }
  }
  /** Asks once. Returns what must be asked again. */
  async #ask(
    offsets: readonly TopicPartitionOffset[],
    options: WaitOptions,
    by: string | undefined,
    later: (error: LogError) => void,
  ): Promise<readonly TopicPartitionOffset[]> {
    const entries = await Promise.all(
      offsets.map(async ({ topic, partition, offset, leaderEpoch, metadata }) => ({
        topicId: await this.#host.topicId(topic, options),
        partition,
        offset,
        leaderEpoch,
        metadata,
      })),
    );
    if (by !== undefined && by !== this.#host.latestMember()) {
      throw new LogError('UNKNOWN_MEMBER_ID', `the member that began it, ${by}, is gone`);
    }
    const reply = await this.#request(entries, options);
    return offsets.filter((offset, i) => {
      const problem = reply.partitions[i]?.error;
      if (problem === undefined) return false;
      const { topic, partition } = offset;
      const error = this.#final(errorOf({ ...problem, topic, partition, offset: offset.offset }), [offset]);
      if (!error.retriable) throw error;
      later(error);
      return true;
    });
  }
  async #request(offsets: ClientFrameOf<'commit'>['offsets'], options: WaitOptions): Promise<ServerFrameOf<'commit'>> {
    const frame = { type: 'commit', groupId: this.#groupId, ...this.#host.identity(), offsets } as const;
    // Not repeated by the session: after a reconnect the member may have another epoch.
    return this.#host.session.request<'commit'>(frame, { ...options, retry: false });
  }
  /** A stale epoch is refreshed and tried again, but not for what has been given up. */
  #final(error: LogError, offsets: readonly TopicPartitionOffset[]): LogError {
    const stale =
      error.code === 'STALE_MEMBER_EPOCH' && offsets.some(({ topic, partition }) => !this.#host.owns(topic, partition));
    return stale || LOST.has(error.code) ? lost(error) : error;
  }
}

function lost(error: LogError): LogError {
  if (error.code === 'COMMIT_FAILED') return error;
  const { topic, partition, offset } = error;
  const message = `the member no longer owns what it commits (${error.code}): ${error.message}`;
  return new LogError('COMMIT_FAILED', message, { topic, partition, offset, cause: error });
}
