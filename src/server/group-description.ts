// What is told of a group: its members and where its offsets stand. Knows nothing of how either changes.
import type { GroupDescription, GroupOffset, GroupSummary, TopicInfo, TopicPartition } from '../protocol/index.ts';
import type { Group, TopicCatalogue } from './group.ts';
import type { GroupStore, PartitionRef } from './log.ts';
import { type Member, type Partitions, partitionId } from './member.ts';

/** Committed offsets by `partitionId`. */
export type StoredOffsets = ReadonlyMap<string, Awaited<ReturnType<GroupStore['read']>>[number]>;

/** `group`: undefined where it has no members. */
export function describeGroup(
  groupId: string,
  group: Group | undefined,
  stored: StoredOffsets,
  topics: TopicCatalogue,
): GroupDescription {
  const members = group?.members() ?? [];
  return {
    groupId,
    state: stateOf(group),
    epoch: group?.epoch ?? 0,
    assignor: group?.assignor,
    members: members.map((member) => ({
      memberId: member.memberId,
      clientId: member.identity.clientId,
      groupInstanceId: member.identity.instanceId,
      epoch: member.epoch,
      topics: [...new Set(member.wishes.topics)].sort(),
      connected: member.presence.holder !== undefined,
      assignment: named(member.held),
      targetAssignment: named(member.target),
    })),
    offsets: describeOffsets(members, stored, topics),
  };
}

export function stateOf(group: Group | undefined): GroupSummary['state'] {
  if (group === undefined || group.size === 0) return 'Empty';
  return group.isReconciling ? 'Reconciling' : 'Stable';
}

/** Of what is committed, and of what is owned and has no commit yet. */
function describeOffsets(members: readonly Member[], stored: StoredOffsets, topics: TopicCatalogue): GroupOffset[] {
  const partitions = new Map<string, PartitionRef>(stored);
  for (const member of members) for (const [key, owned] of member.held) partitions.set(key, owned);
  const known = new Map<string, TopicInfo | undefined>();
  const offsets: GroupOffset[] = [];
  for (const { topicId, partition } of partitions.values()) {
    if (!known.has(topicId)) known.set(topicId, topics.byId(topicId));
    const topic = known.get(topicId);
    const info = topic?.partitions.find((one) => one.partition === partition);
    if (topic === undefined || info === undefined) continue;
    const committed = stored.get(partitionId({ topicId, partition }));
    offsets.push({
      topic: topic.name,
      partition,
      committed: committed?.offset ?? null,
      metadata: committed?.metadata ?? '',
      end: info.highWatermark,
      lag: Math.max(0, info.highWatermark - (committed?.offset ?? info.logStart)),
    });
  }
  return offsets.sort(byName);
}

function named(partitions: Partitions): TopicPartition[] {
  return [...partitions.values()].map(({ topic, partition }) => ({ topic, partition })).sort(byName);
}

function byName(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}
