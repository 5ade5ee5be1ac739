// Topics and log ends as the gateway last described them. Asks through a function it is given; knows nothing of connections.
import { LogError, type ServerFrameOf, type TopicInfo } from '../protocol/index.ts';
import { MAX_DELAY_MS } from './config.ts';
import { checkTopicName } from './names.ts';
import type { LogEnds, RequestOptions, TopicCache } from './session.ts';
import { errorOf } from './session-requests.ts';

/** Asks the gateway; without names, for all topics. */
export type AskMetadata = (
  question: { topics?: string[]; autoCreate?: boolean | undefined; watch?: boolean },
  options: RequestOptions | undefined,
) => Promise<ServerFrameOf<'metadata'>>;

export class SessionTopics implements TopicCache {
  readonly #ask: AskMetadata;
  readonly #report: (error: unknown) => void;
  readonly #byName = new Map<string, TopicInfo>();
  readonly #ends = new Map<string, Map<number, LogEnds>>();
  readonly #changeListeners = new Set<() => void>();
  readonly #endsListeners = new Set<() => void>();
  /** For each answer that has come and has not been looked at: the names that were pushed behind it. */
  readonly #behind = new Set<Set<string>>();
  #watching = false;
  #firstList: Promise<void> | undefined;
  #rewatch: AbortController | undefined;

  /** `report` takes what a listener throws. */
  constructor(ask: AskMetadata, report: (error: unknown) => void) {
    this.#ask = ask;
    this.#report = report;
  }

  byName(name: string): TopicInfo | undefined {
    return this.#byName.get(name);
  }
  names(): readonly string[] {
    return [...this.#byName.keys()];
  }
  ends(topicId: string, partition: number): LogEnds | undefined {
    return this.#ends.get(topicId)?.get(partition);
  }
  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }
  onEnds(listener: () => void): () => void {
    this.#endsListeners.add(listener);
    return () => this.#endsListeners.delete(listener);
  }

  async watch(options?: RequestOptions): Promise<void> {
    this.#watching = true;
    if (this.#firstList === undefined) {
      const first = this.#watchFromNow(options);
      this.#firstList = first;
      // The next caller asks again.
      first.catch(() => {
        if (this.#firstList === first) this.#firstList = undefined;
      });
    }
    try {
      await this.#firstList;
    } catch (error) {
      // Who asked for all of us waits no more.
      if (LogError.from(error).code !== 'ABORTED' || options?.signal?.aborted) throw error;
      return this.watch(options);
    }
  }

  /** A new connection knows nothing of what the last one watched. What changed meanwhile shows in the list. */
  onLive(): void {
    if (!this.#watching || this.#firstList === undefined) return;
    // Asked until it is answered: without it nothing would be pushed. What was asked on an earlier connection makes way.
    this.#rewatch?.abort();
    this.#rewatch = new AbortController();
    const { signal } = this.#rewatch;
    // Else it fails when the session ends, or when the gateway refuses for good; then the next connection is asked.
    this.#watchFromNow({ signal, timeoutMs: MAX_DELAY_MS }).catch(() => undefined);
  }

  async describe(
    names: readonly string[] | undefined,
    options?: RequestOptions & { autoCreate?: boolean },
  ): Promise<TopicInfo[]> {
    if (names === undefined) {
      await this.#learn({}, options);
      return [...this.#byName.values()];
    }
    for (const name of names) checkTopicName(name);
    if (names.length === 0) return [];
    const errors = await this.#learn({ topics: [...names], autoCreate: options?.autoCreate }, options);
    for (const problem of errors) {
      const error = errorOf(problem);
      if (!error.retriable) throw new LogError(error.code, error.message, { topic: problem.topic });
    }
    return [...new Set(names)].flatMap((name) => this.#byName.get(name) ?? []);
  }

  /** A push. */
  onTopics({ changed, deleted }: ServerFrameOf<'topics'>): void {
    for (const names of this.#behind)
      for (const name of [...changed.map((topic) => topic.name), ...deleted]) names.add(name);
    this.#update(changed, deleted);
  }

  onEndsFrame(partitions: ServerFrameOf<'ends'>['partitions']): void {
    let changed = false;
    for (const { topicId, partition, ...ends } of partitions) {
      if (this.#setEnds(topicId, partition, ends)) changed = true;
    }
    if (changed) this.#tell(this.#endsListeners);
  }

  onData(topicId: string, partition: number, ends: LogEnds): void {
    if (this.#setEnds(topicId, partition, ends)) this.#tell(this.#endsListeners);
  }

  async #watchFromNow(options: RequestOptions | undefined): Promise<void> {
    await this.#learn({ watch: true }, options);
  }

  /** Asks, and takes the answer for the truth on what it was asked for, but for what a push behind it knows better. */
  async #learn(
    question: Parameters<AskMetadata>[0],
    options: RequestOptions | undefined,
  ): Promise<NonNullable<ServerFrameOf<'metadata'>['errors']>> {
    const newer = new Set<string>();
    try {
      const { topics, errors } = await this.#ask(question, { ...options, onAnswer: () => this.#behind.add(newer) });
      const there = new Set([...topics.map((topic) => topic.name), ...newer]);
      this.#update(
        topics.filter((topic) => !newer.has(topic.name)),
        (question.topics ?? this.names()).filter((name) => !there.has(name)),
      );
      return errors ?? [];
    } finally {
      this.#behind.delete(newer);
    }
  }

  #update(changed: readonly TopicInfo[], deleted: readonly string[]): void {
    let topicsChanged = false;
    let endsChanged = false;
    for (const name of deleted) if (this.#forget(name)) topicsChanged = true;
    for (const topic of changed) {
      const known = this.#byName.get(topic.name);
      if (known?.topicId !== topic.topicId || known.partitions.length !== topic.partitions.length) {
        if (known !== undefined && known.topicId !== topic.topicId) this.#forget(topic.name);
        topicsChanged = true;
      }
      this.#byName.set(topic.name, topic);
      for (const { partition, logStart, highWatermark, lastStableOffset } of topic.partitions) {
        if (this.#setEnds(topic.topicId, partition, { logStart, highWatermark, lastStableOffset })) endsChanged = true;
      }
    }
    if (topicsChanged) this.#tell(this.#changeListeners);
    if (endsChanged) this.#tell(this.#endsListeners);
  }

  #forget(name: string): boolean {
    const known = this.#byName.get(name);
    if (known === undefined) return false;
    this.#byName.delete(name);
    this.#ends.delete(known.topicId);
    return true;
  }

  #setEnds(topicId: string, partition: number, ends: LogEnds): boolean {
    let partitions = this.#ends.get(topicId);
    if (partitions === undefined) this.#ends.set(topicId, (partitions = new Map()));
    const known = partitions.get(partition);
    if (
      known !== undefined &&
      known.logStart === ends.logStart &&
      known.highWatermark === ends.highWatermark &&
      known.lastStableOffset === ends.lastStableOffset
    ) {
      return false;
    }
    const { logStart, highWatermark, lastStableOffset } = ends;
    partitions.set(partition, { logStart, highWatermark, lastStableOffset });
    return true;
  }

  #tell(listeners: ReadonlySet<() => void>): void {
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch (error) {
        this.#report(error);
      }
    }
  }
}
