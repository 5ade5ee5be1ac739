// The uniform assignor: as even as can be, and of all such assignments one that moves least. Knows nothing of epochs or revocation.
import type { AssignableMember, AssignableTopic, TargetAssignment } from '../group-assignment.ts';
import { Shares } from './shares.ts';

/**
 * Everybody gets as many partitions as the others, or one more; with different subscriptions as near to that as they
 * allow. Of all assignments so even, one where as few partitions as possible get another owner. Where nobody owned
 * anything, each topic is even too.
 */
export function assignUniformly(
  members: readonly AssignableMember[],
  topics: readonly AssignableTopic[],
): TargetAssignment {
  const targets = new Map(members.map(({ memberId }) => [memberId, new Map<string, readonly number[]>()]));
  const wanted = topics.filter(({ name }) => members.some((member) => member.topics.has(name)));
  if (wanted.length === 0) return targets;
  const kept = wanted.map((topic) => whatTheyHave(topic, members));
  const shares = new Shares(members.length, wanted.length);
  for (const [t, { name }] of wanted.entries()) {
    for (const [m, { topics: names }] of members.entries()) {
      if (names.has(name)) shares.admit(m, t, kept[t]?.[m]?.length ?? 0);
    }
  }
  shares.share(wanted.map(({ partitions }) => partitions.length));

  // How many each gets is settled. Which ones: the first of what it has, then of what is left over.
  for (const [t, { topicId, partitions }] of wanted.entries()) {
    const left = new Set(partitions);
    const getters = members.flatMap(({ memberId }, m) => {
      const count = shares.of(m, t);
      if (count === 0) return [];
      const own = (kept[t]?.[m] ?? NOTHING).slice(0, count);
      for (const partition of own) left.delete(partition);
      return [{ memberId, own, count }];
    });
    const pool = [...left].sort((a, b) => a - b);
    for (const { memberId, own, count } of getters) {
      const more = pool.splice(0, count - own.length);
      targets.get(memberId)?.set(
        topicId,
        [...own, ...more].sort((a, b) => a - b),
      );
    }
  }
  return targets;
}

const NOTHING: readonly number[] = [];

/** Of the topic, by member, in its order: what exists and is nobody else's. Who does not subscribe any more has nothing. */
function whatTheyHave(
  { name, topicId, partitions }: AssignableTopic,
  members: readonly AssignableMember[],
): readonly (readonly number[])[] {
  const unclaimed = new Set(partitions);
  return members.map(({ topics, owned }) => {
    const claimed = owned.get(topicId);
    if (claimed === undefined || !topics.has(name)) return NOTHING;
    return claimed.filter((partition) => unclaimed.delete(partition));
  });
}
