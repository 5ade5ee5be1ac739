// Who should own what in a group. One pure function of the members and the topics; knows nothing of epochs, revocation or commits.

export interface AssignableMember {
  readonly memberId: string;
  /** Names of the topics it subscribes to. */
  readonly topics: ReadonlySet<string>;
}
export interface AssignableTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly number[];
}
/** Partitions of each member, as topic id → partition numbers. */
export type TargetAssignment = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/**
 * Every partition of a subscribed topic has exactly one owner: the member that joined first among those that subscribe
 * to the topic. The others stand by. `members`: in the order they joined.
 */
export function assignPartitions(
  members: readonly AssignableMember[],
  topics: readonly AssignableTopic[],
): TargetAssignment {
  const targets = new Map(members.map(({ memberId }) => [memberId, new Map<string, readonly number[]>()]));
  for (const topic of topics) {
    const owner = members.find((member) => member.topics.has(topic.name));
    if (owner !== undefined) targets.get(owner.memberId)?.set(topic.topicId, topic.partitions);
  }
  return targets;
}
