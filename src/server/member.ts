// One member of a group: what it wants, what it should own, what it may still be working on. Knows nothing of other members.
import type { Clock } from '../core/index.ts';
import type { Assignment, MemberWishes, PartitionRef, StoredOwned } from './log.ts';
import { Presence } from './member-presence.ts';

/** Partitions by `partitionId`. */
export type Partitions = ReadonlyMap<string, StoredOwned>;

export interface MemberIdentity {
  readonly memberId: string;
  readonly instanceId?: string | undefined;
  readonly clientId: string;
  readonly principal?: string | undefined;
}

export class Member {
  identity: MemberIdentity;
  readonly memberId: string;
  readonly presence: Presence;
  wishes: MemberWishes;
  epoch = 0;
  /** What it is to own once everybody has let go of what they must. */
  target: Partitions = new Map();
  /** What it should own now: of its target, what nobody else may still be working on. */
  assigned: Partitions = new Map();
  /** What it may be working on: `assigned`, and what it has not let go of yet. */
  held = new Map<string, StoredOwned>();
  /** Of the tokens that take it up; the newest first. */
  tokenHashes: readonly string[] = [];
  /** The newest assignment that survives a restart: all that its client may know. */
  told: Assignment = { memberEpoch: 0, partitions: [] };
  /** `assigned` or `epoch` have changed since they were last saved. */
  untold = false;
  cancelRevocation: (() => void) | undefined;

  constructor(identity: MemberIdentity, wishes: MemberWishes, clock: Clock) {
    this.identity = identity;
    this.memberId = identity.memberId;
    this.wishes = wishes;
    this.presence = new Presence(clock);
  }

  /** It has been told to let go of something and has not done so. */
  get isRevoking(): boolean {
    return this.held.size > this.assigned.size;
  }

  assignment(): Assignment {
    const names = new Map([...this.assigned.values()].map(({ topicId, topic }) => [topicId, topic]));
    const partitions = [...numbersByTopic(this.assigned)].map(([topicId, numbers]) => ({
      topic: names.get(topicId) ?? '',
      topicId,
      partitions: numbers,
    }));
    return { memberEpoch: this.epoch, partitions };
  }

  /** Its timers are gone. */
  end(): void {
    this.presence.end();
    this.cancelRevocation?.();
    this.cancelRevocation = undefined;
  }
}

export function partitionId({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

export function partitionsOf(owned: readonly StoredOwned[]): Map<string, StoredOwned> {
  return new Map(owned.map((one) => [partitionId(one), one]));
}

/** Partition numbers by topic id. */
export function numbersByTopic(partitions: Partitions): Map<string, number[]> {
  const byTopic = new Map<string, number[]>();
  for (const { topicId, partition } of partitions.values()) {
    const numbers = byTopic.get(topicId);
    if (numbers === undefined) byTopic.set(topicId, [partition]);
    else numbers.push(partition);
  }
  return byTopic;
}
