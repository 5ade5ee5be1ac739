// What happened to a group between two looks at it. Pure: knows nothing of clocks, gateways or elements.
import type { GroupDescription, GroupMember, GroupSummary, TopicPartition } from 'distributedlog';
import { type MemberRef, refsOf } from './members.ts';
import { cellKey } from './picture.ts';

type State = GroupSummary['state'];
export type GroupChange =
  | { readonly type: 'joined'; readonly member: MemberRef }
  /** `expired`: its connection had been lost before. */
  | { readonly type: 'left'; readonly member: MemberRef; readonly expired: boolean }
  | { readonly type: 'lost'; readonly member: MemberRef; readonly partitions: number }
  | { readonly type: 'back'; readonly member: MemberRef }
  /** Another process took over what a static member owned. */
  | { readonly type: 'replaced'; readonly member: MemberRef }
  /** null: nobody. */
  | {
      readonly type: 'moved';
      readonly from: MemberRef | null;
      readonly to: MemberRef | null;
      readonly partitions: readonly TopicPartition[];
    }
  | { readonly type: 'state'; readonly from: State; readonly to: State };

/** In the order in which it makes sense to be told: who went and came, what changed hands, how the group is now. */
export function changesBetween(before: GroupDescription, after: GroupDescription): GroupChange[] {
  const were = withRefs(before);
  const are = withRefs(after);
  const changes: GroupChange[] = [];
  const instances = new Map<string, string>();
  for (const { member } of are.values()) {
    if (member.groupInstanceId !== undefined && !were.has(member.memberId)) {
      instances.set(member.groupInstanceId, member.memberId);
    }
  }
  const replacements = new Set<string>();
  for (const [memberId, { member, ref }] of were) {
    if (are.has(memberId)) continue;
    const successor = member.groupInstanceId === undefined ? undefined : instances.get(member.groupInstanceId);
    if (successor === undefined) changes.push({ type: 'left', member: ref, expired: !member.connected });
    else replacements.add(successor);
  }
  for (const [memberId, { member, ref }] of are) {
    const was = were.get(memberId)?.member;
    if (was === undefined) changes.push({ type: replacements.has(memberId) ? 'replaced' : 'joined', member: ref });
    else if (was.connected && !member.connected) {
      changes.push({ type: 'lost', member: ref, partitions: member.assignment.length });
    } else if (!was.connected && member.connected) changes.push({ type: 'back', member: ref });
  }
  changes.push(...moves(were, are));
  if (before.state !== after.state) changes.push({ type: 'state', from: before.state, to: after.state });
  return changes;
}

type Members = Map<string, { readonly member: GroupMember; readonly ref: MemberRef }>;
function withRefs({ members }: GroupDescription): Members {
  const refs = refsOf(members);
  return new Map(
    members.map((member, index) => {
      const { memberId } = member;
      return [memberId, { member, ref: refs[index] ?? { memberId, name: member.clientId, tag: memberId } }];
    }),
  );
}

/** Partitions that go from one to the same other are one change. */
function moves(were: Members, are: Members): GroupChange[] {
  const owned = (members: Members): Map<string, { ref: MemberRef; partition: TopicPartition }> => {
    const owners = new Map<string, { ref: MemberRef; partition: TopicPartition }>();
    for (const { member, ref } of members.values()) {
      for (const partition of member.assignment) owners.set(cellKey(partition), { ref, partition });
    }
    return owners;
  };
  const before = owned(were);
  const after = owned(are);
  const byPair = new Map<string, { from: MemberRef | null; to: MemberRef | null; partitions: TopicPartition[] }>();
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const from = before.get(key);
    const to = after.get(key);
    const partition = to?.partition ?? from?.partition;
    if (partition === undefined || from?.ref.memberId === to?.ref.memberId) continue;
    const pair = `${from?.ref.memberId ?? ''} ${to?.ref.memberId ?? ''}`;
    const found = byPair.get(pair);
    if (found !== undefined) found.partitions.push(partition);
    else byPair.set(pair, { from: from?.ref ?? null, to: to?.ref ?? null, partitions: [partition] });
  }
  return [...byPair.values()].map(({ from, to, partitions }) => ({
    type: 'moved',
    from,
    to,
    partitions: partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition)),
  }));
}

/** 'orders / 0, 2 · clicks / 1'; beyond `most` partitions, how many more there are. */
export function listPartitions(partitions: readonly TopicPartition[], most = 8): string {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions.slice(0, most)) {
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  }
  const text = [...byTopic].map(([topic, numbers]) => `${topic} / ${numbers.join(', ')}`).join(' · ');
  return partitions.length > most ? `${text} and ${partitions.length - most} more` : text;
}

export type Tone = 'info' | 'good' | 'warning' | 'bad';
export interface Telling {
  readonly tone: Tone;
  /** Words, and members among them. */
  readonly parts: readonly (string | MemberRef)[];
}

export function tell(change: GroupChange): Telling {
  switch (change.type) {
    case 'joined':
      return { tone: 'good', parts: [change.member, ' joined'] };
    case 'left':
      return change.expired
        ? { tone: 'bad', parts: [change.member, ' is gone: it did not come back in time'] }
        : { tone: 'info', parts: [change.member, ' left'] };
    case 'lost': {
      const kept = change.partitions === 1 ? 'its partition is' : `its ${change.partitions} partitions are`;
      return { tone: 'warning', parts: [change.member, ` lost its connection; ${kept} kept`] };
    }
    case 'back':
      return { tone: 'good', parts: [change.member, ' came back; nothing moved'] };
    case 'replaced':
      return { tone: 'good', parts: [change.member, ' was taken over by its new instance'] };
    case 'moved': {
      const what = listPartitions(change.partitions);
      if (change.from === null) return { tone: 'info', parts: [`${what}: to `, change.to ?? 'nobody'] };
      if (change.to === null) return { tone: 'info', parts: [`${what}: given up by `, change.from] };
      return { tone: 'info', parts: [`${what}: `, change.from, ' → ', change.to] };
    }
    case 'state':
      return {
        tone: change.to === 'Stable' ? 'good' : change.to === 'Dead' ? 'bad' : 'info',
        parts: [`${change.from} → ${change.to}`],
      };
  }
}
