// Reading from the cluster: each read goes to its partition's leader, and after what passes by itself it goes on there or at the next one. Knows nothing of requests.
import { type ErrorCode, LogError } from 'distributedlog/protocol';
import type { PartitionEnds, PartitionRef, ReadRequest, ReadResult } from 'distributedlog/server';
import type { Cluster, Leader } from '../cluster.ts';
import { ASK_AGAIN, brokerError, closed, toLogError } from '../errors.ts';
import { Offsets } from '../offsets.ts';
import { pause, within } from '../pause.ts';
import { BrokerReads, type FetchLimits, type ReadKind, type ReadsHost } from './broker-reads.ts';
import { FETCH, type FetchAnswer } from './fetch-api.ts';
import { FINAL_EPOCH } from './fetch-session.ts';
import { endOfEpoch } from './log-cut.ts';
import { PendingRead } from './pending-read.ts';

/** Where ends that were seen are kept. */
export interface EndsSeen {
  saw(partition: PartitionRef, ends: PartitionEnds): void;
  ends(partition: PartitionRef): PartitionEnds | undefined;
}

const MIB = 1024 * 1024;
const LIMITS: FetchLimits = {
  lanes: 4,
  maxRequestBytes: 16 * MIB,
  maxPollMs: 500,
  aheadBytes: MIB,
  maxAheadBytes: 32 * MIB,
};
/** A read that does not wait for records waits this long for a leader. */
const PATIENCE_MS = 1_000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 500;
const CLOSE_SESSIONS_MS = 500;
const GO_ON: ReadonlySet<ErrorCode> = new Set([
  ...ASK_AGAIN,
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_TOPIC_OR_PARTITION',
  // Of a broker that failed in a way it did not expect: the next attempt may succeed.
  'UNKNOWN_SERVER_ERROR',
]);

export class KafkaReads {
  readonly #cluster: Cluster;
  readonly #ends: EndsSeen;
  readonly #offsets: Offsets;
  readonly #limits: FetchLimits;
  readonly #brokers = new Map<string, { readonly kind: ReadKind; readonly reads: BrokerReads }>();
  readonly #pending = new Set<PendingRead>();
  readonly #host: ReadsHost;
  readonly #stopListening: () => void;
  #requests = 0;
  #bytes = 0;
  #closed = false;

  constructor(cluster: Cluster, ends: EndsSeen, limits: Partial<FetchLimits> = {}) {
    this.#cluster = cluster;
    this.#ends = ends;
    this.#offsets = new Offsets(cluster);
    const maxPollMs = Math.min(LIMITS.maxPollMs, cluster.settings.requestTimeoutMs / 2);
    this.#limits = { ...LIMITS, maxPollMs, ...limits };
    this.#host = {
      clock: cluster.clock,
      // A broker that has left the cluster has no connection to it any more, so that this rejects as others do.
      send: async (nodeId, connection, request) => cluster.link(nodeId, connection).request(FETCH, request),
      saw: (ref, seen) => ends.saw(ref, seen),
      ends: (ref) => ends.ends(ref),
      failed: (read, why) => void this.#failed(read, why),
      counted: (answer) => this.#count(answer),
    };
    this.#stopListening = cluster.onMetadata(({ brokers, byId }) => {
      // The old leader may not be there to say that it is none.
      for (const read of this.#pending) {
        const leader = byId.get(read.request.topicId)?.partitions[read.request.partition]?.leader ?? -1;
        if (read.leader >= 0 && leader >= 0 && leader !== read.leader) this.#route(read);
      }
      for (const [key, { kind, reads }] of this.#brokers) {
        if (brokers.has(kind.nodeId) || reads.size > 0) continue;
        reads.close();
        this.#brokers.delete(key);
      }
    });
  }

  /** As {@link ReadRequest} says. What passes by itself is waited for until `maxWaitMs`, or a second; then it is the error. */
  read(request: ReadRequest): Promise<ReadResult> {
    const { offset } = request;
    if (this.#closed) return Promise.reject(closed());
    if (!Number.isSafeInteger(offset) || offset < 0) {
      const message = `offset ${offset} is not allowed: a whole number from 0 to 2^53 − 1`;
      return Promise.reject(new LogError('INVALID_REQUEST', message));
    }
    const { clock, settings } = this.#cluster;
    const read = new PendingRead(request, {
      clock,
      nothing: () => this.#nothing(request),
      timeoutMs: settings.requestTimeoutMs,
      onHurry: (read) => this.#route(read),
    });
    if (read.over) return read.result;
    this.#pending.add(read);
    this.#route(read);
    return read.result.finally(() => this.#pending.delete(read));
  }

  metrics(): Readonly<Record<string, number>> {
    return {
      fetch_requests: this.#requests,
      fetched_bytes: this.#bytes,
      reads_waiting: this.#pending.size,
    };
  }

  /** What is under way rejects with BROKER_NOT_AVAILABLE. Before the cluster's connections are closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening();
    for (const read of [...this.#pending]) read.reject(closed());
    for (const { reads } of this.#brokers.values()) reads.close();
    const endings = [...this.#brokers.values()].flatMap(({ kind, reads }) =>
      reads.sessions().map((id) => this.#endSession(kind, id)),
    );
    await within(this.#cluster.clock, CLOSE_SESSIONS_MS, Promise.all(endings));
  }

  /** `last`: what is wrong now is wrong for good. */
  #route(read: PendingRead, last = false): void {
    if (read.over) return;
    try {
      const leader = this.#cluster.leaderOf(read.request);
      const { isolation, leaderEpoch = -1 } = read.request;
      read.leader = leader.leader;
      // A broker that does not know the reader's epoch yet says so.
      read.leaderEpoch = Math.max(leader.leaderEpoch, leaderEpoch);
      if (leaderEpoch >= 0 && leaderEpoch < leader.leaderEpoch && !read.checked) void this.#check(read, leader);
      else this.#readsAt({ nodeId: leader.leader, isolation, patient: read.patient }).add(read);
    } catch (error) {
      const why = toLogError(error, 'A read');
      if (last) read.reject(why);
      else void this.#failed(read, why);
    }
  }

  /** Another leader than the reader has read from. Never rejects. */
  async #check(read: PendingRead, leader: Leader): Promise<void> {
    const { offset, leaderEpoch = -1 } = read.request;
    try {
      const end = await endOfEpoch(this.#cluster, leader, leaderEpoch);
      read.checked = end >= offset;
      if (read.checked) this.#route(read);
      else await this.#outOfRange(read, end);
    } catch (error) {
      void this.#failed(read, toLogError(error, 'A read'));
    }
  }

  #readsAt(kind: ReadKind): BrokerReads {
    const key = `${kind.nodeId}/${kind.isolation}/${kind.patient}`;
    const existing = this.#brokers.get(key);
    if (existing !== undefined) return existing.reads;
    const reads = new BrokerReads(kind, this.#host, this.#limits);
    this.#brokers.set(key, { kind, reads });
    return reads;
  }

  /** Never rejects. */
  async #failed(read: PendingRead, why: number | LogError): Promise<void> {
    const error = typeof why === 'number' ? this.#errorOf(read, why) : why;
    read.leader = -1;
    // Not said before it is known where the log begins and ends.
    if (error.code === 'OFFSET_OUT_OF_RANGE') return this.#outOfRange(read);
    read.failure = error;
    const { clock } = this.#cluster;
    const waitMs = Math.min(RETRY_MIN_MS * 2 ** read.failures++, RETRY_MAX_MS);
    const until = read.startedAt + Math.max(read.waits ? read.request.maxWaitMs : 0, PATIENCE_MS);
    if (!GO_ON.has(error.code) || clock.now() + waitMs >= until) return read.reject(error);
    // The first time it may be only our view that is old.
    if (read.failures > 1) await pause(clock, waitMs);
    if (read.over) return;
    await this.#cluster.lookAgain();
    // A topic that is gone stays away: another one with its name has another id.
    this.#route(read, !this.#knows(read) && this.#cluster.failure === undefined);
  }

  #knows({ request: { topicId, partition } }: PendingRead): boolean {
    return this.#cluster.metadata.byId.get(topicId)?.partitions[partition] !== undefined;
  }

  #errorOf(read: PendingRead, code: number): LogError {
    const { partition, offset } = read.request;
    const topic = this.#nameOf(read);
    const about = `Reading partition ${partition} of topic "${topic}"`;
    const error = brokerError(code, about, { topic, partition, offset });
    return error.code === 'UNKNOWN_SERVER_ERROR'
      ? brokerError(code, about, { topic, partition, offset, retriable: true })
      : error;
  }

  /** Its id where it is gone. */
  #nameOf({ request: { topicId } }: PendingRead): string {
    return this.#cluster.metadata.byId.get(topicId)?.name ?? topicId;
  }

  /** The broker says only that it is so: where the log begins and ends is asked for. `cutAt`: it had more once. */
  async #outOfRange(read: PendingRead, cutAt?: number): Promise<void> {
    const { partition, offset } = read.request;
    const [ends] = await this.#offsets.ends([read.request]);
    if (ends === undefined || ends instanceof LogError) return read.reject(ends ?? closed());
    this.#ends.saw(read.request, ends);
    const topic = this.#nameOf(read);
    const { logStart } = ends;
    if (cutAt === undefined && offset >= logStart && offset <= ends.highWatermark) {
      // Such as a leader that has not caught up yet with what it leads.
      const message = `Two brokers do not agree whether offset ${offset} of ${topic}-${partition} is there.`;
      return this.#failed(read, new LogError('NOT_LEADER_OR_FOLLOWER', message, { topic, partition, offset }));
    }
    const logEnd = Math.max(logStart, cutAt ?? ends.highWatermark);
    const message =
      cutAt === undefined
        ? `Offset ${offset} of ${topic}-${partition} is outside the log, which has ${logStart} to ${logEnd}.`
        : `${topic}-${partition} was cut at ${logEnd}: what the reader has read up to ${offset} is there no more.`;
    read.reject(new LogError('OFFSET_OUT_OF_RANGE', message, { topic, partition, offset, logStart, logEnd }));
  }

  #nothing({ topicId, partition, offset, headroom }: ReadRequest): ReadResult {
    const ends = this.#ends.ends({ topicId, partition }) ?? {
      logStart: 0,
      highWatermark: offset,
      lastStableOffset: offset,
      leaderEpoch: -1,
    };
    return { ...ends, buffer: new Uint8Array(headroom), batchBytes: 0, nextOffset: offset, aborted: [] };
  }

  /** On another connection: that of the session may have a request under way. What fails here the broker forgets by itself. */
  async #endSession({ nodeId, isolation }: ReadKind, sessionId: number): Promise<void> {
    const request = {
      sessionId,
      sessionEpoch: FINAL_EPOCH,
      isolation,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 0,
      partitions: [],
      forgotten: [],
      headroom: 0,
    };
    try {
      await this.#cluster.link(nodeId, 'control').request(FETCH, request);
    } catch {
      // As said above.
    }
  }

  #count({ recordBytes }: FetchAnswer): void {
    this.#requests++;
    this.#bytes += recordBytes;
  }
}
