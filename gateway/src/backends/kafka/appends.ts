// Brings batches to the leaders of their partitions: in order within a partition, several partitions in one request, sent again until their time is over. Knows nothing of who produces, and of a batch only its header.
//
// Of a partition one batch is under way at a time, and its bytes never change: where it fails, the same bytes go again, to whoever leads by
// then, before anything else of that partition. A batch with a producer id may be sent again although an earlier attempt may have been
// written: the broker recognises it. Without one it may not, and who sent it hears that nobody knows.
import { type BatchHeader, type ErrorCode, LogError } from 'distributedlog/protocol';
import type { AppendResult, PartitionRef } from 'distributedlog/server';
import { checkBatch } from './batch-check.ts';
import type { Cluster } from './cluster.ts';
import { ASK_AGAIN, brokerError, closed, toLogError } from './errors.ts';
import { PRODUCE, type ProduceAnswer, type ProducedPartition } from './produce-api.ts';

/** Bytes that may wait for all brokers together; more is THROTTLING_QUOTA_EXCEEDED. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** Bytes of one request; one larger batch still goes, alone. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Under way to one broker at a time, each on a connection of its own: a broker answers one after the other. */
const REQUESTS_PER_BROKER = 2;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1_000;

interface Append {
  readonly batch: Uint8Array;
  readonly header: BatchHeader;
  readonly deadline: number;
  resolve(result: AppendResult): void;
  reject(error: LogError): void;
  /** An attempt may have been written. */
  ambiguous: boolean;
}
interface Queue extends PartitionRef {
  readonly key: string;
  /** Oldest first; while flying, the first one is under way. */
  readonly waiting: Append[];
  state: 'idle' | 'locating' | 'ready' | 'flying' | 'resting';
  /** Who is to get the first one, once that is known. */
  leader: number;
  topic: string;
  failures: number;
  stopResting: (() => void) | undefined;
}
interface Broker {
  /** Free connections, by number. */
  readonly free: number[];
  readonly ready: Set<Queue>;
  pumping: boolean;
}

/** The batch may go again: to another broker, or to the same one later. */
const AGAIN: ReadonlySet<ErrorCode> = new Set([
  ...ASK_AGAIN,
  // A broker may not have heard yet of a topic that the cluster has.
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
]);
const GONE: ReadonlySet<ErrorCode> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID']);
/** After these it may have been written, also where the broker does not say at which offset. */
const UNCERTAIN: ReadonlySet<ErrorCode> = new Set(['REQUEST_TIMED_OUT', 'KAFKA_STORAGE_ERROR']);

export class Appends {
  readonly #cluster: Cluster;
  readonly #onWritten: (partition: PartitionRef, end: number) => void;
  readonly #maxWaitingBytes: number;
  readonly #queues = new Map<string, Queue>();
  readonly #brokers = new Map<number, Broker>();
  #waitingBytes = 0;
  #appendedBatches = 0;
  #appendedBytes = 0;
  #retries = 0;
  #closed = false;

  /** `onWritten` hears of the offset after each batch that was written; `maxWaitingBytes`: 256 MiB. */
  constructor(
    cluster: Cluster,
    onWritten: (partition: PartitionRef, end: number) => void,
    maxWaitingBytes = MAX_WAITING_BYTES,
  ) {
    this.#cluster = cluster;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#onWritten = onWritten;
    cluster.onMetadata(() => this.#onMetadata());
  }

  /** Calls of one partition are written in their order. The bytes are not to be changed until it settles. */
  append({ topicId, partition }: PartitionRef, batch: Uint8Array): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closed();
      const header = checkBatch(batch);
      if (this.#waitingBytes > 0 && this.#waitingBytes + batch.length > this.#maxWaitingBytes) {
        const message = `${this.#waitingBytes} bytes wait for the brokers; at most ${this.#maxWaitingBytes} may.`;
        throw new LogError('THROTTLING_QUOTA_EXCEEDED', message);
      }
      const deadline = this.#cluster.clock.now() + this.#cluster.settings.requestTimeoutMs;
      const queue = this.#queueOf(topicId, partition);
      queue.waiting.push({ batch, header, deadline, resolve, reject, ambiguous: false });
      this.#waitingBytes += batch.length;
      if (queue.state === 'idle') this.#locate(queue);
    });
  }

  metrics(): Readonly<Record<string, number>> {
    return {
      appended_batches: this.#appendedBatches,
      appended_bytes: this.#appendedBytes,
      append_retries: this.#retries,
      append_waiting_bytes: this.#waitingBytes,
    };
  }

  /** What waits fails; so does, with the connections, what is under way. */
  close(): void {
    this.#closed = true;
    for (const queue of this.#queues.values()) {
      queue.stopResting?.();
      const underWay = queue.state === 'flying' ? 1 : 0;
      for (const append of queue.waiting.splice(underWay)) {
        this.#waitingBytes -= append.batch.length;
        append.reject(outcome(append, closed()));
      }
    }
    this.#brokers.clear();
  }

  #queueOf(topicId: string, partition: number): Queue {
    const key = `${topicId}/${partition}`;
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue: Queue = {
      topicId,
      partition,
      key,
      waiting: [],
      state: 'idle',
      leader: -1,
      topic: '',
      failures: 0,
      stopResting: undefined,
    };
    this.#queues.set(key, queue);
    return queue;
  }

  /** Makes the queue ready for whoever leads its partition now. */
  #locate(queue: Queue, looked = false): void {
    this.#expire(queue);
    if (queue.waiting.length === 0) {
      queue.state = 'idle';
      this.#queues.delete(queue.key);
      return;
    }
    try {
      const { leader, topic } = this.#cluster.leaderOf(queue);
      queue.state = 'ready';
      queue.leader = leader;
      queue.topic = topic.name;
      this.#brokerOf(leader).ready.add(queue);
      this.#pumpSoon(leader);
    } catch (cause) {
      const error = toLogError(cause, 'Produce');
      if (!GONE.has(error.code)) this.#failed(queue, error, false);
      else if (looked) this.#rejectAll(queue, error);
      else {
        queue.state = 'locating';
        void this.#cluster.lookFor([queue]).then(() => this.#locate(queue, true));
      }
    }
  }

  #brokerOf(nodeId: number): Broker {
    const known = this.#brokers.get(nodeId);
    if (known !== undefined) return known;
    const free = Array.from({ length: REQUESTS_PER_BROKER }, (_, i) => i);
    const broker: Broker = { free, ready: new Set(), pumping: false };
    this.#brokers.set(nodeId, broker);
    return broker;
  }

  /** What is appended in the same turn goes together. */
  #pumpSoon(nodeId: number): void {
    const broker = this.#brokerOf(nodeId);
    if (broker.pumping || broker.free.length === 0) return;
    broker.pumping = true;
    queueMicrotask(() => {
      broker.pumping = false;
      this.#pump(nodeId, broker);
    });
  }

  #pump(nodeId: number, broker: Broker): void {
    for (const queue of broker.ready) {
      this.#expire(queue);
      if (queue.waiting.length > 0) continue;
      broker.ready.delete(queue);
      this.#locate(queue);
    }
    while (!this.#closed && broker.ready.size > 0) {
      const slot = broker.free.pop();
      if (slot === undefined) return;
      const queues: Queue[] = [];
      let bytes = 0;
      for (const queue of broker.ready) {
        const size = queue.waiting[0]?.batch.length ?? 0;
        if (queues.length > 0 && bytes + size > MAX_REQUEST_BYTES) break;
        bytes += size;
        broker.ready.delete(queue);
        queue.state = 'flying';
        queues.push(queue);
      }
      void this.#send(nodeId, slot, queues).then(() => {
        broker.free.push(slot);
        this.#pumpSoon(nodeId);
      });
    }
  }

  /** Never rejects. */
  async #send(nodeId: number, slot: number, queues: readonly Queue[]): Promise<void> {
    let sent = false;
    let answer: ProduceAnswer;
    try {
      const link = this.#cluster.link(nodeId, `produce-${slot}`);
      // Before the request, so that it is known whether it can have gone out.
      await link.versions();
      sent = true;
      const batches = queues.flatMap(({ topicId, topic, partition, waiting: [first] }) =>
        first === undefined ? [] : { topicId, topic, partition, batch: first.batch },
      );
      const timeoutMs = Math.ceil(this.#cluster.settings.requestTimeoutMs / 2);
      answer = await link.request(PRODUCE, { timeoutMs, batches });
    } catch (cause) {
      const error = toLogError(cause, 'Produce');
      const uncertain = sent && error.code !== 'UNSUPPORTED_VERSION';
      for (const queue of queues) this.#failed(queue, error, uncertain);
      return;
    }
    const byKey = new Map(answer.partitions.map((one) => [`${one.topicId}/${one.partition}`, one]));
    for (const queue of queues) this.#answered(queue, byKey.get(queue.key));
  }

  #answered(queue: Queue, answer: ProducedPartition | undefined): void {
    const { topic, partition } = queue;
    const about = `Produce to partition ${partition} of topic "${topic}"`;
    if (answer === undefined) {
      return this.#failed(
        queue,
        new LogError('REQUEST_TIMED_OUT', `${about}: the broker left it out of its answer.`),
        true,
      );
    }
    const { errorCode, errorMessage, baseOffset, logAppendTime, logStart } = answer;
    const error = errorCode === 0 ? undefined : brokerError(errorCode, about, { topic, partition }, errorMessage);
    if (error === undefined || (error.code === 'DUPLICATE_SEQUENCE_NUMBER' && baseOffset >= 0)) {
      const append = this.#take(queue);
      if (append === undefined) return;
      const { header, batch } = append;
      this.#appendedBatches++;
      this.#appendedBytes += batch.length;
      queue.failures = 0;
      this.#onWritten(queue, baseOffset + header.lastOffset - header.baseOffset + 1);
      append.resolve({ baseOffset, logAppendTime, logStart });
      this.#locate(queue);
      return;
    }
    // A leader that wrote it, and then ceased to lead, or did not hear from its replicas in time, says where.
    this.#failed(queue, error, baseOffset >= 0 || UNCERTAIN.has(error.code));
  }

  /** The first one of the queue failed: it goes again, or is told. */
  #failed(queue: Queue, error: LogError, uncertain: boolean): void {
    const [append] = queue.waiting;
    if (append === undefined) return this.#locate(queue);
    append.ambiguous ||= uncertain;
    const isNumbered = append.header.producerId >= 0;
    const delayMs = Math.min(BACKOFF_MIN_MS * 2 ** Math.min(queue.failures++, 10), BACKOFF_MAX_MS);
    const mayGoAgain = AGAIN.has(error.code) && (isNumbered || !append.ambiguous);
    if (this.#closed || !mayGoAgain || this.#cluster.clock.now() + delayMs > append.deadline) {
      this.#take(queue);
      append.reject(outcome(append, error));
      // In a turn of its own: those behind it may fail the same way, however many they are.
      queue.state = 'locating';
      queueMicrotask(() => this.#locate(queue));
      return;
    }
    this.#retries++;
    this.#cluster.refreshSoon();
    queue.state = 'resting';
    const cancel = this.#cluster.clock.after(delayMs, () => this.#wake(queue));
    queue.stopResting = cancel;
  }

  #wake(queue: Queue): void {
    queue.stopResting?.();
    queue.stopResting = undefined;
    this.#locate(queue);
  }

  /** What waits for a broker that does not lead any more goes to the one that does, without waiting out its time. */
  #onMetadata(): void {
    for (const queue of this.#queues.values()) {
      if (queue.state !== 'ready' && queue.state !== 'resting') continue;
      const leader = this.#cluster.metadata.byId.get(queue.topicId)?.partitions[queue.partition]?.leader;
      if (leader === queue.leader) continue;
      if (queue.state === 'resting') this.#wake(queue);
      else {
        this.#brokers.get(queue.leader)?.ready.delete(queue);
        this.#locate(queue);
      }
    }
    for (const [nodeId, { ready, free }] of this.#brokers) {
      const idle = ready.size === 0 && free.length === REQUESTS_PER_BROKER;
      if (idle && !this.#cluster.metadata.brokers.has(nodeId)) this.#brokers.delete(nodeId);
    }
  }

  /** What could not be sent in its time is not sent at all: who gave it may have given it up, or given it again. */
  #expire(queue: Queue): void {
    const now = this.#cluster.clock.now();
    for (let [first] = queue.waiting; first !== undefined && first.deadline <= now; [first] = queue.waiting) {
      this.#take(queue);
      const { topic, partition } = queue;
      const message = `Produce to partition ${partition} of topic "${topic}": its leader did not come to it in time.`;
      first.reject(outcome(first, new LogError('LEADER_NOT_AVAILABLE', message, { topic, partition })));
    }
  }

  #take(queue: Queue): Append | undefined {
    const append = queue.waiting.shift();
    if (append !== undefined) this.#waitingBytes -= append.batch.length;
    return append;
  }
  #rejectAll(queue: Queue, error: LogError): void {
    for (let append = this.#take(queue); append !== undefined; append = this.#take(queue)) {
      append.reject(outcome(append, error));
    }
    this.#locate(queue);
  }
}

/** A refusal says only that the last attempt was not written: where an earlier one may have been, nobody may take it for more. */
function outcome(append: Append, error: LogError): LogError {
  if (!append.ambiguous) return error;
  const { topic, partition } = error;
  return new LogError(
    'REQUEST_TIMED_OUT',
    `The batch may or may not have been written; the last attempt: ${error.message}`,
    {
      topic,
      partition,
      cause: error,
    },
  );
}
