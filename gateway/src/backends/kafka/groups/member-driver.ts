// What speaks for one member to the group's coordinator, whichever of Kafka's two protocols it speaks. Types only.
import type { LogError } from 'distributedlog/protocol';
import type { Assignment, MemberWishes, PartitionRef } from 'distributedlog/server';

export interface DriverRequest {
  readonly groupId: string;
  readonly clientId: string;
  readonly instanceId?: string | undefined;
  /** Of a member that is taken up: it is to go on as that one. Absent: a new member. */
  readonly memberId?: string | undefined;
  readonly wishes: MemberWishes;
}
export interface DriverListener {
  /** What the member should own from now on; nothing is told twice, and nothing before `join` has resolved. */
  onAssignment(assignment: Assignment): void;
  /** The group no longer has this member. Nothing follows. */
  onFenced(error: LogError): void;
}
/** A member at its coordinator, from `join` until `leave`, `stop` or `onFenced`. Heartbeats are its own business. */
export interface MemberDriver {
  readonly memberId: string;
  /** What commits carry: the coordinator's newest epoch (or generation) of this member. */
  readonly memberEpoch: number;
  /** How often the client should be heard from, ms: what the coordinator says, or derived from it. */
  readonly heartbeatIntervalMs: number;
  /** Whether the coordinator was told, and has confirmed, that the member owns these: what it may commit. */
  owns(partition: PartitionRef): boolean;
  /** Resolves with what the member owns first, maybe nothing yet. UNKNOWN_MEMBER_ID where `memberId` is no member any more. */
  join(): Promise<Assignment>;
  update(wishes: MemberWishes): Promise<Assignment>;
  /** What the client owns at that epoch, after it let go of the rest. */
  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void;
  /** Gives everything up at once, for good: a static member too. Never rejects where the coordinator has no such member. */
  leave(): Promise<void>;
  /** Says nothing more, and lets the coordinator find out. */
  stop(): void;
}
