// Finds a record's partition: asks for topics, holds back records until the answer comes, spreads what has no key. Knows nothing of batches or connections.
import { LogError, partitionForKey, type TopicInfo } from '../protocol/index.ts';
import { earliestOf } from './accumulator.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { pause } from './consumer-wait.ts';
import type { PartitionSender } from './producer-partition.ts';
import type { Entry } from './producer-record.ts';
import type { Session } from './session.ts';

/** How long a topic may stay unknown, also to a log that was asked to create it, before its records fail. */
const PATIENCE_MS = 5_000;
const BACKOFF: Backoff = { baseMs: 100, maxMs: 1_000 };

type MakeSender = (topic: string, partition: number, topicId: string) => PartitionSender;

interface Topic {
  readonly name: string;
  info: TopicInfo | undefined;
  /** Records in the order of their send(), until the topic is known. */
  readonly waiting: Entry[];
  asking: boolean;
  readonly senders: Map<number, PartitionSender>;
  /** Where records without a key go until their batch is closed. */
  sticky: number | undefined;
}

export class ProducerTopics {
  readonly #session: Session;
  readonly #makeSender: MakeSender;
  readonly #topics = new Map<string, Topic>();
  readonly #stopListening: () => void;
  #closed = false;

  constructor(session: Session, makeSender: MakeSender) {
    this.#session = session;
    this.#makeSender = makeSender;
    // Partitions that were added since take part from now on.
    this.#stopListening = session.topics.onChange(() => {
      for (const topic of this.#topics.values()) topic.info = session.topics.byName(topic.name) ?? topic.info;
    });
  }

  /** Hands the entry to its partition, at once or when its topic is known; entries of a topic keep their order. */
  route(entry: Entry): void {
    const topic = this.#topics.get(entry.topic) ?? this.#begin(entry.topic);
    if (topic.info === undefined || topic.waiting.length > 0) this.#wait(topic, entry);
    else this.#place(topic, topic.info, entry, false);
  }

  *senders(): Iterable<PartitionSender> {
    for (const topic of this.#topics.values()) yield* topic.senders.values();
  }
  /** Fails what is past its deadline. */
  expire(now: number): void {
    for (const topic of this.#topics.values()) {
      for (const entry of topic.waiting.filter(({ deadline }) => deadline <= now)) {
        this.withdraw(entry);
        entry.reject(unknown(topic.name, 'TIMED_OUT'));
      }
      for (const sender of topic.senders.values()) sender.expire(now);
    }
  }
  /** The earliest deadline of all that is not settled; infinite where there is nothing. */
  get deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { waiting, senders } of this.#topics.values()) {
      earliest = earliestOf(senders.values(), earliestOf(waiting, earliest));
    }
    return earliest;
  }
  /** Takes an entry back that has not been sent. */
  withdraw(entry: Entry): void {
    const topic = this.#topics.get(entry.topic);
    if (topic === undefined) return;
    const at = topic.waiting.indexOf(entry);
    if (at >= 0) topic.waiting.splice(at, 1);
    else for (const sender of topic.senders.values()) if (sender.withdraw(entry)) return;
  }
  fail(error: LogError): void {
    this.#closed = true;
    this.#stopListening();
    for (const topic of this.#topics.values()) {
      for (const entry of topic.waiting.splice(0)) entry.reject(error);
      for (const sender of topic.senders.values()) sender.fail(error);
    }
  }

  /** The id the topic has now. Rejects with UNKNOWN_TOPIC_OR_PARTITION where topic or partition are gone. */
  async refreshId(name: string, partition: number): Promise<string> {
    const info = await this.#describe(name);
    if (info === undefined) throw unknown(name);
    const topic = this.#topics.get(name);
    if (topic !== undefined) topic.info = info;
    if (partition < info.partitions.length) return info.topicId;
    const message = `topic "${name}" was created anew and has no partition ${partition} any more`;
    throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic: name, partition, retriable: false });
  }

  #begin(name: string): Topic {
    const info = this.#session.topics.byName(name);
    const topic: Topic = { name, info, waiting: [], asking: false, senders: new Map(), sticky: undefined };
    this.#topics.set(name, topic);
    return topic;
  }

  #wait(topic: Topic, entry: Entry): void {
    topic.waiting.push(entry);
    if (topic.asking) return;
    topic.asking = true;
    this.#find(topic).then(
      (info) => {
        topic.asking = false;
        topic.info = info;
        for (const waiting of topic.waiting.splice(0)) this.#place(topic, info, waiting, true);
      },
      (error: unknown) => {
        topic.asking = false;
        for (const waiting of topic.waiting.splice(0)) waiting.reject(LogError.from(error));
      },
    );
  }

  /** `fresh`: the description is new, so a partition that is not in it does not exist. */
  #place(topic: Topic, info: TopicInfo, entry: Entry, fresh: boolean): void {
    const count = info.partitions.length;
    if (entry.partition !== undefined && entry.partition >= count) {
      if (!fresh) return this.#wait(topic, entry);
      const message = `send: topic "${topic.name}" has no partition ${entry.partition}; it has ${count}, counted from 0`;
      return entry.reject(new LogError('INVALID_REQUEST', message, { topic: topic.name, partition: entry.partition }));
    }
    const { key } = entry.record;
    const partition =
      entry.partition ?? (key === null ? this.#stick(topic, count, entry) : partitionForKey(key, count));
    this.#sender(topic, info, partition).append(entry);
  }

  /** Partitions take turns, a batch each: small records fill one batch rather than begin one in every partition. */
  #stick(topic: Topic, count: number, entry: Entry): number {
    const { sticky } = topic;
    if (sticky !== undefined && sticky < count && topic.senders.get(sticky)?.fits(entry)) return sticky;
    const next = sticky === undefined ? Math.floor(this.#session.random() * count) : (sticky + 1) % count;
    topic.sticky = next;
    return next;
  }

  #sender(topic: Topic, info: TopicInfo, partition: number): PartitionSender {
    let sender = topic.senders.get(partition);
    if (sender === undefined) {
      sender = this.#makeSender(topic.name, partition, info.topicId);
      topic.senders.set(partition, sender);
    }
    return sender;
  }

  /** Asks until the topic is there: an unreachable gateway and a log that cannot answer now are waited for, one that does not know the topic only PATIENCE_MS. */
  async #find({ name, waiting }: Topic): Promise<TopicInfo> {
    const { clock, random } = this.#session;
    let patienceEnds: number | undefined;
    for (let failures = 0; ; failures++) {
      let wasAnswered = true;
      const info = await this.#describe(name).catch((error: unknown) => {
        if (!LogError.from(error).retriable || this.#closed) throw error;
        wasAnswered = false;
        return undefined;
      });
      if (info !== undefined) return info;
      if (wasAnswered) patienceEnds ??= clock.now() + PATIENCE_MS;
      if (this.#closed || waiting.length === 0 || (patienceEnds !== undefined && clock.now() >= patienceEnds))
        throw unknown(name);
      await pause(clock, backoffMs(BACKOFF, failures, random));
    }
  }

  async #describe(name: string): Promise<TopicInfo | undefined> {
    return (await this.#session.topics.describe([name], { autoCreate: true })).find((info) => info.name === name);
  }
}

function unknown(
  name: string,
  code: 'UNKNOWN_TOPIC_OR_PARTITION' | 'TIMED_OUT' = 'UNKNOWN_TOPIC_OR_PARTITION',
): LogError {
  const why = code === 'TIMED_OUT' ? 'could not be looked up in time' : 'does not exist and is not created on demand';
  return new LogError(code, `topic "${name}" ${why}`, { topic: name });
}
