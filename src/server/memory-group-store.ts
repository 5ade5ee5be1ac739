// What a coordinator keeps of groups, in memory: committed offsets and members. Knows nothing of what either means.
import type { GroupOffsetToCommit, GroupStore, StoredGroup } from './log.ts';

export interface MemoryGroupStore extends GroupStore {
  /** A deleted topic takes its commits with it. */
  forgetTopic(topicId: string): void;
}

export function memoryGroupStore(): MemoryGroupStore {
  const groups = new Map<string, Map<string, GroupOffsetToCommit>>();
  const states = new Map<string, StoredGroup>();
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
      return new Map(states);
    },
    async saveState(groupId, state) {
      if (state === undefined) states.delete(groupId);
      else states.set(groupId, state);
    },
    async remove(groupId) {
      groups.delete(groupId);
      states.delete(groupId);
    },
    forgetTopic(topicId) {
      for (const [groupId, group] of groups) {
        for (const [key, offset] of group) if (offset.topicId === topicId) group.delete(key);
        if (group.size === 0) groups.delete(groupId);
      }
    },
  };
}
