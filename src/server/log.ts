// The Log port: what a gateway needs of a log, whichever it is. Knows nothing of sockets or frames.
import type {
  AbortedTransaction,
  GroupDescription,
  GroupSummary,
  IsolationLevel,
  LogError,
  TopicInfo,
} from '../protocol/index.ts';

export interface PartitionRef {
  readonly topicId: string;
  readonly partition: number;
}
export interface TopicSpec {
  readonly name: string;
  readonly partitions?: number | undefined;
  readonly replicationFactor?: number | undefined;
  /** 'retention.ms', 'retention.bytes'; other keys: INVALID_REQUEST naming them. */
  readonly config?: Readonly<Record<string, string>> | undefined;
}
export interface PartitionEnds {
  readonly logStart: number;
  /** What is durable ends here; nothing at or after it is ever read. */
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly leaderEpoch: number;
}
export interface ReadRequest extends PartitionRef {
  readonly offset: number;
  readonly leaderEpoch?: number | undefined;
  readonly isolation: IsolationLevel;
  /** Stop adding batches before this many bytes; the first batch comes whatever its size. */
  readonly maxBytes: number;
  /** Wait until this many bytes can be read, at most maxWaitMs; then answer with what there is, maybe nothing. */
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** Free bytes the log leaves before the first batch in `buffer`, for the frame's header. */
  readonly headroom: number;
  /** Aborting makes a waiting read resolve at once with what there is. */
  readonly signal?: AbortSignal | undefined;
}
export interface ReadResult extends PartitionEnds {
  /** Batches at buffer[headroom, headroom + batchBytes); the first may begin before the offset asked for. Owned by the caller until `release`. */
  readonly buffer: Uint8Array;
  readonly batchBytes: number;
  /** Where the next read goes on, also when there is no batch. */
  readonly nextOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Gives the buffer back once it is written; calling it is optional, once at most. */
  release?(): void;
}
export interface AppendResult {
  readonly baseOffset: number;
  /** −1: the producer's timestamps were kept. */
  readonly logAppendTime: number;
  readonly logStart: number;
}
export interface OffsetQuery extends PartitionRef {
  /** A number is a timestamp, ms: the first record at or after it. */
  readonly at: 'earliest' | 'latest' | number;
}
export interface OffsetAnswer extends PartitionRef {
  readonly offset: number | null;
  readonly timestamp?: number | undefined;
  readonly leaderEpoch?: number | undefined;
  readonly error?: LogError | undefined;
}

/**
 * All methods reject with LogError. Unknown ids: UNKNOWN_TOPIC_ID; unknown partitions: UNKNOWN_TOPIC_OR_PARTITION.
 * Reads outside the log: OFFSET_OUT_OF_RANGE with logStart and logEnd.
 */
export interface Log {
  readonly logId: string;
  readonly autoCreateTopics: boolean;
  /** All topics, or those of the names that exist. */
  topics(names?: readonly string[]): Promise<TopicInfo[]>;
  createTopic(spec: TopicSpec): Promise<TopicInfo>;
  deleteTopic(name: string): Promise<void>;
  /** After a topic was created, changed or deleted; returns how to stop listening. */
  onTopicsChanged(
    listener: (change: { changed: readonly TopicInfo[]; deleted: readonly string[] }) => void,
  ): () => void;
  listOffsets(queries: readonly OffsetQuery[], isolation: IsolationLevel): Promise<OffsetAnswer[]>;
  /** What is known now, without I/O; undefined for an unknown partition. */
  ends(partition: PartitionRef): PartitionEnds | undefined;
  read(request: ReadRequest): Promise<ReadResult>;
  initProducer(): Promise<{ producerId: number; producerEpoch: number }>;
  /** One batch (magic 2; the log checks its CRC). Resolves when it is durable. The log may stamp the bytes in place and hold them until then. CORRUPT_MESSAGE, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, KAFKA_STORAGE_ERROR. */
  append(partition: PartitionRef, batch: Uint8Array): Promise<AppendResult>;
  readonly groups: GroupPort;
  /** undefined: all is well. Else why the log cannot serve now, for /readyz. */
  health(): LogError | undefined;
  /** Name → value, for /metrics. */
  metrics?(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface GroupOffsetToCommit extends PartitionRef {
  readonly offset: number;
  readonly leaderEpoch?: number | undefined;
  readonly metadata?: string | undefined;
}
export interface CommittedOffset extends PartitionRef {
  readonly offset: number | null;
  readonly metadata: string;
  readonly leaderEpoch?: number | undefined;
  readonly error?: LogError | undefined;
}
export interface JoinRequest {
  readonly groupId: string;
  readonly memberId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxPollIntervalMs: number;
}
export interface Assignment {
  readonly memberEpoch: number;
  readonly partitions: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly partitions: readonly number[];
  }[];
}
export interface MemberListener {
  onAssignment(assignment: Assignment): void;
  /** The group no longer has this member. */
  onFenced(error: LogError): void;
}
/** A member as long as someone holds it. */
export interface Membership extends Assignment {
  readonly groupId: string;
  readonly memberId: string;
  readonly heartbeatIntervalMs: number;
  /** States another subscription. */
  update(topics: readonly string[]): Promise<Assignment>;
  /** What the member owns at that epoch, after it let go of the rest. */
  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void;
  leave(): Promise<void>;
}
export interface GroupPort {
  join(request: JoinRequest, listener: MemberListener): Promise<Membership>;
  /** In the order given; a member (id and epoch) must own what it commits, and without one the group must have no members. */
  commit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<(PartitionRef & { readonly error?: LogError | undefined })[]>;
  committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]>;
  list(): Promise<GroupSummary[]>;
  /** GROUP_ID_NOT_FOUND. */
  describe(groupId: string): Promise<GroupDescription>;
}

/** Where a coordinator keeps committed offsets; both in-memory and embedded logs have one. */
export interface OffsetStore {
  /** Resolves when durable. */
  write(groupId: string, offsets: readonly GroupOffsetToCommit[]): Promise<void>;
  read(
    groupId: string,
  ): Promise<readonly (PartitionRef & { offset: number; metadata: string; leaderEpoch?: number | undefined })[]>;
  groups(): Promise<string[]>;
}
