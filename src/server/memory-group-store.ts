// Committed offsets of groups, in memory. Knows nothing of members.
import type { GroupOffsetToCommit, GroupStore } from './log.ts';

export interface MemoryGroupStore extends GroupStore {
  /** A deleted topic takes its commits with it. */
  forgetTopic(topicId: string): void;
}

export function memoryGroupStore(): MemoryGroupStore {
  const groups = new Map<string, Map<string, GroupOffsetToCommit>>();
  return {
    async write(groupId, offsets) {
      const group = groups.get(groupId) ?? new Map<string, GroupOffsetToCommit>();
      groups.set(groupId, group);
      for (const offset of offsets) group.set(`${offset.topicId}/${offset.partition}`, { ...offset });
    },
    async read(groupId) {
      const group = groups.get(groupId);
      return [...(group?.values() ?? [])].map(({ topicId, partition, offset, metadata, leaderEpoch }) => ({
        topicId,
        partition,
        offset,
        metadata: metadata ?? '',
        leaderEpoch,
      }));
    },
    async groups() {
      return [...groups.keys()];
    },
    async states() {
      return new Map();
    },
    async saveState() {},
    async remove(groupId) {
      groups.delete(groupId);
    },
    forgetTopic(topicId) {
      for (const [groupId, group] of groups) {
        for (const [key, offset] of group) if (offset.topicId === topicId) group.delete(key);
        if (group.size === 0) groups.delete(groupId);
      }
    },
  };
}
