// Puts a consumer's parts together and stands between them and the session: life, errors, closing. Knows nothing of the public API's shapes.
import { LogError, type TopicPartition, type TopicPartitionOffset } from '../protocol/index.ts';
import { Committer } from './committer.ts';
import { type ConsumerConfig, type ParsedConsumerConfig, parseConsumerConfig } from './consumer-config.ts';
import { RecordDecoder } from './consumer-decoder.ts';
import type { ConsumerEvent, RebalanceView } from './consumer-events.ts';
import { Fetcher } from './consumer-fetcher.ts';
import { HandGate } from './consumer-gate.ts';
import { Observations } from './consumer-observe.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { Queries } from './consumer-queries.ts';
import { Reader } from './consumer-reader.ts';
import { type AssignedPartition, GroupMember } from './group-member.ts';
import { PositionResolver } from './positions-resolver.ts';
import type { FetchChannel, FetchSink, Session } from './session.ts';
import { sessionFor } from './session-for.ts';
import { Subscription } from './subscription.ts';
import { waitFor } from './wait-options.ts';

const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;
const LAST_STEPS_MS = 1_000;

export class ConsumerEngine<K, V> {
  readonly config: ParsedConsumerConfig;
  readonly session: Session;
  readonly fetcher: Fetcher<K, V>;
  readonly reader: Reader<K, V>;
  readonly subscription: Subscription<K, V>;
  readonly committer: Committer | undefined;
  readonly member: GroupMember | undefined;
  readonly queries: Queries;
  readonly observations: Observations<K, V>;
  readonly decoder: RecordDecoder<K, V>;
  readonly #releaseSession: () => Promise<void>;
  readonly #channel: FetchChannel;
  readonly #resolver: PositionResolver<K, V>;
  readonly #gate = new HandGate<K, V>();
  readonly #settleWaiters = new Set<() => void>();
  readonly #stops: (() => void)[] = [];
  #logId: string | undefined;
  #terminal: LogError | undefined;
  #listenerError: { readonly error: unknown } | undefined;
  /** Reading has ended; a listener's last call may still commit. */
  #ending = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(given: ConsumerConfig<K, V> | undefined, view: RebalanceView) {
    const config = parseConsumerConfig(given);
    this.config = config;
    const { session, release } = sessionFor({ ...given });
    this.session = session;
    this.#releaseSession = release;
    const emit = (event: ConsumerEvent): void => this.observations.emit(event);
    const wake = (): void => this.reader.wake();
    const resolve = (): void => this.#resolver.schedule();
    const topicGone = (topic: string): void => this.subscription.topicGone(topic);
    this.decoder = new RecordDecoder({
      key: given?.key,
      value: given?.value,
      onPoisonRecord: config.onPoisonRecord,
      emit,
      wake,
    });
    const lapsed = (): boolean => this.member?.lapsed ?? false;
    this.fetcher = new Fetcher({ session, config, decoder: this.decoder, emit, wake, resolve, topicGone, lapsed });
    this.observations = new Observations(session, config, this.fetcher);
    this.queries = new Queries(session, config);
    this.#resolver = new PositionResolver({
      session,
      config,
      partitions: () => this.fetcher.partitions.values(),
      found: (partition, decision, offset) => {
        this.fetcher.found(partition, decision, offset);
        this.observations.rearm();
      },
      changed: () => this.#changed(),
      topicGone,
    });
    this.reader = new Reader(this.#readerHost());
    this.#channel = session.attach(this.#sink());
    this.fetcher.attach(this.#channel);
    if (config.groupId !== undefined) {
      this.member = new GroupMember(this.#memberHost(), config.groupId);
      this.committer = new Committer(
        {
          session,
          config,
          identity: () => {
            const identity = this.member?.identity;
            if (identity !== undefined || !this.#isMember) return identity;
            throw new LogError('UNKNOWN_MEMBER_ID', 'the consumer is no member of its group at the moment');
          },
          latestMember: () => this.member?.latestId,
          whenIn: async () => {
            // It has left for good: whoever still tries would wait for nothing.
            if (this.#ending && this.member?.wanted === false) throw closedError();
            if (this.#isMember) await this.member?.whenIn();
          },
          owns: (topic, partition) => this.fetcher.get(topic, partition) !== undefined,
          processed: () => this.offsetsOf(this.fetcher.partitions.values(), 'processed'),
          topicId: async (topic, options) => (await this.queries.topic(topic, options)).topicId,
          emit,
        },
        config.groupId,
      );
    }
    this.subscription = new Subscription({
      session,
      config,
      fetcher: this.fetcher,
      member: this.member,
      view,
      emit,
      resolve,
      wake,
      giveBack: () => this.reader.giveBack(),
      letGo: (partitions, timeoutMs) => this.#letGo(partitions, timeoutMs),
      autoCommit: (partitions) => this.#autoCommit(partitions, 'processed'),
      autoCommitAll: () =>
        this.#autoCommit([...this.fetcher.partitions.values()], this.reader.polled ? 'position' : 'processed'),
      forgetCommits: ({ topic, partition }) => this.committer?.forget(topic, partition),
      whenSettled: (partitions, signal) => this.#whenSettled(partitions, signal),
      listenerFailed: (error) => {
        this.#listenerError ??= { error };
        wake();
      },
      assignmentChanged: () => {
        this.#gate.check();
        this.observations.assignmentChanged();
        // Who waits for the position of one that went waits no longer.
        this.#changed();
      },
      background: (work) => this.#background(work),
      superseded: () => {
        if (this.#ending) throw closedError();
      },
    });
    this.#stops.push(session.topics.onChange(() => this.subscription.sync()));
    // After the replay of the present status, a shared session may end before this consumer does.
    const status = session.status$.subscribe((status) => {
      if (status.type !== 'closed') return;
      const error = status.error ?? closedError();
      this.member?.onEnd(error);
      this.#fail(error);
    });
    this.#stops.push(() => status.unsubscribe());
  }

  // ── state ────────────────────────────────────────────────────────────────────────────────────────────────────────
  get closed(): boolean {
    return this.#closed;
  }
  /** Throws CLOSED. */
  checkOpen(call: string): void {
    if (this.#closed) throw new LogError('CLOSED', `${call}: the consumer has been closed`);
  }
  checkAlive(): void {
    if (this.#ending) throw closedError();
    if (this.#terminal !== undefined) throw this.#terminal;
    const failed = this.#listenerError;
    if (failed === undefined) return;
    this.#listenerError = undefined;
    throw failed.error;
  }
  /** Or will be; also while unsubscribe() tells the listener. */
  get #isMember(): boolean {
    return this.subscription.mode === 'topics' || this.member?.wanted === true;
  }
  /** The group id, for calls that cannot do without. */
  requireGroup(call: string): { readonly groupId: string; readonly committer: Committer } {
    const { groupId } = this.config;
    if (groupId !== undefined && this.committer !== undefined) return { groupId, committer: this.committer };
    throw new LogError('INVALID_GROUP_ID', `${call}: needs a consumer with a groupId`);
  }
  requireAssigned(call: string, { topic, partition }: TopicPartition): ConsumerPartition<K, V> {
    const found = this.fetcher.get(topic, partition);
    if (found !== undefined) return found;
    throw new LogError('ILLEGAL_STATE', `${call}: ${topic}-${partition} is not assigned to this consumer`, {
      topic,
      partition,
    });
  }
  /** What may be committed: up to the first record that waits for its acknowledgement, else the position or what is processed. */
  offsetsOf(partitions: Iterable<ConsumerPartition<K, V>>, which: 'position' | 'processed'): TopicPartitionOffset[] {
    const offsets: TopicPartitionOffset[] = [];
    for (const { topic, partition, at, acks } of partitions) {
      const offset = acks.first?.offset ?? at[which];
      if (offset !== undefined) offsets.push({ topic, partition, offset });
    }
    return offsets;
  }
  /** The positions, to commit them: by that the application says that it is done with all before them, so no automatic commit goes behind. */
  positionsToCommit(): TopicPartitionOffset[] {
    const partitions = [...this.fetcher.partitions.values()];
    for (const { at, acks } of partitions) if (acks.first === undefined) at.processed = at.position;
    this.#gate.check();
    return this.offsetsOf(partitions, 'position');
  }
  ack({ topic, partition, offset }: TopicPartitionOffset): void {
    if (this.fetcher.get(topic, partition)?.acks.ack(offset) !== true) return;
    this.#gate.check();
    this.reader.wake();
  }
  /** Seeks (of the named partitions) and pauses are decided between two records. */
  seek(partition: ConsumerPartition<K, V>, to: Parameters<Fetcher<K, V>['seek']>[1]): void {
    this.reader.giveBack();
    this.fetcher.seek(partition, to);
    this.observations.rearm();
    this.#changed();
  }
  async position(partition: ConsumerPartition<K, V>): Promise<number> {
    await this.#whenSettled(() => [partition], undefined);
    const { position, error } = partition.at;
    if (position !== undefined) return position;
    throw error ?? new LogError('ILLEGAL_STATE', `${partition.topic}-${partition.partition} is not assigned any more`);
  }

  // ── waiting for positions ────────────────────────────────────────────────────────────────────────────────────────
  #changed(): void {
    for (const look of [...this.#settleWaiters]) look();
    this.reader.wake();
    this.observations.moved();
  }
  #whenSettled(partitions: () => readonly ConsumerPartition<K, V>[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const ended = this.#closed ? closedError() : this.#terminal;
        const waited = partitions().filter((one) => this.fetcher.get(one.topic, one.partition) === one);
        const refused = waited.find(({ at }) => at.error !== undefined && isCallers(at.error))?.at.error;
        if (ended === undefined && refused === undefined && !signal?.aborted && !waited.every(({ at }) => at.settled))
          return;
        this.#settleWaiters.delete(look);
        signal?.removeEventListener('abort', look);
        const error = refused ?? (waited.every(({ at }) => at.settled) ? undefined : ended);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#settleWaiters.add(look);
      signal?.addEventListener('abort', look, { once: true });
      look();
    });
  }
  async #letGo(partitions: readonly ConsumerPartition<K, V>[], timeoutMs: number | undefined): Promise<boolean> {
    // A reader that waits for more is done with what it had.
    if (timeoutMs === undefined && this.reader.manual) for (const { acks } of partitions) acks.clear();
    const { done, cancel } = this.#gate.wait(partitions);
    if (timeoutMs === undefined) {
      await done;
      return true;
    }
    let timedOut = false;
    const stop = this.session.clock.after(timeoutMs, () => {
      timedOut = true;
      cancel();
    });
    await done;
    stop();
    return !timedOut;
  }
  async #autoCommit(partitions: readonly ConsumerPartition<K, V>[], which: 'position' | 'processed'): Promise<void> {
    if (!this.config.autoCommit || this.committer === undefined || partitions.length === 0) return;
    try {
      await this.committer.commitProcessed({}, this.offsetsOf(partitions, which));
    } catch (error) {
      // The commit event has said so; giving the partitions up goes on.
      this.#unheard(error);
    }
  }
  #background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#unheard(error));
  }
  #unheard(cause: unknown): void {
    const error = LogError.from(cause);
    if (error.code !== 'ABORTED' && error.code !== 'CLOSED') this.observations.emit({ type: 'error', error });
  }

  // ── the session ──────────────────────────────────────────────────────────────────────────────────────────────────
  #sink(): FetchSink {
    return {
      onData: (frame, epoch) => this.fetcher.onData(frame, epoch),
      onFetchError: (frame) => {
        this.fetcher.onFetchError(frame);
        this.#changed();
      },
      onAssignment: (frame) => this.member?.onAssignment(frame),
      onFenced: (frame) => this.member?.onFenced(frame),
      onThrottled: (delayMs) => this.observations.emit({ type: 'throttled', delayMs }),
      onLive: (logId) => {
        const changed = this.#logId !== undefined && this.#logId !== logId;
        this.#logId = logId;
        if (changed) this.subscription.logChanged();
        this.fetcher.onLive();
        this.member?.onLive();
        this.observations.rearm();
      },
      onDown: () => {
        this.fetcher.onDown();
        this.member?.onDown();
      },
      onHide: () => this.committer?.flush(),
      busyMs: () => (this.config.groupId === undefined ? undefined : this.reader.busyMs()),
    };
  }
  #readerHost(): Reader<K, V>['host'] {
    const engine = this;
    return {
      fetcher: this.fetcher,
      gate: this.#gate,
      clock: this.session.clock,
      maxPollRecords: this.config.maxPollRecords,
      check() {
        engine.checkAlive();
        if (engine.subscription.mode !== 'none') return;
        throw new LogError('ILLEGAL_STATE', 'there is nothing to read: call subscribe() or assign() first');
      },
      checkAlive: () => engine.checkAlive(),
      lapsed: () => engine.member?.lapsed ?? false,
      get closed() {
        return engine.#ending;
      },
      moved: () => engine.observations.moved(),
    };
  }
  #memberHost(): ConstructorParameters<typeof GroupMember>[0] {
    return {
      session: this.session,
      channel: this.#channel,
      config: this.config,
      recognise: (target) => this.subscription.recognise(target),
      owned: () =>
        [...this.fetcher.partitions.values()].flatMap(({ topic, partition, at }): AssignedPartition[] =>
          at.topicId === undefined ? [] : [{ topic, partition, topicId: at.topicId }],
        ),
      revoke: (partitions) => this.subscription.rebalance.revoke(partitions),
      lose: () => this.subscription.rebalance.lose(),
      assign: (partitions) => this.subscription.assigned(partitions),
      deliver: (on) => {
        if (!on) this.reader.giveBack();
        this.fetcher.suspended = !on || this.#closing !== undefined;
        this.reader.wake();
      },
      wake: () => this.reader.wake(),
      fail: (error) => this.#fail(error),
    };
  }
  #fail(error: LogError): void {
    if (this.#closed || this.#terminal !== undefined) return;
    this.#terminal = error;
    this.#changed();
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** `commit`: what of the positions is committed. Idempotent; every step is tried, and the first error is rethrown. */
  close(
    commit: 'position' | 'processed',
    timeoutMs = DEFAULT_CLOSE_TIMEOUT_MS,
    leaveGroup = this.config.groupInstanceId === undefined,
  ): Promise<void> {
    this.#closing ??= this.#close(commit, timeoutMs, leaveGroup);
    return this.#closing;
  }
  async #close(commit: 'position' | 'processed', timeoutMs: number, leaveGroup: boolean): Promise<void> {
    const errors: unknown[] = [];
    const attempt = async (work: () => void | Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        errors.push(error);
      }
    };
    const { clock, status } = this.session;
    const deadline = clock.now() + timeoutMs;
    // Waiting for acknowledgements may use the time up; what follows gets a moment all the same.
    const left = () => Math.max(Math.min(timeoutMs, LAST_STEPS_MS), deadline - clock.now());
    const partitions = [...this.fetcher.partitions.values()];
    this.committer?.stop();
    this.fetcher.suspended = true;
    this.reader.giveBack();
    if (this.reader.manual) await attempt(() => this.#letGo(partitions, timeoutMs));
    const { autoCommit } = this.config;
    if (
      autoCommit &&
      // What it would commit is another's.
      !this.member?.lost &&
      this.committer !== undefined &&
      this.#terminal === undefined &&
      status.type !== 'closed'
    ) {
      // Waiting may have lost some, whose acknowledgements went with them.
      const kept = partitions.filter((one) => this.fetcher.get(one.topic, one.partition) === one);
      const offsets = this.offsetsOf(kept, commit);
      const committer = this.committer;
      await attempt(() => committer.commitProcessed({ timeoutMs: left() }, offsets));
    }
    this.#ending = true;
    this.reader.wake();
    // The listener may itself call close(), which must be known to be under way.
    await undefined;
    const { member } = this;
    await attempt(() => waitFor('close', this.subscription.end(), clock, { timeoutMs: left() }));
    if (this.#listenerError !== undefined) errors.push(this.#listenerError.error);
    await attempt(async () => {
      const failed = await member?.leave(leaveGroup);
      if (failed !== undefined && failed.code !== 'NETWORK_EXCEPTION') throw failed;
    });
    member?.close();
    this.#closed = true;
    this.subscription.stop();
    this.#resolver.close();
    this.fetcher.close();
    this.#channel.detach();
    for (const stop of this.#stops) stop();
    this.#changed();
    this.observations.detach();
    await attempt(() => this.#releaseSession());
    const error = this.#terminal;
    this.observations.close(error === undefined ? { type: 'closed' } : { type: 'closed', error });
    if (errors.length > 0) throw errors[0];
  }
}

/** Only the caller can mend it, so whoever waits for positions hears of it. */
function isCallers({ code }: LogError): boolean {
  return code.endsWith('_AUTHORIZATION_FAILED') || code === 'INVALID_TOPIC_EXCEPTION' || code === 'INVALID_GROUP_ID';
}
function closedError(): LogError {
  return new LogError('CLOSED', 'the consumer has been closed');
}
