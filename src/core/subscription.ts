// What a consumer reads: assigned partitions, all partitions of topics, or what its group gives it; kept in line as topics come and go. Knows nothing of how records are read or listeners told.
import { LogError, type TopicInfo, type TopicPartition } from '../protocol/index.ts';
import type { RebalanceListener } from './consumer-events.ts';
import type { ConsumerPartition } from './consumer-partition.ts';
import { pause, persist } from './consumer-wait.ts';
import type { AssignedPartition, AssignedTopics, GroupMember } from './group-member.ts';
import { isInternalTopic } from './names.ts';
import type { StartAt } from './positions.ts';
import { Rebalance, type RebalanceHost } from './rebalance.ts';
import type { Session } from './session.ts';
import { type WaitOptions, waitFor } from './wait-options.ts';

type Mode =
  | { readonly type: 'none' }
  | { readonly type: 'assign' }
  | { readonly type: 'topics'; readonly topics: readonly string[] | RegExp };

export interface SubscriptionHost<K, V> extends RebalanceHost<K, V> {
  readonly session: Session;
  readonly member: GroupMember | undefined;
  resolve(): void;
  /** With auto-commit: all positions, but nothing that an iterator or a stream has in hand. Never rejects. */
  autoCommitAll(): Promise<void>;
  /** Resolves when all of them have a position or an error. */
  whenSettled(partitions: () => readonly ConsumerPartition<K, V>[], signal: AbortSignal): Promise<void>;
  /** Also from inside topic pushes. */
  background(work: Promise<unknown>): void;
  /** A subscription that gave way to a later one just ends; to the consumer's end: throws CLOSED. */
  superseded(): void;
}

export class Subscription<K, V> {
  readonly rebalance: Rebalance<K, V>;
  readonly #host: SubscriptionHost<K, V>;
  #mode: Mode = { type: 'none' };
  #abort = new AbortController();
  /** An unsubscribe() that has not come to its end. */
  #leaving: Promise<void> | undefined;
  /** Topics told missing, so that it is said once. */
  readonly #missing = new Set<string>();
  readonly #asking = new Set<string>();
  /** Partitions there were when the subscription began: all others are fresh. Undefined until known. */
  #known: Set<string> | undefined;
  /** As the group was told them; undefined: not yet. */
  #groupTopics: string | undefined;

  constructor(host: SubscriptionHost<K, V>) {
    this.#host = host;
    this.rebalance = new Rebalance(host);
  }

  get mode(): Mode['type'] {
    return this.#mode.type;
  }
  /** Names as subscribed; of a pattern, those that match now. */
  get topics(): readonly string[] {
    return this.#mode.type === 'topics' ? this.#names(this.#mode.topics) : [];
  }
  #names(topics: readonly string[] | RegExp): readonly string[] {
    return topics instanceof RegExp ? this.#host.session.topics.names().filter((name) => wants(topics, name)) : topics;
  }
  requireNot(mode: 'assign' | 'topics', call: string): void {
    if (this.#mode.type !== mode) return;
    const other = mode === 'assign' ? 'assign' : 'subscribe';
    throw new LogError('ILLEGAL_STATE', `${call}: the consumer is in use with ${other}(); call unsubscribe() first`);
  }

  // ── what the application asks for ────────────────────────────────────────────────────────────────────────────────
  assign(partitions: readonly TopicPartition[], options: WaitOptions): Promise<void> {
    this.#begin({ type: 'assign' });
    return this.#during('assign', options, (signal) => this.#assign(partitions, signal));
  }
  async #assign(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { fetcher, config } = this.#host;
    const wanted = new Map(partitions.map((at) => [`${at.topic}:${at.partition}`, at]));
    const gone = [...fetcher.partitions].filter(([key]) => !wanted.has(key)).map(([, partition]) => partition);
    const committed = this.#host.autoCommitAll();
    this.#host.giveBack();
    for (const partition of gone) fetcher.remove(partition);
    const start: StartAt = config.groupId === undefined ? { type: 'reset' } : { type: 'committed' };
    for (const [key, { topic, partition }] of wanted) {
      if (!fetcher.partitions.has(key)) this.#add(topic, partition, start);
    }
    this.#host.assignmentChanged();
    await committed;
    for (const partition of gone) this.#host.forgetCommits(partition);
    await this.#identify([...new Set(partitions.map(({ topic }) => topic))], signal);
    await this.#settled(signal);
  }

  subscribe(
    topics: readonly string[] | RegExp,
    listener: RebalanceListener | undefined,
    options: WaitOptions,
  ): Promise<void> {
    this.#begin({ type: 'topics', topics });
    return this.#during('subscribe', options, (signal) => this.#subscribe(topics, listener, signal));
  }
  async #subscribe(
    topics: readonly string[] | RegExp,
    listener: RebalanceListener | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { fetcher, member } = this.#host;
    this.rebalance.listener = listener;
    this.#host.giveBack();
    for (const partition of fetcher.partitions.values()) partition.unwanted = !wants(topics, partition.topic);
    this.#host.wake();
    if (member !== undefined) return this.#join(member, signal);
    await this.rebalance.drop(
      [...fetcher.partitions.values()].filter(({ unwanted }) => unwanted),
      'revoked',
    );
    // A later subscribe() may want again what has just gone.
    this.sync();
    await this.#readAll(signal);
  }

  /** Without a commit; the listener hears of it. */
  unsubscribe(): Promise<void> {
    this.#begin({ type: 'none' });
    this.#leaving ??= this.#leave().finally(() => {
      this.#leaving = undefined;
    });
    return this.#leaving;
  }
  async #leave(): Promise<void> {
    const { member } = this.#host;
    this.#host.giveBack();
    await this.#dropAll();
    this.rebalance.listener = undefined;
    const failed = await member?.leave(true);
    if (failed !== undefined) this.#host.emit({ type: 'error', error: failed });
  }
  /** For close(): the listener's last call. */
  async end(): Promise<void> {
    this.#abort.abort();
    await this.#dropAll();
  }
  #dropAll(): Promise<void> {
    const { fetcher, member } = this.#host;
    return this.rebalance.drop([...fetcher.partitions.values()], member?.lost ? 'lost' : 'revoked');
  }
  stop(): void {
    this.#abort.abort();
  }

  /** `work` begins at once, or when an unsubscribe() before it has come to its end. */
  #during(call: string, options: WaitOptions, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return waitFor(call, this.#whileItLasts(work, this.#abort.signal), this.#host.session.clock, options);
  }
  async #whileItLasts(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      if (this.#leaving !== undefined) await this.#leaving;
      if (!signal.aborted) await work(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) this.#host.superseded();
  }
  #begin(mode: Mode): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#mode = mode;
    this.#missing.clear();
    this.#known = undefined;
    this.#groupTopics = undefined;
  }
  #add(topic: string, partition: number, start: StartAt): ConsumerPartition<K, V> {
    const { fetcher, session } = this.#host;
    const added = fetcher.add(topic, partition, start);
    const info = session.topics.byName(topic);
    if (info?.partitions.some((of) => of.partition === partition)) fetcher.setTopicId(added, info.topicId);
    this.#host.resolve();
    return added;
  }
  #settled(signal: AbortSignal): Promise<void> {
    const { fetcher } = this.#host;
    // Partitions of topics that do not exist (yet) are not waited for.
    return this.#host.whenSettled(
      () => [...fetcher.partitions.values()].filter(({ at }) => at.topicId !== undefined),
      signal,
    );
  }

  /** Without a group: all partitions of the topics. */
  async #readAll(signal: AbortSignal): Promise<void> {
    await this.#discover(signal);
    this.sync();
    await this.#settled(signal);
  }
  async #join(member: GroupMember, signal: AbortSignal): Promise<void> {
    const { session, fetcher } = this.#host;
    await this.#discover(signal);
    if (signal.aborted) return;
    const names = this.topics;
    this.#groupTopics = names.join('\n');
    await member.subscribe(names);
    const deadline = session.clock.now() + 2 * member.heartbeatIntervalMs;
    const step = Math.max(1, Math.min(50, member.heartbeatIntervalMs / 4));
    await member.settled();
    const mine = () => [...fetcher.partitions.values()].filter(({ topic }) => names.includes(topic));
    while (mine().length === 0 && names.length > 0 && session.clock.now() < deadline && !signal.aborted) {
      await pause(session.clock, step);
      await member.settled();
    }
    await this.#settled(signal);
  }
  /** Describes (and where allowed creates) the topics; from then on hears of new ones. */
  async #discover(signal: AbortSignal): Promise<void> {
    const { session } = this.#host;
    if (this.#mode.type !== 'topics') return;
    const { topics } = this.#mode;
    if (!(topics instanceof RegExp)) await this.#identify(topics, signal);
    const watching = persist(session.clock, signal, () => session.topics.watch({ signal }));
    // Names that are all there need not wait for the list of all topics.
    if (topics instanceof RegExp) await watching;
    else this.#host.background(watching);
    this.#known ??= this.#partitionsOf(this.topics);
  }
  #partitionsOf(names: readonly string[]): Set<string> {
    const all = names.flatMap((name) => {
      const info = this.#host.session.topics.byName(name);
      return info === undefined ? [] : info.partitions.map(({ partition }) => `${info.topicId}:${partition}`);
    });
    return new Set(all);
  }
  /** Asks for the topics, creating them where the log allows it; those that are not there are told of once. */
  async #identify(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { session } = this.#host;
    if (names.length === 0) return;
    const found = await persist(session.clock, signal, () =>
      session.topics.describe(names, { autoCreate: true, signal }),
    );
    this.#tellMissing(names, found);
    this.sync();
  }
  #tellMissing(names: readonly string[], found: readonly TopicInfo[]): void {
    const { session, fetcher } = this.#host;
    const there = new Map(found.map((info) => [info.name, info]));
    const tell = (topic: string, partition: number | undefined, message: string): void => {
      const key = `${topic}:${partition ?? ''}`;
      if (this.#missing.has(key)) return;
      this.#missing.add(key);
      const error = new LogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition });
      this.#host.emit({ type: 'error', error });
    };
    for (const name of names) {
      const info = there.get(name);
      if (info === undefined) tell(name, undefined, `there is no topic ${name}; it will be read once it appears`);
      else {
        for (const { topic, partition } of fetcher.partitions.values()) {
          if (topic !== name || info.partitions.some((of) => of.partition === partition)) continue;
          tell(
            name,
            partition,
            `topic ${name} has ${info.partitions.length} partitions, so no partition ${partition} (yet)`,
          );
        }
      }
    }
    if (this.#missing.size > 0) {
      const { signal } = this.#abort;
      this.#host.background(persist(session.clock, signal, () => session.topics.watch({ signal })));
    }
  }

  // ── what the log does ────────────────────────────────────────────────────────────────────────────────────────────
  /** Brings everything in line with the topics as they are known now. */
  sync(): void {
    const { session, fetcher, member } = this.#host;
    let changed = false;
    for (const partition of fetcher.partitions.values()) {
      const info = session.topics.byName(partition.topic);
      if (info === undefined || !info.partitions.some((of) => of.partition === partition.partition)) continue;
      if (partition.at.topicId === undefined) {
        const { topic, partition: number } = partition;
        const waited = this.#missing.delete(`${topic}:${number}`) || this.#missing.has(`${topic}:`);
        if (waited) partition.at.appeared();
        fetcher.setTopicId(partition, info.topicId);
        this.#host.resolve();
        fetcher.scheduleOpen();
      } else if (partition.at.topicId !== info.topicId) this.#recreated(partition, info.topicId);
    }
    for (const key of this.#missing)
      if (key.endsWith(':') && session.topics.byName(key.slice(0, -1))) this.#missing.delete(key);
    if (this.#mode.type !== 'topics') return;
    if (member !== undefined) {
      this.#restate(member);
      return;
    }
    const added: ConsumerPartition<K, V>[] = [];
    for (const name of this.topics) {
      const info = session.topics.byName(name);
      for (const { partition } of info?.partitions ?? []) {
        if (info === undefined || fetcher.get(name, partition) !== undefined) continue;
        const fresh = this.#known !== undefined && !this.#known.has(`${info.topicId}:${partition}`);
        added.push(this.#add(name, partition, { type: fresh ? 'earliest' : 'reset' }));
        changed = true;
      }
    }
    if (changed) this.#host.background(this.rebalance.take(added));
  }
  #recreated(partition: ConsumerPartition<K, V>, topicId: string | undefined): void {
    this.#host.giveBack();
    this.#host.forgetCommits(partition);
    this.#host.fetcher.recreated(partition, topicId);
  }
  /** A pattern that matches other topics now. */
  #restate(member: GroupMember): void {
    const names = this.topics;
    const text = names.join('\n');
    if (!member.wanted || this.#groupTopics === undefined || text === this.#groupTopics) return;
    this.#groupTopics = text;
    this.#host.background(member.subscribe(names));
  }
  /** The gateway has no such topic (any more): asks what there is instead. */
  topicGone(topic: string): void {
    if (this.#asking.has(topic)) return;
    this.#asking.add(topic);
    const { session } = this.#host;
    const { signal } = this.#abort;
    const ask = async (): Promise<void> => {
      try {
        const found = await session.topics.describe([topic], { signal });
        this.#tellMissing([topic], found);
      } finally {
        this.#asking.delete(topic);
      }
      this.sync();
    };
    this.#host.background(ask());
  }
  /** Another log: nothing known of the old one holds. */
  logChanged(): void {
    const { fetcher } = this.#host;
    const partitions = [...fetcher.partitions.values()];
    for (const partition of partitions) this.#recreated(partition, undefined);
    const names = [...new Set([...partitions.map(({ topic }) => topic), ...this.topics])];
    this.#host.background(this.#identify(names, this.#abort.signal));
  }

  // ── what the group does ──────────────────────────────────────────────────────────────────────────────────────────
  recognise(target: AssignedTopics): void {
    for (const { topic, topicId, partitions } of target) {
      for (const number of partitions) {
        const partition = this.#host.fetcher.get(topic, number);
        if (partition !== undefined && partition.at.topicId !== topicId) this.#recreated(partition, topicId);
      }
    }
  }
  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    const { fetcher } = this.#host;
    // It came while unsubscribe() or close() was on its way.
    if (this.#mode.type !== 'topics' || this.#abort.signal.aborted) return;
    const { topics } = this.#mode;
    const added = partitions.map(({ topic, topicId, partition }) => {
      const fresh = this.#known !== undefined && !this.#known.has(`${topicId}:${partition}`);
      const one = fetcher.add(topic, partition, { type: 'committed', fresh });
      one.unwanted = !wants(topics, topic);
      fetcher.setTopicId(one, topicId);
      return one;
    });
    this.#host.resolve();
    await this.rebalance.take(added);
  }
}

function wants(topics: readonly string[] | RegExp, name: string): boolean {
  return topics instanceof RegExp ? topics.test(name) && !isInternalTopic(name) : topics.includes(name);
}
