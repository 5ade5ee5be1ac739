// The records, offsets and descriptions that every layer speaks of. Types only.

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}
export interface TopicPartitionOffset extends TopicPartition {
  /** Record offset; in a commit, the NEXT offset to read. */
  readonly offset: number;
  readonly metadata?: string | undefined;
  readonly leaderEpoch?: number | undefined;
}
export interface OffsetAndMetadata {
  readonly offset: number;
  readonly metadata: string;
  readonly leaderEpoch?: number | undefined;
}
/** Order and duplicates are kept as produced. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}
export interface ConsumerRecord<K = Uint8Array, V = Uint8Array> extends TopicPartition {
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** 'create': set by the producer. 'append': set by the log. */
  readonly timestampType: 'create' | 'append';
  readonly key: K | null;
  /** `null` is a tombstone; an empty value is not. */
  readonly value: V | null;
  readonly headers: readonly RecordHeader[];
  readonly leaderEpoch?: number | undefined;
}
export type IsolationLevel = 'read_uncommitted' | 'read_committed';

export interface PartitionDescription extends TopicPartition {
  /** First offset the log still has. */
  readonly logStart: number;
  /** The offset after the last one that is durable. */
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly leaderEpoch: number;
}
export interface TopicDescription {
  readonly name: string;
  /** Canonical UUID; a topic that is deleted and created again has another one. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionDescription[];
}
export interface GroupSummary {
  readonly groupId: string;
  readonly state: 'Empty' | 'Stable' | 'Assigning' | 'Reconciling' | 'Dead';
  readonly members: number;
}
export interface GroupMember {
  readonly memberId: string;
  readonly clientId: string;
  readonly groupInstanceId?: string | undefined;
  readonly epoch: number;
  readonly topics: readonly string[];
  /** false: its connection is lost; it is kept for its sessionTimeoutMs. */
  readonly connected: boolean;
  /** What it may be working on now. */
  readonly assignment: readonly TopicPartition[];
  /** What it will own once everybody has let go of what they must. */
  readonly targetAssignment: readonly TopicPartition[];
}
export interface GroupOffset extends TopicPartition {
  /** `null`: nothing committed. */
  readonly committed: number | null;
  readonly metadata: string;
  readonly end: number;
  /** end − committed (or − log start where nothing is committed), in records. */
  readonly lag: number;
}
export interface GroupDescription {
  readonly groupId: string;
  readonly state: GroupSummary['state'];
  readonly epoch: number;
  /** How partitions are shared out, such as 'uniform'; undefined where the group has no members. */
  readonly assignor?: string | undefined;
  readonly members: readonly GroupMember[];
  readonly offsets: readonly GroupOffset[];
}
