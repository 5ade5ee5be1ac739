// The reading side of one socket: which partitions its consumers have open, whose turn it is, and what the log has for them. Knows nothing of text frames or of how a frame is laid out.
import type { Clock } from '../core/index.ts';
import {
  type ClientFrameOf,
  type Compression,
  type Decompressors,
  LogError,
  type ServerFrameOf,
} from '../protocol/index.ts';
import { CreditWindow } from './credit.ts';
import { describeError } from './error-frames.ts';
import { type BuiltFrame, buildFrame, headroomFor } from './frame-builder.ts';
import type { Limits } from './limits.ts';
import type { Log, PartitionEnds, PartitionRef, ReadResult } from './log.ts';
import type { Outbox } from './outbox.ts';
import { partitionKey, Reader } from './reader.ts';
import type { SessionLogger, SessionMetrics } from './session-port.ts';
import type { TopicNames } from './topic-names.ts';

export interface FetchesOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'targetFrameBytes' | 'maxBatchBytes'>;
  readonly outbox: Outbox;
  readonly codecs: ReadonlySet<Compression>;
  readonly decompressors: Decompressors | undefined;
  readonly topicNames: TopicNames;
  readonly logger: SessionLogger;
  /** Something went wrong that has no partition to be told of. */
  readonly onFault: (error: unknown) => void;
  readonly metrics: SessionMetrics | undefined;
}
interface ConsumerFetch {
  readonly consumer: number;
  readonly credit: CreditWindow;
  readonly readers: Map<string, Reader>;
  /** Readers that wait for credit, longest first. */
  readonly blocked: Set<Reader>;
}
/** What became of a read: 'dropped' must be read again, 'nothing yet' not before a while. */
type Outcome = 'sent' | 'dropped' | 'nothing' | 'nothing yet';
type Ends = ServerFrameOf<'ends'>['partitions'][number];

/** Reads under way at once for partitions that are behind; they also bound how far a socket's buffer is overfilled. */
const MAX_CATCH_UP_READS = 4;
/** A reader at the end of its partition asks anew this often when nothing came. */
const IDLE_WAIT_MS = 30_000;
/** A wait that ended early and empty is not asked again before this. */
const IDLE_RETRY_MS = 100;
/** Changed ends are told at most this often. */
const ENDS_EVERY_MS = 1_000;
const MAX_PARTITIONS_PER_ENDS = 256;

export class Fetches {
  readonly #options: FetchesOptions;
  readonly #consumers = new Map<number, ConsumerFetch>();
  readonly #owners = new Map<Reader, ConsumerFetch>();
  /** Readers that are behind and have credit, in turn. */
  readonly #ready = new Set<Reader>();
  #catchUpReads = 0;
  #nextStream = 1;
  #endsToldAt = Number.NEGATIVE_INFINITY;
  #cancelEnds: (() => void) | undefined;
  #closed = false;

  constructor(options: FetchesOptions) {
    this.#options = options;
  }

  /** Partitions that are open, of all consumers. */
  get openPartitions(): number {
    return this.#owners.size;
  }

  has(consumer: number): boolean {
    return this.#consumers.has(consumer);
  }

  consumers(): Iterable<number> {
    return this.#consumers.keys();
  }

  /** Opens partitions; those open at the same or a higher epoch stay as they are. */
  open(frame: ClientFrameOf<'fetch'>): void {
    if (this.#closed) return;
    let of = this.#consumers.get(frame.consumer);
    if (of === undefined) {
      of = {
        consumer: frame.consumer,
        credit: new CreditWindow(frame.limit),
        readers: new Map(),
        blocked: new Set(),
      };
      this.#consumers.set(frame.consumer, of);
    }
    const raised = of.credit.raise(frame.limit);
    const { isolation, minBytes, maxWaitMs, maxPartitionBytes } = frame;
    const terms = { isolation, minBytes, maxWaitMs, maxPartitionBytes };
    for (const spec of frame.partitions) {
      const open = of.readers.get(partitionKey(spec));
      if (open !== undefined) {
        if (spec.epoch <= open.epoch) continue;
        this.#end(open);
      }
      const reader = new Reader(spec, terms, this.#nextStream++);
      of.readers.set(reader.key, reader);
      this.#owners.set(reader, of);
      this.#schedule(reader);
    }
    if (raised) this.#unblock(of);
    this.#pump();
    this.#armEnds();
  }

  /** Raises limits; the credit of what is not open is ignored. */
  credit(frame: ClientFrameOf<'credit'>): void {
    const of = this.#consumers.get(frame.consumer);
    if (of === undefined) return;
    const raised = frame.limit !== undefined && of.credit.raise(frame.limit);
    for (const { topicId, partition, epoch, limit } of frame.partitions) {
      const reader = of.readers.get(partitionKey({ topicId, partition }));
      if (reader?.epoch !== epoch || !reader.credit.raise(limit)) continue;
      if (of.blocked.has(reader)) this.#schedule(reader);
    }
    if (raised) this.#unblock(of);
    this.#pump();
  }

  /** Without partitions: the whole consumer. */
  close(consumer: number, partitions?: readonly PartitionRef[]): void {
    const of = this.#consumers.get(consumer);
    if (of === undefined) return;
    const keys = partitions === undefined ? [...of.readers.keys()] : partitions.map(partitionKey);
    for (const key of keys) {
      const reader = of.readers.get(key);
      if (reader !== undefined) this.#end(reader);
    }
    if (partitions === undefined) this.#consumers.delete(consumer);
    this.#pump();
  }

  /** What the log knows of all open partitions, for a heartbeat. */
  ends(): Ends[] {
    return this.#collectEnds(() => true);
  }

  /** The socket has room again. */
  resume(): void {
    this.#pump();
  }

  closeAll(): void {
    this.#closed = true;
    this.#cancelEnds?.();
    this.#cancelEnds = undefined;
    for (const reader of [...this.#owners.keys()]) this.#end(reader);
    this.#consumers.clear();
  }

  #end(reader: Reader): void {
    const of = this.#owners.get(reader);
    reader.end();
    this.#ready.delete(reader);
    this.#owners.delete(reader);
    of?.blocked.delete(reader);
    if (of?.readers.get(reader.key) === reader) of.readers.delete(reader.key);
  }

  /** Decides what a reader with nothing under way does next. */
  #schedule(reader: Reader, last: Outcome = 'sent'): void {
    const of = this.#owners.get(reader);
    if (reader.over || of === undefined) return;
    if (creditOf(reader, of) <= 0) {
      of.blocked.add(reader);
      return;
    }
    of.blocked.delete(reader);
    if (last === 'dropped' || (last === 'sent' && reader.isBehind(this.#options.log.ends(reader)))) {
      this.#ready.add(reader);
    } else if (last === 'nothing yet') {
      reader.cancelRetry = this.#options.clock.after(IDLE_RETRY_MS, () => {
        reader.cancelRetry = undefined;
        this.#schedule(reader, 'nothing');
      });
    } else {
      this.#start(reader, of, true);
    }
  }

  #unblock(of: ConsumerFetch): void {
    if (of.blocked.size === 0 || of.credit.available <= 0) return;
    for (const reader of [...of.blocked]) {
      // To the back of the line if it must go on waiting; the order among those that may read is kept.
      of.blocked.delete(reader);
      this.#schedule(reader);
    }
  }

  #pump(): void {
    while (!this.#closed && this.#catchUpReads < MAX_CATCH_UP_READS && this.#options.outbox.hasRoom) {
      const [reader] = this.#ready;
      if (reader === undefined) return;
      this.#ready.delete(reader);
      const of = this.#owners.get(reader);
      if (of === undefined) continue;
      if (creditOf(reader, of) <= 0) of.blocked.add(reader);
      else this.#start(reader, of, false);
    }
  }

  #start(reader: Reader, of: ConsumerFetch, wait: boolean): void {
    this.#read(reader, of, wait).catch((error: unknown) => this.#options.onFault(error));
  }

  /** One read and what follows from it. `wait`: the reader is at the end; the read waits for more. */
  async #read(reader: Reader, of: ConsumerFetch, wait: boolean): Promise<void> {
    const { log, clock, limits } = this.#options;
    const { terms } = reader;
    const maxBytes = Math.min(limits.targetFrameBytes, terms.maxPartitionBytes, creditOf(reader, of));
    const patient = terms.minBytes > 1 && terms.maxWaitMs > 0;
    const maxWaitMs = wait ? (patient ? terms.maxWaitMs : IDLE_WAIT_MS) : 0;
    const startedAt = clock.now();
    // Several partitions are caught up at once: what one has asked for is not there for the next. Waits set nothing aside.
    if (!wait) {
      this.#catchUpReads++;
      reader.credit.reserve(maxBytes);
      of.credit.reserve(maxBytes);
    }
    let outcome: Outcome = 'nothing';
    try {
      const result = await log.read({
        topicId: reader.topicId,
        partition: reader.partition,
        offset: reader.position,
        leaderEpoch: reader.leaderEpoch,
        isolation: terms.isolation,
        maxBytes,
        minBytes: wait ? Math.min(patient ? terms.minBytes : 1, maxBytes) : 0,
        maxWaitMs,
        headroom: headroomFor(terms.isolation),
        signal: reader.signal,
      });
      outcome = await this.#deliver(reader, of, result, wait);
    } catch (error) {
      if (!reader.over) this.#fail(reader, of, error);
    } finally {
      if (!wait) {
        this.#catchUpReads--;
        reader.credit.unreserve(maxBytes);
        of.credit.unreserve(maxBytes);
      }
    }
    // Only a log that does not keep its waits comes here early; it must not make this a busy loop.
    if (outcome === 'nothing' && wait && clock.now() - startedAt < maxWaitMs / 2) outcome = 'nothing yet';
    this.#schedule(reader, outcome);
    this.#unblock(of);
    this.#pump();
  }

  /** Sends what was read, as far as credit goes. */
  async #deliver(reader: Reader, of: ConsumerFetch, result: ReadResult, waited: boolean): Promise<Outcome> {
    const { outbox, codecs, decompressors, limits, metrics, topicNames } = this.#options;
    const empty = result.batchBytes === 0;
    const left = () => Math.min(reader.credit.remaining, of.credit.remaining);
    let outcome: Outcome | undefined;
    if (reader.over || (empty && result.nextOffset <= reader.position)) outcome = 'nothing';
    // What a wait brings to a full socket, or after others took the credit, is read again in its turn: so the buffer is never overfilled by more than the catch-up reads.
    else if (!empty && (left() <= 0 || (waited && !outbox.hasRoom))) outcome = 'dropped';
    if (outcome !== undefined) {
      result.release?.();
      return outcome;
    }
    let frame: BuiltFrame;
    try {
      const built = buildFrame(result, {
        stream: reader.stream,
        topicId: reader.topicId,
        partition: reader.partition,
        headroom: headroomFor(reader.terms.isolation),
        maxBytes: left(),
        codecs,
        decompressors,
        targetBytes: limits.targetFrameBytes,
        maxBatchBytes: limits.maxBatchBytes,
      });
      frame = built instanceof Promise ? await built : built;
    } catch (error) {
      result.release?.();
      throw error;
    }
    // A frame that had to be decompressed took a while.
    if (reader.over || (frame.batches > 0 && left() <= 0)) {
      result.release?.();
      return 'dropped';
    }
    if (!reader.announced) {
      const { topicId, partition, epoch, stream, startOffset } = reader;
      outbox.send({ type: 'feed', stream, consumer: of.consumer, topicId, partition, epoch, offset: startOffset });
      reader.announced = true;
    }
    of.credit.spend(frame.batchBytes);
    reader.credit.spend(frame.batchBytes);
    reader.position = frame.nextOffset;
    reader.leaderEpoch = undefined;
    reader.lastBytes = frame.batchBytes;
    reader.flowing = true;
    reader.tell(result);
    metrics?.records(topicNames.nameOf(reader.topicId), 'out', frame.batches, frame.batchBytes);
    outbox.sendData(frame.bytes, () => result.release?.());
    return 'sent';
  }

  #fail(reader: Reader, of: ConsumerFetch, cause: unknown): void {
    const { logger, outbox, topicNames } = this.#options;
    const { topicId, partition, epoch } = reader;
    this.#end(reader);
    if (!(cause instanceof LogError)) {
      logger.error({ err: cause, topic: topicNames.nameOf(topicId), partition }, 'A read failed unexpectedly');
    }
    const error = describeError(cause);
    outbox.send({
      type: 'fetchError',
      consumer: of.consumer,
      topicId,
      partition,
      epoch,
      code: error.code,
      message: error.message,
      retriable: error.retriable,
      offset: error.offset ?? reader.position,
      logStart: error.logStart,
      logEnd: error.logEnd,
    });
  }

  #collectEnds(wanted: (reader: Reader, ends: PartitionEnds) => boolean): Ends[] {
    const found = new Map<string, Ends>();
    for (const reader of this.#owners.keys()) {
      const ends = this.#options.log.ends(reader);
      if (ends === undefined || !wanted(reader, ends)) continue;
      reader.tell(ends);
      const { topicId, partition } = reader;
      const { logStart, highWatermark, lastStableOffset } = ends;
      found.set(reader.key, { topicId, partition, logStart, highWatermark, lastStableOffset });
    }
    return [...found.values()];
  }

  /** Looks for changed ends once a second while anything is open. */
  #armEnds(): void {
    if (this.#cancelEnds !== undefined || this.#closed || this.#owners.size === 0) return;
    const { clock, outbox } = this.#options;
    const delayMs = Math.max(0, this.#endsToldAt + ENDS_EVERY_MS - clock.now());
    this.#cancelEnds = clock.after(delayMs, () => {
      this.#cancelEnds = undefined;
      this.#endsToldAt = clock.now();
      if (outbox.hasRoom) {
        const changed = this.#collectEnds((reader, ends) => !reader.flowing && !reader.isTold(ends));
        for (let i = 0; i < changed.length; i += MAX_PARTITIONS_PER_ENDS) {
          outbox.send({ type: 'ends', partitions: changed.slice(i, i + MAX_PARTITIONS_PER_ENDS) });
        }
      }
      for (const reader of this.#owners.keys()) reader.flowing = false;
      this.#armEnds();
    });
  }
}

function creditOf(reader: Reader, of: ConsumerFetch): number {
  return Math.min(reader.credit.available, of.credit.available);
}
