// What speaks for one member to the group's coordinator, whichever of Kafka's two protocols it speaks. Types only.
import type { Clock, Random } from 'distributedlog/core';
import type { LogError, TopicPartition } from 'distributedlog/protocol';
import type { Assignment, MemberWishes, PartitionRef } from 'distributedlog/server';
import type { Cluster } from '../cluster.ts';

export interface DriverContext {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly random: Random;
}
/**
 * Every member is a static one for the coordinator, also where its client has no instance id: then it is one that only gateways
 * know. So any gateway can take a member up with nothing being rebalanced, and the coordinator itself fences who spoke for it until then.
 */
export interface DriverRequest {
  readonly groupId: string;
  readonly instanceId: string;
  /** What the member is to be called where the protocol lets us say so; nobody else's name. */
  readonly memberId: string;
  /** What the coordinator calls the member with this instanceId now: it is to be fenced, and its partitions are to be ours. */
  readonly replaces?: string | undefined;
  readonly wishes: MemberWishes;
}
export interface DriverListener {
  /** What the member should own from now on; nothing is told twice, and nothing before `join` has resolved. */
  onAssignment(assignment: Assignment): void;
  /** The group no longer has this member, or (FENCED_INSTANCE_ID) somebody else speaks for its instanceId. Nothing follows. */
  onFenced(error: LogError): void;
}
/** A member at its coordinator, from `join` until `leave`, `stop` or `onFenced`. Heartbeats are its own business. */
export interface MemberDriver {
  /** What the coordinator calls the member; known when `join` has resolved. */
  readonly memberId: string;
  /** What commits carry: the coordinator's newest epoch (or generation) of this member. */
  readonly memberEpoch: number;
  /** Whether the client may be working on it: it was told to own it, and has not let go of it. */
  owns(partition: PartitionRef): boolean;
  /** What it was told to let go of and has not yet. */
  revoking(): readonly TopicPartition[];
  /**
   * Resolves with what the member owns first, maybe nothing yet. Whoever had the instanceId before is fenced, and loses
   * nothing to third ones. Rejects with what the coordinator refuses, retriable errors included; then nothing is left of it.
   */
  join(): Promise<Assignment>;
  /** Another subscription, or other timeouts; resolves when the coordinator knows, with what is owned then. */
  update(wishes: MemberWishes): Promise<Assignment>;
  /** What the client owns at that epoch, after it let go of the rest. */
  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void;
  /** Resolves when the coordinator was heard once more: a commit was refused with an epoch that is not the newest. */
  refresh(): Promise<void>;
  /** Gives everything up at once, for good. Resolves also where the coordinator has no such member any more. */
  leave(): Promise<void>;
  /** Says nothing more, and lets the coordinator find out; another gateway may go on. */
  stop(): void;
}
/** `consumerDriver`, `classicDriver`. */
export type DriverFactory = (context: DriverContext, request: DriverRequest, listener: DriverListener) => MemberDriver;
