// The cluster as the rest of this log sees it: who leads what, who coordinates which group, and connections to them by purpose. Knows nothing of records or members.
import type { Clock, Random } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import type { PartitionRef } from 'distributedlog/server';
import { type ApiFamily, versionsMissing } from './api-family.ts';
import { FIND_COORDINATOR, METADATA, REQUIRED } from './apis.ts';
import { BrokerLink, type LinkCounts } from './broker-link.ts';
import { brokerError, closed, toLogError } from './errors.ts';
import { Metadata, type MetadataAnswer, type PartitionMetadata, type TopicMetadata } from './metadata.ts';
import type { BrokerAddress, KafkaLogSettings } from './options.ts';
import { pause, within } from './pause.ts';

export interface Leader extends PartitionMetadata {
  readonly topic: TopicMetadata;
}
/**
 * What a connection is for. Who may have to wait longer than `requestTimeoutMs` for an answer has one of its own, and says so.
 * `signal`: nobody waits any more, and nothing is sent again.
 */
export type Purpose =
  | string
  | { readonly name: string; readonly answerWithinMs: number; readonly signal?: AbortSignal | undefined };
type MetadataListener = (now: Metadata, before: Metadata) => void;

/** Where any broker will do, one may take so long. */
const PATIENCE_MS = 5_000;
/** Of whose groups the coordinators are remembered. */
const MAX_COORDINATORS = 10_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** Looks because something is not known, or is said to have changed, are at least so far apart. */
const LOOK_FOR_EVERY_MS = 250;
const SOON_MS = 20;
const NOT_CONTROLLER = 41;
const CONTROLLER_ATTEMPTS = 5;
/** Codes after which the same request may go to another broker, or to the same one a little later. */
const LOOK_AGAIN: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'BROKER_NOT_AVAILABLE',
]);

export class Cluster {
  readonly settings: KafkaLogSettings;
  readonly clock: Clock;
  readonly #random: Random;
  readonly #counts: LinkCounts = { requests: 0, failures: 0, connects: 0, throttledMs: 0 };
  readonly #links = new Map<string, BrokerLink>();
  readonly #bootstrap: readonly BrokerLink[];
  readonly #listeners = new Set<MetadataListener>();
  /** groupId → node id. */
  readonly #coordinators = new Map<string, number>();
  #metadata = Metadata.NONE;
  #failure: LogError | undefined = new LogError('BROKER_NOT_AVAILABLE', 'Kafka was not reached yet.');
  #refreshing: Promise<Metadata> | undefined;
  #cancelTimer: (() => void) | undefined;
  #failures = 0;
  /** The next look is one that was asked for. */
  #isSoon = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Address of the broker that answered last where any will do. */
  #answered: string | undefined;
  #closed = false;

  constructor(settings: KafkaLogSettings, clock: Clock, random: Random) {
    this.settings = settings;
    this.clock = clock;
    this.#random = random;
    this.#bootstrap = settings.brokers.map((address) => new BrokerLink(address, settings, clock, this.#counts));
  }

  /** What was seen last; nothing before the first contact. */
  get metadata(): Metadata {
    return this.#metadata;
  }
  /** undefined: the last look at the cluster succeeded. */
  get failure(): LogError | undefined {
    return this.#failure;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** After every look that found the cluster; the first `before` is empty. Returns how to stop. */
  onMetadata(listener: MetadataListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A look at the cluster that begins now, or the one that has just begun. Afterwards it is looked at every `metadataMaxAgeMs`. */
  refresh(): Promise<Metadata> {
    if (this.#closed) return Promise.reject(closed());
    this.#refreshing ??= this.#look().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** A look soon, for whoever heard from a broker that things have changed; however many say so, looks keep a distance. */
  refreshSoon(): void {
    // While the cluster is not to be had the next look is armed already, and every answer to one ends the wait.
    if (this.#refreshing !== undefined || this.#failures > 0 || this.#isSoon) return;
    const dueAt = this.#lookedAt + LOOK_FOR_EVERY_MS;
    this.#arm(Math.max(SOON_MS, dueAt - this.clock.now()));
    this.#isSoon = true;
  }

  /** UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE; before the first contact BROKER_NOT_AVAILABLE. */
  leaderOf({ topicId, partition }: PartitionRef): Leader {
    const topic = this.topic(topicId);
    const found = topic.partitions[partition];
    if (found === undefined) {
      throw new LogError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `Topic "${topic.name}" has no partition ${partition}: it has ${topic.partitions.length}.`,
        { topic: topic.name, partition },
      );
    }
    if (found.leader < 0 || !this.#metadata.brokers.has(found.leader)) {
      this.refreshSoon();
      throw new LogError('LEADER_NOT_AVAILABLE', `Partition ${partition} of topic "${topic.name}" has no leader now.`, {
        topic: topic.name,
        partition,
      });
    }
    return { ...found, topic };
  }
  topic(topicId: string): TopicMetadata {
    const topic = this.#metadata.byId.get(topicId);
    if (topic !== undefined) return topic;
    if (this.#metadata === Metadata.NONE) throw this.#failure ?? closed();
    throw new LogError('UNKNOWN_TOPIC_ID', `There is no topic with the id ${topicId}.`);
  }

  /** Looks at the cluster once where one of the partitions is not known, unless that was done just now. Never rejects. */
  async lookFor(refs: readonly PartitionRef[]): Promise<void> {
    const { byId } = this.#metadata;
    if (refs.every(({ topicId, partition }) => byId.get(topicId)?.partitions[partition] !== undefined)) return;
    await this.lookAgain();
  }
  /** Looks at the cluster, unless that was done just now. Never rejects. */
  async lookAgain(): Promise<void> {
    if (this.clock.now() - this.#lookedAt < LOOK_FOR_EVERY_MS) return;
    // Whoever asks for the leader afterwards hears why there is none.
    await this.refresh().catch(() => undefined);
  }

  /** The connection to a broker for one purpose; requests on one connection are answered one after the other. */
  link(nodeId: number, purpose: Purpose): BrokerLink {
    if (this.#closed) throw closed();
    const address = this.#metadata.brokers.get(nodeId);
    if (address === undefined) {
      this.refreshSoon();
      throw new LogError('BROKER_NOT_AVAILABLE', `Broker ${nodeId} is not in the cluster now.`);
    }
    const { requestTimeoutMs } = this.settings;
    const { name, answerWithinMs } =
      typeof purpose === 'string' ? { name: purpose, answerWithinMs: requestTimeoutMs } : purpose;
    return this.#linkTo(address, `${nodeId}/${name}`, Math.max(answerWithinMs, requestTimeoutMs));
  }

  /** Closes the connections to all brokers for this purpose. */
  release(purpose: string): void {
    for (const [key, link] of this.#links) {
      if (key.slice(key.indexOf('/') + 1) !== purpose) continue;
      this.#links.delete(key);
      link.close();
    }
  }

  /** Asks brokers in turn until one answers; one that takes long is left to it, and the next one asked. */
  async any<Args extends readonly unknown[], Answer>(family: ApiFamily<Args, Answer>, ...args: Args): Promise<Answer> {
    const known = [...this.#metadata.brokers.keys()].map((nodeId) => this.link(nodeId, 'control'));
    const links = [...known, ...this.#bootstrap];
    // The one that answered last is the best bet.
    const first = links.findIndex(({ where }) => where === this.#answered);
    if (first > 0) links.unshift(...links.splice(first, 1));
    let failure: unknown;
    for (const link of links) {
      if (this.#closed) throw closed();
      try {
        const answer = await within(this.clock, PATIENCE_MS, link.request(family, ...args));
        if (answer !== undefined) {
          this.#answered = link.where;
          return answer;
        }
        failure = new LogError('REQUEST_TIMED_OUT', `${family.name} at ${link.where}: no answer in ${PATIENCE_MS} ms`);
      } catch (error) {
        failure = error;
      }
    }
    throw toLogError(failure, `No broker answered ${family.name}`);
  }

  /** Asks the controller, or whoever speaks for it. `codeOf` says which error code the answer has; it is the caller's, but for "ask elsewhere". */
  async controller<Args extends readonly unknown[], Answer>(
    codeOf: (answer: Answer) => number,
    family: ApiFamily<Args, Answer>,
    args: Args,
  ): Promise<Answer> {
    if (this.#metadata === Metadata.NONE) await this.refresh();
    for (let attempt = 0; ; attempt++) {
      const { controllerId, brokers } = this.#metadata;
      // One of them only: what it may have done is not to be done twice.
      const [one = controllerId] = brokers.has(controllerId) ? [] : brokers.keys();
      const answer = await this.link(one, 'control').request(family, ...args);
      if (codeOf(answer) !== NOT_CONTROLLER || attempt === CONTROLLER_ATTEMPTS) return answer;
      await pause(this.clock, RETRY_MIN_MS * 2 ** attempt);
      await this.refresh();
    }
  }

  /**
   * Asks the coordinator of the group, finding it first where it is not known. `codeOf` says which error code the whole answer has, if any;
   * codes that mean "ask elsewhere" or "not yet" are tried again until `timeoutMs`, then they are thrown; others are the caller's.
   */
  async coordinator<Args extends readonly unknown[], Answer>(
    groupId: string,
    purpose: Purpose,
    codeOf: (answer: Answer) => number,
    family: ApiFamily<Args, Answer>,
    args: Args,
    timeoutMs = this.settings.requestTimeoutMs,
  ): Promise<Answer> {
    const until = this.clock.now() + timeoutMs;
    const isOver = (): boolean => this.#closed || (typeof purpose !== 'string' && purpose.signal?.aborted === true);
    for (let attempt = 0; ; attempt++) {
      let failure: LogError;
      try {
        const nodeId = await this.#coordinatorOf(groupId);
        // What was released meanwhile is not made anew.
        if (isOver()) throw new LogError('BROKER_NOT_AVAILABLE', `${family.name}: nobody waits for it any more.`);
        const answer = await this.link(nodeId, purpose).request(family, ...args);
        const code = codeOf(answer);
        if (code === 0) return answer;
        failure = brokerError(code, `${family.name} of group "${groupId}"`);
        if (!LOOK_AGAIN.has(failure.code)) return answer;
      } catch (error) {
        failure = toLogError(error, `${family.name} of group "${groupId}"`);
        // Who is silent may be no coordinator any more: whoever asks again asks who is.
        if (failure.code === 'REQUEST_TIMED_OUT') this.#coordinators.delete(groupId);
        if (!LOOK_AGAIN.has(failure.code)) throw failure;
      }
      this.#coordinators.delete(groupId);
      const waitMs = Math.min(RETRY_MIN_MS * 2 ** Math.min(attempt, 4), 1_000);
      if (isOver() || this.clock.now() + waitMs >= until) throw failure;
      await pause(this.clock, waitMs);
    }
  }

  metrics(): Readonly<Record<string, number>> {
    const { requests, failures, connects, throttledMs } = this.#counts;
    return {
      requests,
      request_failures: failures,
      connects,
      throttled_ms: throttledMs,
      brokers: this.#metadata.brokers.size,
    };
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    for (const link of [...this.#links.values(), ...this.#bootstrap]) link.close();
    this.#links.clear();
    this.#listeners.clear();
  }

  async #coordinatorOf(groupId: string): Promise<number> {
    const known = this.#coordinators.get(groupId);
    if (known !== undefined && this.#metadata.brokers.has(known)) return known;
    const found = await this.any(FIND_COORDINATOR, groupId);
    if (found === undefined || found.errorCode !== 0) {
      const about = `The coordinator of group "${groupId}"`;
      throw brokerError(found?.errorCode ?? 15, about, {}, found?.errorMessage);
    }
    if (!this.#metadata.brokers.has(found.nodeId)) await this.refresh();
    if (this.#coordinators.size >= MAX_COORDINATORS) this.#coordinators.clear();
    this.#coordinators.set(groupId, found.nodeId);
    return found.nodeId;
  }

  #linkTo(address: BrokerAddress, key: string, requestTimeoutMs: number): BrokerLink {
    const existing = this.#links.get(key);
    if (existing?.isTo(address, requestTimeoutMs)) return existing;
    existing?.close();
    const link = new BrokerLink(address, { ...this.settings, requestTimeoutMs }, this.clock, this.#counts);
    this.#links.set(key, link);
    return link;
  }

  async #look(): Promise<Metadata> {
    try {
      const first = this.#metadata === Metadata.NONE;
      if (first) await this.#checkVersions();
      const answer = await this.any(METADATA, null);
      // It has just begun, and knows of no topic either.
      if (answer.brokers.length === 0) throw new LogError('BROKER_NOT_AVAILABLE', 'A broker knows of no brokers yet.');
      const seen = new Metadata(await this.#withoutDoubt(answer), this.#metadata);
      if (this.#closed) throw closed();
      const before = this.#metadata;
      this.#metadata = seen;
      this.#failure = undefined;
      this.#failures = 0;
      this.#lookedAt = this.clock.now();
      this.#closeLinksOfGone();
      for (const listener of [...this.#listeners]) listener(seen, before);
      this.#arm(this.settings.metadataMaxAgeMs);
      return seen;
    } catch (error) {
      this.#failure = toLogError(error, 'Kafka');
      this.#failures++;
      if (!this.#closed) this.#arm(this.#backoff());
      throw this.#failure;
    }
  }

  /** A broker may be behind the others: what it does not list any more is gone where another one says so, too. */
  async #withoutDoubt(answer: MetadataAnswer): Promise<MetadataAnswer> {
    const names = new Set(answer.topics.map(({ name }) => name));
    const missing = [...this.#metadata.byName.keys()].filter((name) => !names.has(name));
    const others = answer.brokers.filter(({ host, port }) => `${host}:${port}` !== this.#answered);
    const other = others.find(({ nodeId }) => this.#metadata.brokers.has(nodeId));
    if (missing.length === 0 || other === undefined) return answer;
    const asked = this.link(other.nodeId, 'control').request(METADATA, missing);
    // Who does not answer does not object.
    const second = await within(this.clock, PATIENCE_MS, asked).catch(() => undefined);
    const kept = second?.topics.filter(({ topicId }) => this.#metadata.byId.has(topicId)) ?? [];
    return { ...answer, topics: [...answer.topics, ...kept] };
  }

  async #checkVersions(): Promise<void> {
    let failure: unknown;
    for (const link of this.#bootstrap) {
      try {
        const missing = versionsMissing(REQUIRED, await link.versions(), link.where);
        if (missing === undefined) return;
        failure = missing;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #backoff(): number {
    const ms = Math.min(RETRY_MIN_MS * 2 ** Math.min(this.#failures, 10), RETRY_MAX_MS);
    return ms * (0.5 + this.#random() / 2);
  }

  #arm(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelTimer?.();
    this.#isSoon = false;
    this.#cancelTimer = this.clock.after(delayMs, () => {
      // What went wrong is in `failure`, and the next look is armed.
      this.refresh().catch(() => undefined);
    });
  }

  #closeLinksOfGone(): void {
    for (const [key, link] of this.#links) {
      if (this.#metadata.brokers.has(Number(key.slice(0, key.indexOf('/'))))) continue;
      this.#links.delete(key);
      link.close();
    }
  }
}
