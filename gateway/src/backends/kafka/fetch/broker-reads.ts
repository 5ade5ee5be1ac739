// The reads that one broker is to answer, as few requests over a few connections: those that wait share long polls, those whose records are there pass them by. Knows nothing of who leads what or of what an error means.
import type { Clock } from 'distributedlog/core';
import type { IsolationLevel, LogError } from 'distributedlog/protocol';
import type { PartitionEnds, PartitionRef } from 'distributedlog/server';
import { toLogError } from '../errors.ts';
import type { FetchAnswer, FetchedPartition, FetchRequest } from './fetch-api.ts';
import { FetchSession, FINAL_EPOCH, isOfSession, NO_SESSION } from './fetch-session.ts';
import type { PendingRead } from './pending-read.ts';
import { ReadAhead } from './read-ahead.ts';
import { type WholeBatches, wholeBatches } from './whole-batches.ts';

export interface FetchLimits {
  /** Connections to one broker for reads of one kind; each has one request under way. At least 2. */
  readonly lanes: number;
  /** Of records in one answer, beside a first batch that is larger. */
  readonly maxRequestBytes: number;
  /** The longest that a broker may keep a request that waits. */
  readonly maxPollMs: number;
  /** Of a partition whose records are there, so many are asked for at least: the reads that follow need not ask. */
  readonly aheadBytes: number;
  /** Of what was read ahead, in all. */
  readonly maxAheadBytes: number;
}
/** Reads of one kind can share a request. */
export interface ReadKind {
  readonly nodeId: number;
  readonly isolation: IsolationLevel;
  /** They wait for more than one byte. */
  readonly patient: boolean;
}
export interface ReadsHost {
  readonly clock: Clock;
  /** On a connection of that name to the broker; one request at a time on each. */
  send(nodeId: number, connection: string, request: FetchRequest): Promise<FetchAnswer>;
  saw(partition: PartitionRef, ends: PartitionEnds): void;
  ends(partition: PartitionRef): PartitionEnds | undefined;
  /** The read could not be answered, by that error code of its partition or for that reason. */
  failed(read: PendingRead, why: number | LogError): void;
  counted(answer: FetchAnswer): void;
}
interface Lane {
  readonly connection: string;
  readonly session: FetchSession;
  busy: boolean;
}
/** One partition in one request, and the reads that it answers: all of the same offset. */
interface Slot extends PartitionRef {
  readonly key: string;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly waits: boolean;
  /** Of every read in the request, where it waits. */
  readonly minBytes: number;
  maxBytes: number;
  readonly reads: Set<PendingRead>;
}

interface AnswerTerms {
  /** Before the records of each partition. */
  readonly headroom: number;
  /** As many bytes as the request waited for, of all its partitions. */
  readonly enough: boolean;
  readonly throttleTimeMs: number;
}
const NO_BATCHES: WholeBatches = { end: 0, nextOffset: -1 };

/** While the last connection for waiting is taken, its request is a short one, so that a read that comes now need not wait long. */
const CROWDED_POLL_MS = 50;
/** The broker says that there is more and answers nothing: not asked again before this. */
const STUCK_RETRY_MS = 200;

export class BrokerReads {
  readonly #kind: ReadKind;
  readonly #host: ReadsHost;
  readonly #limits: FetchLimits;
  readonly #lanes: readonly Lane[];
  readonly #ahead: ReadAhead;
  /** Not in a request, in turn. */
  readonly #queue = new Set<PendingRead>();
  /** By partition and offset. */
  readonly #underWay = new Map<string, Slot>();
  #pumping = false;

  constructor(kind: ReadKind, host: ReadsHost, limits: FetchLimits) {
    this.#kind = kind;
    this.#host = host;
    this.#limits = limits;
    this.#ahead = new ReadAhead(host.clock, limits.maxAheadBytes);
    const name = `fetch-${kind.isolation}${kind.patient ? '-patient' : ''}`;
    this.#lanes = Array.from({ length: limits.lanes }, (_, i) => ({
      connection: `${name}-${i}`,
      session: new FetchSession(),
      busy: false,
    }));
  }

  /** Reads that are not answered yet, under way or not. */
  get size(): number {
    let size = this.#queue.size;
    for (const { reads } of this.#underWay.values()) size += reads.size;
    return size;
  }

  add(read: PendingRead): void {
    if (!this.#isMine(read) || this.#fromAhead(read)) return;
    const slot = this.#underWay.get(slotKey(read));
    // What a request that is under way does not bring may have come since: only who waits anyway may join it.
    if (slot?.minBytes === read.minBytes && read.how === 'wait') {
      slot.reads.add(read);
      return;
    }
    this.#queue.add(read);
    this.#pumpSoon();
  }

  /** Not answered, and not gone to another broker or in with those that do not wait. */
  #isMine({ over, leader, patient }: PendingRead): boolean {
    return !over && leader === this.#kind.nodeId && patient === this.#kind.patient;
  }

  close(): void {
    this.#ahead.close();
  }

  /** The sessions that the broker keeps for us, which it may forget. */
  sessions(): number[] {
    return this.#lanes.flatMap(({ session }) => (session.id === NO_SESSION ? [] : [session.id]));
  }

  /** In a turn of its own, so that all who were answered in this one can ask again in the same request. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    // The first lanes are for waiting, so that their sessions last; what is there already has the others, and the last for itself.
    const idle = this.#lanes.filter(({ busy }) => !busy).reverse();
    const there = [...this.#queue].filter(({ how }) => how !== 'wait').length;
    for (const lane of idle) {
      const slots = this.#take(false, Math.ceil(there / idle.length));
      if (slots.length === 0) break;
      this.#send(lane, slots);
    }
    for (const lane of this.#lanes.slice(0, -1)) {
      if (lane.busy) continue;
      const slots = this.#take(true, Number.POSITIVE_INFINITY);
      if (slots.length === 0) break;
      this.#send(lane, slots);
    }
  }

  /** What one request can ask for: each partition at one offset only, and one number of bytes to wait for. */
  #take(waits: boolean, atMost: number): Slot[] {
    const slots = new Map<string, Slot>();
    let bytes = 0;
    let waitedFor: number | undefined;
    for (const read of this.#queue) {
      const { how, key, leaderEpoch, minBytes, request } = read;
      if (!this.#isMine(read)) {
        this.#queue.delete(read);
        continue;
      }
      if ((how === 'wait') !== waits || (waits && minBytes !== (waitedFor ?? minBytes))) continue;
      const { topicId, partition, offset, maxBytes } = request;
      const slot = slots.get(key);
      if (slot !== undefined) {
        if (slot.offset !== offset) continue;
        slot.reads.add(read);
        const more = Math.max(0, maxBytes - slot.maxBytes);
        if (waits || slots.size === 1 || bytes + more <= this.#limits.maxRequestBytes) {
          slot.maxBytes += more;
          bytes += more;
        }
      } else {
        if (slots.size >= atMost) continue;
        // All that is there comes in one answer; of what is only waited for, most will not come.
        if (!waits && bytes > 0 && (bytes + maxBytes > this.#limits.maxRequestBytes || how === 'alone')) continue;
        const reads = new Set([read]);
        const wanted = this.#withAhead(read, bytes);
        slots.set(key, { topicId, partition, key, offset, leaderEpoch, waits, minBytes, maxBytes: wanted, reads });
        bytes += wanted;
        waitedFor = minBytes;
      }
      this.#queue.delete(read);
      if (how === 'alone') break;
    }
    return [...slots.values()];
  }

  /** What an aborted transaction leaves behind is decided read by read: nothing is read ahead there. */
  #withAhead({ how, request }: PendingRead, before: number): number {
    const { aheadBytes, maxAheadBytes } = this.#limits;
    const { maxBytes } = request;
    // Where many partitions share the answer, it is large enough as it is.
    if (how !== 'now' || this.#kind.isolation !== 'read_uncommitted' || before + aheadBytes > maxAheadBytes / 8) {
      return maxBytes;
    }
    return Math.max(maxBytes, aheadBytes);
  }

  #send(lane: Lane, slots: readonly Slot[]): void {
    lane.busy = true;
    for (const slot of slots) this.#underWay.set(slotKeyOf(slot.key, slot.offset), slot);
    void this.#ask(lane, slots).finally(() => {
      lane.busy = false;
      this.#pumpSoon();
    });
  }

  /** One request; never rejects. */
  async #ask(lane: Lane, slots: readonly Slot[]): Promise<void> {
    const { isolation, nodeId } = this.#kind;
    const waits = slots[0]?.waits === true;
    const minBytes = waits ? (slots[0]?.minBytes ?? 1) : 0;
    const headroom = -least(slots, ({ request }) => -request.headroom);
    let answer: FetchAnswer | undefined;
    let failure: LogError | undefined;
    const session = waits
      ? lane.session.next(slots)
      : { sessionId: NO_SESSION, sessionEpoch: FINAL_EPOCH, partitions: slots, forgotten: [] };
    try {
      answer = await this.#host.send(nodeId, lane.connection, {
        ...session,
        isolation,
        minBytes,
        maxWaitMs: waits ? this.#pollMs(slots) : 0,
        maxBytes: this.#limits.maxRequestBytes,
        headroom,
      });
    } catch (error) {
      if (waits) lane.session.lost();
      failure = toLogError(error, 'Fetch');
    }
    for (const slot of slots) {
      const key = slotKeyOf(slot.key, slot.offset);
      if (this.#underWay.get(key) === slot) this.#underWay.delete(key);
      for (const read of slot.reads) if (!this.#isMine(read)) slot.reads.delete(read);
    }
    if (answer === undefined) {
      for (const { reads } of slots)
        for (const read of reads) if (failure !== undefined) this.#host.failed(read, failure);
      return;
    }
    this.#host.counted(answer);
    const { errorCode, sessionId, throttleTimeMs } = answer;
    if (waits) lane.session.answered(errorCode, sessionId);
    if (errorCode !== 0) {
      for (const { reads } of slots) {
        for (const read of reads) {
          if (isOfSession(errorCode)) this.add(read);
          else this.#host.failed(read, errorCode);
        }
      }
      return;
    }
    const fetched = new Map(answer.partitions.map((one) => [slotKeyOf(one.topicId, one.partition), one]));
    const enough = answer.recordBytes >= minBytes;
    for (const slot of slots) {
      this.#answer(slot, fetched.get(slotKeyOf(slot.topicId, slot.partition)), { headroom, enough, throttleTimeMs });
    }
  }

  #answer(slot: Slot, fetched: FetchedPartition | undefined, { headroom, enough, throttleTimeMs }: AnswerTerms): void {
    if (fetched !== undefined && fetched.errorCode !== 0) {
      for (const read of slot.reads) this.#host.failed(read, fetched.errorCode);
      return;
    }
    for (const read of slot.reads) read.recovered();
    if (fetched === undefined) {
      // A throttled answer says nothing of anything, an incremental one nothing of what is as it was.
      const throttled = throttleTimeMs > 0;
      const ends = this.#host.ends(slot);
      if (ends !== undefined && !throttled && slot.waits) this.#host.saw(slot, ends);
      for (const read of slot.reads) {
        if (throttled) this.add(read);
        else this.#nothingFor(read);
      }
      return;
    }
    const ends = endsOf(fetched, slot.leaderEpoch);
    this.#host.saw(slot, ends);
    const { buffer, aborted } = fetched;
    let taken = false;
    for (const read of slot.reads) {
      const { maxBytes, offset } = read.request;
      const { end, nextOffset } = buffer === undefined ? NO_BATCHES : wholeBatches(buffer, headroom, maxBytes);
      const batchBytes = end - headroom;
      if (buffer === undefined || batchBytes <= 0) {
        this.#nothingFor(read);
      } else if (read.patient && !enough && batchBytes < read.minBytes && read.remainingMs > 0) {
        this.add(read);
      } else {
        const next = Math.max(nextOffset, offset);
        const own: boolean = taken || read.request.headroom !== headroom;
        taken ||= !own;
        read.resolve({
          ...ends,
          // Each has bytes of its own: a frame's header is written before them.
          buffer: own ? copied(buffer, headroom, end, read.request.headroom) : buffer,
          batchBytes,
          nextOffset: next,
          // The broker names those of all it read, also of batches that were cut off.
          aborted: aborted.filter(({ firstOffset }) => firstOffset < next),
        });
        if (!slot.waits && nextOffset >= 0 && this.#kind.isolation === 'read_uncommitted') {
          this.#ahead.keep({ key: slot.key, offset: next, bytes: buffer, from: end, ends });
        }
      }
    }
  }

  #fromAhead(read: PendingRead): boolean {
    const { key, leaderEpoch, request } = read;
    // Who says which epoch he read in wants to hear whether the log has been cut since.
    if (read.how !== 'now' || request.leaderEpoch !== undefined) return false;
    const found = this.#ahead.take(key, request.offset, leaderEpoch, request.maxBytes);
    if (found === undefined) return false;
    const { bytes, from, to, nextOffset } = found;
    read.resolve({
      ...(this.#host.ends(request) ?? found.ends),
      buffer: copied(bytes, from, to, request.headroom),
      batchBytes: to - from,
      nextOffset,
      aborted: [],
    });
    return true;
  }

  /** There was nothing for it in an answer. */
  #nothingFor(read: PendingRead): void {
    const { offset, isolation } = read.request;
    const ends = this.#host.ends(read.request);
    const end = isolation === 'read_committed' ? ends?.lastStableOffset : ends?.highWatermark;
    const more = end !== undefined && offset < end;
    const { how } = read;
    if (read.waits && read.remainingMs === 0) read.giveUp();
    else if (more && how !== 'alone') this.#again(read, how === 'wait' ? 'now' : 'alone');
    else if (!read.waits) read.giveUp();
    else if (!more) this.#again(read, 'wait');
    else {
      // Such as where all records up to the end were compacted away, or are not here but in a remote store.
      this.#host.clock.after(STUCK_RETRY_MS, () => this.#again(read, 'wait'));
    }
  }
  #again(read: PendingRead, how: PendingRead['how']): void {
    read.how = how;
    this.add(read);
  }

  #pollMs(slots: readonly Slot[]): number {
    const idle = this.#lanes.slice(0, -1).some(({ busy }) => !busy);
    const pollMs = Math.min(this.#limits.maxPollMs, idle ? Number.POSITIVE_INFINITY : CROWDED_POLL_MS);
    if (!this.#kind.patient) return pollMs;
    return Math.min(
      pollMs,
      least(slots, ({ remainingMs }) => remainingMs),
    );
  }
}

function slotKey({ key, request }: PendingRead): string {
  return slotKeyOf(key, request.offset);
}
function slotKeyOf(key: string, number: number): string {
  return `${key}/${number}`;
}

function least(slots: readonly Slot[], of: (read: PendingRead) => number): number {
  let found = Number.POSITIVE_INFINITY;
  for (const { reads } of slots) for (const read of reads) found = Math.min(found, of(read));
  return found;
}

function copied(buffer: Uint8Array, start: number, end: number, headroom: number): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(headroom + end - start);
  copy.set(buffer.subarray(start, end), headroom);
  return copy;
}

function endsOf({ logStart, highWatermark, lastStableOffset }: FetchedPartition, leaderEpoch: number): PartitionEnds {
  return {
    logStart,
    highWatermark,
    lastStableOffset: lastStableOffset < 0 ? highWatermark : lastStableOffset,
    leaderEpoch,
  };
}
