// The range assignor: consecutive partitions of each topic. Knows nothing of what anybody had before.
import type { AssignableMember, AssignableTopic, TargetAssignment } from '../group-assignment.ts';

/**
 * Each topic by itself: its subscribers in the order of their names get one consecutive range each, the first ones one
 * partition more where it does not divide. So with the same subscribers, the partitions of one number of several topics
 * of one size have one owner (they can be joined there). Not sticky, and uneven where there are many small topics.
 */
export function assignRanges(
  members: readonly AssignableMember[],
  topics: readonly AssignableTopic[],
): TargetAssignment {
  const targets = new Map(members.map(({ memberId }) => [memberId, new Map<string, readonly number[]>()]));
  const ordered = [...members].sort(byName);
  for (const { name, topicId, partitions } of topics) {
    const subscribers = ordered.filter((member) => member.topics.has(name));
    const numbers = [...partitions].sort((a, b) => a - b);
    let from = 0;
    for (const [i, { memberId }] of subscribers.entries()) {
      const to = from + Math.ceil((numbers.length - from) / (subscribers.length - i));
      if (to > from) targets.get(memberId)?.set(topicId, numbers.slice(from, to));
      from = to;
    }
  }
  return targets;
}

/** Static members first, by their instance id: they keep their place when they come back. */
function byName(a: AssignableMember, b: AssignableMember): number {
  if ((a.instanceId === undefined) !== (b.instanceId === undefined)) return a.instanceId === undefined ? 1 : -1;
  const [left, right] = [a.instanceId ?? a.memberId, b.instanceId ?? b.memberId];
  return left < right ? -1 : left > right ? 1 : 0;
}
