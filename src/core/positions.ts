// Where one partition stands: undecided, at an offset, or failed. A pure state machine; knows nothing of frames, buffers or sockets.
import type { LogError } from '../protocol/index.ts';
import { partitionError } from './partitions.ts';

/** How to find an offset that has to be looked up. */
export type StartAt =
  /** The group's committed offset; where there is none, 'reset', or the beginning of a partition that is `fresh` (younger than the subscription). */
  | { readonly type: 'committed'; readonly fresh?: boolean }
  /** What autoOffsetReset says. */
  | { readonly type: 'reset' }
  | { readonly type: 'earliest' }
  | { readonly type: 'latest' }
  /** The last `count` offsets before the end. */
  | { readonly type: 'tail'; readonly count: number }
  /** The first record at or after this time (ms); the end where there is none. */
  | { readonly type: 'timestamp'; readonly timestamp: number };

export type ResetPolicy = 'earliest' | 'latest' | 'none' | { readonly durationMs: number };
export type GapCause = 'retention' | 'truncation' | 'reset' | 'recreated' | 'skipped';
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly cause: GapCause;
}
/** Where the position came from: it decides how an offset outside the log is explained. */
type Origin = 'seek' | 'found' | 'consumed';

/**
 * The decisions about one partition's position. Every decision (a seek, a reset) has a number, and an answer to a lookup
 * counts only while its decision is the newest: so the last seek wins, whatever was still under way.
 */
export class PartitionPosition {
  readonly topic: string;
  readonly partition: number;
  /** The topic's identity that the position belongs to; undefined until the topic was described. */
  topicId: string | undefined;
  /** Number of the newest decision. */
  decision = 0;
  /** What to look up before there is a position. */
  start: StartAt | undefined;
  /** The next offset to deliver; undefined while `start` has not been looked up. */
  position: number | undefined;
  /** Up to here the application is done. */
  processed: number | undefined;
  /** Fails every read until a seek. */
  error: LogError | undefined;
  #origin: Origin = 'found';
  #pendingGap: { readonly from: number; readonly cause: GapCause } | undefined;
  #lookingUp = -1;

  constructor(topic: string, partition: number, start: StartAt) {
    this.topic = topic;
    this.partition = partition;
    this.start = start;
  }

  /** Position or error known: nothing to wait for. */
  get settled(): boolean {
    return this.position !== undefined || this.error !== undefined;
  }
  get needsLookup(): boolean {
    return this.start !== undefined && this.error === undefined && this.#lookingUp !== this.decision;
  }

  /** Takes effect at once: errors and lookups of the old position are dropped. */
  seek(to: number | StartAt): void {
    this.#pendingGap = undefined;
    this.#decide(to);
    this.#origin = 'seek';
  }
  #decide(to: number | StartAt): void {
    this.decision++;
    this.error = undefined;
    this.start = typeof to === 'number' ? undefined : to;
    this.position = typeof to === 'number' ? to : undefined;
    this.processed = this.position;
  }

  /** Marks the lookup of the present decision as under way and returns what the answer must carry. */
  beginLookup(): number {
    this.#lookingUp = this.decision;
    return this.decision;
  }
  /** The lookup failed in a way that may pass: it can be begun again. */
  lookupFailed(decision: number): void {
    if (this.#lookingUp === decision) this.#lookingUp = -1;
  }
  /** The answer to a lookup. Returns the gap it completes, `null` if it was taken without one, undefined if it came too late. */
  found(decision: number, offset: number): Gap | null | undefined {
    if (decision !== this.decision || this.start === undefined) return undefined;
    this.start = undefined;
    this.position = offset;
    this.processed = offset;
    const gap = this.#pendingGap;
    this.#pendingGap = undefined;
    if (this.#origin !== 'seek') this.#origin = 'found';
    return gap === undefined ? null : { from: gap.from, to: offset, cause: gap.cause };
  }
  /** There was no committed offset: the same decision goes on with autoOffsetReset. */
  reset(policy: ResetPolicy): void {
    this.#lookingUp = -1;
    if (this.start?.type === 'committed' && this.start.fresh === true) this.start = { type: 'earliest' };
    else if (policy === 'none') {
      this.fail(
        partitionError(
          'NO_OFFSET_FOR_PARTITION',
          this,
          "no committed offset, and autoOffsetReset is 'none'; seek to where reading shall begin",
        ),
      );
    } else {
      this.start = { type: 'reset' };
    }
  }
  /** The partition appeared while it was waited for: all it holds is new. */
  appeared(): void {
    if (this.start?.type === 'reset') this.start = { type: 'earliest' };
    else if (this.start?.type === 'committed') this.start = { type: 'committed', fresh: true };
  }
  fail(error: LogError): void {
    this.error = error;
  }
  /** Something was read from here, so from now on the position is the log's own. */
  consumed(): void {
    this.#origin = 'consumed';
  }

  /** The log has nothing at `offset`. By policy a reset, whose gap is reported once the new offset is known, or an error until a seek. */
  outOfRange(offset: number, logStart: number, logEnd: number, policy: ResetPolicy): void {
    const cause = offset < logStart ? 'retention' : this.#origin === 'seek' ? 'reset' : 'truncation';
    this.#lose(
      { from: offset, cause },
      policy,
      `offset ${offset} is outside the log, which has ${logStart} to ${logEnd}`,
      { offset, logStart, logEnd },
    );
  }
  /** The topic (or the whole log) is another one now, and all it holds is new: it is read from its beginning. */
  recreated(topicId: string | undefined, policy: ResetPolicy): void {
    const from = this.position;
    this.topicId = topicId;
    if (from === undefined) {
      // Nothing was read of the old one; only an answer about it must not count.
      if (this.start !== undefined) this.#decide(this.start);
      return;
    }
    this.#lose(
      { from, cause: 'recreated' },
      policy === 'none' ? policy : 'earliest',
      'the topic was deleted and created anew; offsets of the old one mean nothing',
      { offset: from },
    );
  }
  /** Gives up what lies between here and the end, on purpose. */
  skipToEnd(): void {
    const from = this.position;
    if (from === undefined) return;
    this.#decide({ type: 'latest' });
    this.#pendingGap = { from, cause: 'skipped' };
    this.#origin = 'found';
  }
  #lose(
    gap: { readonly from: number; readonly cause: GapCause },
    policy: ResetPolicy,
    why: string,
    context: { offset: number; logStart?: number; logEnd?: number },
  ): void {
    if (policy === 'none') {
      this.fail(partitionError('OFFSET_OUT_OF_RANGE', this, `${why}; seek to where reading shall go on`, context));
      return;
    }
    this.#decide(policy === 'earliest' && gap.cause === 'recreated' ? { type: 'earliest' } : { type: 'reset' });
    this.#pendingGap = gap;
    this.#origin = 'found';
  }
}
