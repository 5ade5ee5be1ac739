// Sends one partition's batches in order and exactly once, over retries, reconnects and new producer ids. A state machine over the port below: knows nothing of sessions, topics' names or partitioning.
//
// Every batch gets its sequence number and its bytes when it enters the window of batches in flight, and a retry sends these very bytes: the
// log recognises what it already has. When a batch fails, nothing more is sent until all others in flight are settled, then the rest of the
// window goes out again from the oldest on; so a retry can neither overtake nor be overtaken. The first batch under a producer id goes alone,
// so that no log, however lenient with producers it does not know, can begin with a later one. When the log says that the numbering is broken,
// numbering begins anew under an id that this partition never used, but only for batches of which every attempt was refused: a batch that may
// have been written under its old number fails instead, since under a new one it could be written twice.
import { compressBatch, type ErrorCode, encodeBatch, LogError } from '../protocol/index.ts';
import { Accumulator, type AccumulatorOptions } from './accumulator.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import type { Clock, Random } from './clock.ts';
import { partitionError } from './partitions.ts';
import type { Entry } from './producer-record.ts';

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}
export interface PartitionPort {
  readonly clock: Clock;
  readonly random: Random;
  /** Whether sending has a chance now; `onLive` says when that changes. */
  isLive(): boolean;
  /** Whether batches are to go without waiting for more; `onFlush` says when that begins. */
  isFlushing(): boolean;
  /** `fresh`: not the one that others use. Rejects when that cannot be had in time. */
  identity(fresh: boolean): Promise<ProducerIdentity>;
  produce(
    topicId: string,
    partition: number,
    batch: Uint8Array,
    timeoutMs: number,
  ): Promise<{ baseOffset: number; logAppendTime: number }>;
  /** The id that the topic has now. Rejects with what its records are to fail with. */
  refreshTopicId(topic: string, partition: number): Promise<string>;
}
export interface PartitionOptions extends AccumulatorOptions {
  readonly compression: 'none' | 'gzip';
  /** Bound of one attempt, ms. */
  readonly requestTimeoutMs: number;
}

/** As many as a log remembers of a producer. */
const MAX_IN_FLIGHT = 5;
const BACKOFF: Backoff = { baseMs: 100, maxMs: 1_000 };
const MAX_SEQUENCE = 2 ** 31 - 1;

interface SentBatch {
  readonly entries: readonly Entry[];
  /** How many were begun before it. */
  readonly ordinal: number;
  baseSequence: number;
  /** What is sent, at each attempt the same; undefined until there is a producer id. */
  bytes: Uint8Array | undefined;
  state: 'waiting' | 'flying' | 'failed';
  /** An attempt ended without a word on whether it was written. */
  ambiguous: boolean;
  error: LogError | undefined;
}

/** After these the batch has certainly not been written by that attempt. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'THROTTLING_QUOTA_EXCEEDED',
  'CORRUPT_MESSAGE',
]);
/** A log remembers as many batches as can be in flight: one that it takes for written, and cannot say where, is not the one we mean. */
const NUMBERING: ReadonlySet<ErrorCode> = new Set([
  'DUPLICATE_SEQUENCE_NUMBER',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
]);
const TOPIC_GONE: ReadonlySet<ErrorCode> = new Set(['UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION']);

export class PartitionSender {
  readonly topic: string;
  readonly partition: number;
  #topicId: string;
  readonly #port: PartitionPort;
  readonly #options: PartitionOptions;
  readonly #queue: Accumulator<Entry>;
  /** Oldest first. */
  #window: SentBatch[] = [];
  #begun = 0;
  #flying = 0;
  #identity: ProducerIdentity | undefined;
  #needsFresh = false;
  /** The log has written a batch under this identity. */
  #isKnown = false;
  #nextSequence = 0;
  /** Something failed: nothing is sent until the rest in flight has settled. */
  #recovering = false;
  /** Waiting for a backoff, an identity or a topic id. */
  #busy = false;
  #failures = 0;
  #stopTimer: (() => void) | undefined;
  #stopBackoff: (() => void) | undefined;
  #microtask = false;
  /** Ends each batch’s way through compression in the order of their numbers. */
  #compressing: Promise<void> = Promise.resolve();
  #closed: LogError | undefined;

  constructor(topic: string, partition: number, topicId: string, port: PartitionPort, options: PartitionOptions) {
    this.topic = topic;
    this.partition = partition;
    this.#topicId = topicId;
    this.#port = port;
    this.#options = options;
    this.#queue = new Accumulator(options);
  }

  /** Whether the entry would join a batch that others have begun. */
  fits(entry: Entry): boolean {
    return this.#queue.fits(entry);
  }
  append(entry: Entry): void {
    if (this.#closed !== undefined) return entry.reject(this.#closed);
    const began = this.#queue.append(entry, this.#port.clock.now());
    if (began) this.#pumpSoon();
    else if (this.#queue.readyAt === Number.NEGATIVE_INFINITY) this.#pump();
  }
  /** A flush has begun. */
  onFlush(): void {
    this.#pump();
  }
  /** The connection is live (again). */
  onLive(): void {
    this.#stopBackoff?.();
    this.#pump();
  }
  /** Takes an entry back that has not been sent; false if it has. */
  withdraw(entry: Entry): boolean {
    return this.#queue.remove((other) => other === entry).length > 0;
  }
  /** Fails what is past its deadline; batches in flight end by their own timeouts. */
  expire(now: number): void {
    for (const entry of this.#queue.expire(now)) entry.reject(timedOut(this, 'it was not sent'));
    const late = this.#window.filter((batch) => batch.state !== 'flying' && deadlineOf(batch) <= now);
    for (const batch of late) this.#reject(batch, this.#timedOut(batch));
    if (late.length > 0) this.#pump();
  }
  /** The earliest deadline of all it holds; infinite where it holds nothing. */
  get deadline(): number {
    return Math.min(this.#queue.deadline, ...this.#window.map(deadlineOf));
  }
  /** Fails everything, now and later. */
  fail(error: LogError): void {
    this.#closed = error;
    this.#stopTimer?.();
    this.#stopBackoff?.();
    this.#rejectAll(error);
  }

  /** With the linger at 0, whatever is sent in the same turn goes together. */
  #pumpSoon(): void {
    if (this.#microtask) return;
    this.#microtask = true;
    queueMicrotask(() => {
      this.#microtask = false;
      this.#pump();
    });
  }

  #pump(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (this.#closed !== undefined || this.#busy || this.#recovering || !this.#port.isLive()) return;
    const now = this.#port.clock.now();
    for (const batch of this.#window) {
      if (batch.state !== 'waiting') continue;
      if (this.#identity === undefined) return this.#getIdentity();
      if (!this.#mayFly) return;
      this.#fly(batch, now);
    }
    while (this.#hasRoom && !this.#recovering && this.#mayFly) {
      const { readyAt } = this.#queue;
      if (readyAt === undefined) return;
      if (readyAt > now && !this.#port.isFlushing()) {
        this.#stopTimer = this.#port.clock.after(readyAt - now, () => this.#pump());
        return;
      }
      if (this.#identity === undefined) return this.#getIdentity();
      const entries = this.#queue.take();
      const batch: SentBatch = {
        entries,
        ordinal: this.#begun++,
        baseSequence: this.#number(entries.length),
        bytes: undefined,
        state: 'waiting',
        ambiguous: false,
        error: undefined,
      };
      this.#window.push(batch);
      this.#fly(batch, now);
    }
  }

  /** Counted from the oldest that is unsettled, also where later ones are settled: it must be among the last that the log remembers. */
  get #hasRoom(): boolean {
    const [oldest] = this.#window;
    return oldest === undefined || this.#begun - oldest.ordinal < MAX_IN_FLIGHT;
  }
  get #mayFly(): boolean {
    return this.#isKnown || this.#flying === 0;
  }

  /** Takes the next `count` numbers; they wrap at 2^31 as the log expects. */
  #number(count: number): number {
    const base = this.#nextSequence;
    this.#nextSequence = base > MAX_SEQUENCE - count ? count - (MAX_SEQUENCE - base) - 1 : base + count;
    return base;
  }

  #getIdentity(): void {
    this.#pause(
      this.#port.identity(this.#needsFresh).then((identity) => {
        this.#identity = identity;
        this.#needsFresh = false;
      }),
    );
  }

  /** Sends nothing until `work` is done. Where it fails: try again later, unless that is of no use. */
  #pause(work: Promise<void>): void {
    this.#busy = true;
    work.then(
      () => {
        this.#busy = false;
        this.#pump();
      },
      (cause: unknown) => {
        this.#busy = false;
        const error = LogError.from(cause);
        if (error.retriable) this.#backOff();
        else this.#rejectAll(error);
      },
    );
  }

  #backOff(): void {
    const resume = () => {
      cancel();
      this.#stopBackoff = undefined;
      this.#busy = false;
      this.#pump();
    };
    this.#busy = true;
    const delayMs = backoffMs(BACKOFF, this.#failures++, this.#port.random);
    const cancel = this.#port.clock.after(delayMs, resume);
    this.#stopBackoff = resume;
  }

  #fly(batch: SentBatch, now: number): void {
    batch.state = 'flying';
    this.#flying++;
    if (batch.bytes !== undefined) return this.#produce(batch, batch.bytes, now);
    const encoded = encodeBatch(
      batch.entries.map((entry) => entry.record),
      { ...this.#identity, baseSequence: batch.baseSequence },
    );
    if (this.#options.compression === 'none') {
      batch.bytes = encoded;
      return this.#produce(batch, encoded, now);
    }
    // What incompressible values make larger goes as it is.
    const compressed = compressBatch(encoded, this.#options.compression).then(
      (smaller) => (smaller.length < encoded.length ? smaller : encoded),
      () => encoded,
    );
    this.#compressing = this.#compressing.then(async () => {
      batch.bytes = await compressed;
      // A batch before it has failed in the meantime: this one waits for its turn.
      if (this.#recovering) return this.#onFailure(batch, new LogError('NETWORK_EXCEPTION', 'not sent'), false);
      this.#produce(batch, batch.bytes, this.#port.clock.now());
    });
  }

  #produce(batch: SentBatch, bytes: Uint8Array, now: number): void {
    if (this.#closed !== undefined) return;
    const timeoutMs = Math.max(1, Math.min(this.#options.requestTimeoutMs, deadlineOf(batch) - now));
    this.#port.produce(this.#topicId, this.partition, bytes, timeoutMs).then(
      ({ baseOffset, logAppendTime }) => this.#onWritten(batch, baseOffset, logAppendTime),
      (cause: unknown) => {
        const error = LogError.from(cause);
        this.#onFailure(batch, error, !REFUSALS.has(error.code));
      },
    );
  }

  #onWritten(batch: SentBatch, baseOffset: number, logAppendTime: number): void {
    this.#flying--;
    if (!this.#leaveWindow(batch)) return;
    this.#failures = 0;
    this.#isKnown = true;
    const { topic, partition } = this;
    batch.entries.forEach((entry, i) => {
      const timestamp = logAppendTime >= 0 ? logAppendTime : entry.record.timestamp;
      entry.resolve({ topic, partition, offset: baseOffset + i, timestamp });
    });
    this.#settled();
  }

  #onFailure(batch: SentBatch, error: LogError, ambiguous: boolean): void {
    this.#flying--;
    if (!this.#window.includes(batch)) return;
    batch.state = 'failed';
    batch.error = error;
    batch.ambiguous ||= ambiguous;
    this.#recovering = true;
    this.#settled();
  }

  #settled(): void {
    if (this.#closed !== undefined) return;
    if (!this.#recovering) this.#pump();
    else if (this.#flying === 0) this.#recover();
  }

  /** Nothing is in flight any more: what failed for good is told so, the rest waits to be sent again. */
  #recover(): void {
    this.#recovering = false;
    const now = this.#port.clock.now();
    const oldest = this.#window.find((batch) => batch.error !== undefined)?.error;
    const topicGone = this.#window.some(({ error }) => error !== undefined && TOPIC_GONE.has(error.code));
    for (const batch of [...this.#window]) {
      const { error } = batch;
      if (error === undefined) continue;
      const final = !error.retriable && !NUMBERING.has(error.code);
      if (final) this.#reject(batch, error);
      else if (deadlineOf(batch) <= now) this.#reject(batch, this.#timedOut(batch));
      else {
        batch.state = 'waiting';
        batch.error = undefined;
      }
    }
    if (topicGone) return this.#followTopic();
    // Later batches are out of order as long as an earlier one is missing; only the oldest tells that numbering is broken.
    if (oldest !== undefined && NUMBERING.has(oldest.code)) this.#renumber(oldest);
    this.#backOff();
  }

  /** A new producer id for the batches that were certainly not written; the others fail. */
  #renumber(reason: LogError): void {
    for (const batch of [...this.#window]) {
      if (!batch.ambiguous) continue;
      const message = `the log lost track of this producer (${reason.code}: ${reason.message}); the records may or may not have been written`;
      this.#reject(batch, partitionError(reason.code, this, message, { cause: reason }));
    }
    this.#beginNumbering();
  }
  #beginNumbering(): void {
    this.#identity = undefined;
    this.#needsFresh = true;
    this.#isKnown = false;
    this.#nextSequence = 0;
    for (const batch of this.#window) {
      batch.bytes = undefined;
      batch.baseSequence = this.#number(batch.entries.length);
    }
  }

  #followTopic(): void {
    const work = this.#port.refreshTopicId(this.topic, this.partition).then((topicId) => {
      if (topicId === this.#topicId) {
        throw partitionError('UNKNOWN_TOPIC_OR_PARTITION', this, 'it is not there at the moment');
      }
      this.#topicId = topicId;
      // Whatever had been written is gone with the old topic, and with it what it knew of this producer.
      for (const batch of this.#window) batch.ambiguous = false;
      this.#beginNumbering();
    });
    this.#pause(work);
  }

  #leaveWindow(batch: SentBatch): boolean {
    const at = this.#window.indexOf(batch);
    if (at >= 0) this.#window.splice(at, 1);
    return at >= 0;
  }
  #reject(batch: SentBatch, error: LogError): void {
    if (this.#leaveWindow(batch)) for (const entry of batch.entries) entry.reject(error);
  }
  #rejectAll(error: LogError): void {
    for (const batch of [...this.#window]) this.#reject(batch, error);
    for (const entry of this.#queue.remove(() => true)) entry.reject(error);
  }
  #timedOut(batch: SentBatch): LogError {
    const outcome = batch.ambiguous ? 'it may or may not have been written' : 'it was not written';
    return timedOut(this, outcome, batch.error);
  }
}

const deadlineOf = (batch: SentBatch): number => batch.entries[0]?.deadline ?? Number.POSITIVE_INFINITY;

function timedOut(at: PartitionSender, outcome: string, cause?: LogError): LogError {
  const why = cause === undefined ? '' : `; the last attempt failed: ${cause.message}`;
  return partitionError('TIMED_OUT', at, `the record was not acknowledged in time, ${outcome}${why}`, { cause });
}
