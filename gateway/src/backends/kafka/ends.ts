// The ends of partitions as they were last seen, so that who asks need not wait. Knows nothing of how they are read.
import { LogError } from 'distributedlog/protocol';
import type { PartitionEnds, PartitionRef } from 'distributedlog/server';
import type { Cluster } from './cluster.ts';
import type { Offsets } from './offsets.ts';

/** Ends that somebody asks for are looked at anew when they are older, unless a fetch brings them. */
const FRESH_MS = 1_000;
/** Nobody asked and nothing was seen for so long: forgotten. */
const FORGET_AFTER_MS = 30_000;

interface Known extends PartitionRef {
  ends: PartitionEnds | undefined;
  /** −Infinity: never, or something happened since. */
  seenAt: number;
  askedAt: number;
  /** A look in the background is under way. */
  isLookedAt: boolean;
}

export class KnownEnds {
  readonly #cluster: Cluster;
  readonly #offsets: Pick<Offsets, 'ends'>;
  readonly #known = new Map<string, Known>();
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(cluster: Cluster, offsets: Pick<Offsets, 'ends'>) {
    this.#cluster = cluster;
    this.#offsets = offsets;
    cluster.onMetadata(({ byId }) => {
      for (const [key, { topicId, partition }] of this.#known) {
        if (byId.get(topicId)?.partitions[partition] === undefined) this.#known.delete(key);
      }
    });
  }

  /** undefined: no such partition, or nothing was seen of it yet; it is being looked at then. */
  ends(ref: PartitionRef): PartitionEnds | undefined {
    const known = this.#entry(ref);
    if (known === undefined) return undefined;
    known.askedAt = this.#cluster.clock.now();
    this.#arm();
    return known.ends;
  }

  /** What a broker's answer said. Ends of one leader epoch never go back. */
  saw(ref: PartitionRef, ends: PartitionEnds): void {
    const known = this.#entry(ref);
    if (known === undefined) return;
    known.ends = newer(known.ends, ends);
    known.seenAt = this.#cluster.clock.now();
  }

  /** Records up to there are written: the partition ends there or later, and its other ends are to be looked at. */
  wrote(ref: PartitionRef, highWatermark: number): void {
    const known = this.#entry(ref);
    if (known === undefined) return;
    known.seenAt = Number.NEGATIVE_INFINITY;
    if (known.ends !== undefined && known.ends.highWatermark < highWatermark) {
      known.ends = { ...known.ends, highWatermark };
    }
  }

  /** Ends no older than a second, of all that can be had; or why not, where nothing was ever seen. Never rejects. */
  async look(refs: readonly PartitionRef[], retryForMs?: number): Promise<(PartitionEnds | LogError)[]> {
    const oldest = this.#cluster.clock.now() - FRESH_MS;
    const stale = refs.filter((ref) => (this.#known.get(keyOf(ref))?.seenAt ?? Number.NEGATIVE_INFINITY) < oldest);
    const failures = stale.length === 0 ? undefined : await this.#list(stale, retryForMs);
    return refs.map((ref) => {
      const key = keyOf(ref);
      const { topicId, partition } = ref;
      const nothing = () => new LogError('UNKNOWN_TOPIC_ID', `There is no partition ${partition} of topic ${topicId}.`);
      return this.#known.get(key)?.ends ?? failures?.get(key) ?? nothing();
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#known.clear();
  }

  /** What is seen goes to `saw`; returns what could not be. */
  async #list(refs: readonly PartitionRef[], retryForMs: number | undefined): Promise<Map<string, LogError>> {
    const answers = await this.#offsets.ends(refs, retryForMs);
    const failures = new Map<string, LogError>();
    refs.forEach((ref, i) => {
      const answer = answers[i];
      if (answer instanceof LogError) failures.set(keyOf(ref), answer);
      else if (answer !== undefined) this.saw(ref, answer);
    });
    return failures;
  }

  #entry(ref: PartitionRef): Known | undefined {
    const key = keyOf(ref);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { topicId, partition } = ref;
    const exists = this.#cluster.metadata.byId.get(topicId)?.partitions[partition] !== undefined;
    if (!exists || this.#closed) return undefined;
    const fresh: Known = {
      topicId,
      partition,
      ends: undefined,
      seenAt: Number.NEGATIVE_INFINITY,
      askedAt: this.#cluster.clock.now(),
      isLookedAt: false,
    };
    this.#known.set(key, fresh);
    return fresh;
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#closed) return;
    this.#cancelTimer = this.#cluster.clock.after(FRESH_MS, () => {
      this.#cancelTimer = undefined;
      this.#refresh();
      if (this.#known.size > 0) this.#arm();
    });
  }

  /** Each broker by itself: one that does not answer must not hold up what the others say. */
  #refresh(): void {
    const now = this.#cluster.clock.now();
    const byLeader = new Map<number, Known[]>();
    for (const [key, known] of this.#known) {
      const { topicId, partition, askedAt, seenAt, ends, isLookedAt } = known;
      if (Math.max(askedAt, seenAt) < now - FORGET_AFTER_MS) this.#known.delete(key);
      const isWanted = askedAt > now - FORGET_AFTER_MS && (seenAt <= now - FRESH_MS || ends === undefined);
      if (!isWanted || isLookedAt) continue;
      const leader = this.#cluster.metadata.byId.get(topicId)?.partitions[partition]?.leader ?? -1;
      const of = byLeader.get(leader);
      if (of === undefined) byLeader.set(leader, [known]);
      else of.push(known);
    }
    for (const wanted of byLeader.values()) void this.#lookAt(wanted);
  }

  /** What cannot be had now is tried again in a second. Never rejects. */
  async #lookAt(wanted: readonly Known[]): Promise<void> {
    for (const known of wanted) known.isLookedAt = true;
    await this.#list(wanted, 0);
    for (const known of wanted) known.isLookedAt = false;
  }
}

function keyOf({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

/** Answers may overtake each other; within one leader epoch every end only grows. */
function newer(known: PartitionEnds | undefined, seen: PartitionEnds): PartitionEnds {
  if (known === undefined || seen.leaderEpoch > known.leaderEpoch) return seen;
  if (seen.leaderEpoch < known.leaderEpoch) return known;
  return {
    logStart: Math.max(known.logStart, seen.logStart),
    highWatermark: Math.max(known.highWatermark, seen.highWatermark),
    lastStableOffset: Math.max(known.lastStableOffset, seen.lastStableOffset),
    leaderEpoch: known.leaderEpoch,
  };
}
