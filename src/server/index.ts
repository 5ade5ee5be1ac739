// The gateway's side without sockets.

export type { TopicCatalogue } from './group.ts';
export { type AssignableMember, type AssignableTopic, assignPartitions } from './group-assignment.ts';
export { checkGroupId } from './group-id.ts';
export { type CommitAnswer, checkCommit } from './group-offsets.ts';
export { type CoordinatedGroups, type CoordinatedGroupsOptions, coordinatedGroups } from './groups.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type * from './log.ts';
export { type Holder, Presence } from './member-presence.ts';
export { type MemoryLog, type MemoryLogOptions, memoryLog } from './memory-log.ts';
export {
  afterWriting,
  type ProducerState,
  type SequencedBatch,
  type WrittenBatch,
  writtenBefore,
} from './producer-state.ts';
export { firstProducerId, randomHex, randomUuid } from './random-id.ts';
export { createServerSession } from './session.ts';
export type * from './session-port.ts';
export {
  type CheckedTopicSpec,
  checkTopicName,
  checkTopicSpec,
  isInternalTopic,
  isTopicName,
  MAX_PARTITIONS,
} from './topic-spec.ts';
