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
  /** Logs of our own know 'retention.ms' and 'retention.bytes', a Kafka cluster what its brokers know; other keys: INVALID_REQUEST naming them. */
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
  /** Undefined until the log was reached for the first time; `health()` then says why it was not. Clients are turned away meanwhile (4504). */
  readonly logId: string | undefined;
  readonly autoCreateTopics: boolean;
  /** All topics, or those of the names that exist. TOPIC_AUTHORIZATION_FAILED: a name that may not be described. */
  topics(names?: readonly string[]): Promise<TopicInfo[]>;
  createTopic(spec: TopicSpec): Promise<TopicInfo>;
  deleteTopic(name: string): Promise<void>;
  /** After a topic was created, changed or deleted; returns how to stop listening. */
  onTopicsChanged(
    listener: (change: { changed: readonly TopicInfo[]; deleted: readonly string[] }) => void,
  ): () => void;
  listOffsets(queries: readonly OffsetQuery[], isolation: IsolationLevel): Promise<OffsetAnswer[]>;
  /** What is known now, without I/O; undefined for an unknown partition, or while nothing is known of it yet. */
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
export type AssignorName = 'uniform' | 'range';
/** What a member asks of its group; its newest join says it anew. */
export interface MemberWishes {
  /** Names, patterns already evaluated. */
  readonly topics: readonly string[];
  /** Default 'uniform'. */
  readonly assignor?: AssignorName | undefined;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxPollIntervalMs: number;
}
export interface JoinRequest extends MemberWishes {
  readonly groupId: string;
  readonly memberId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly clientId: string;
  /** Who it is, where the gateway knows; a resume token of another one's member is worth nothing. */
  readonly principal?: string | undefined;
  /** Takes up `memberId`, whoever holds it now. */
  readonly resumeToken?: string | undefined;
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
  /** Another connection took the member up: this one must not say anything to its client any more. Nothing follows. */
  onTakenOver(): void;
  /** Nobody waits for the answer to the join any more: it may have come back elsewhere, where it must not lose the member again. */
  isOver?(): boolean;
}
/** A member as long as someone holds it: what is asked of it after `release`, `leave` or `onTakenOver` does nothing. */
export interface Membership extends Assignment {
  readonly groupId: string;
  readonly memberId: string;
  readonly heartbeatIntervalMs: number;
  /** For the client, to take the member up again; absent where the log cannot keep members. */
  readonly resumeToken?: string | undefined;
  /** States another subscription. */
  update(wishes: MemberWishes): Promise<Assignment>;
  /** What the member owns at that epoch, after it let go of the rest. */
  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void;
  leave(): Promise<void>;
  /**
   * The client is out of reach: the member stays until sessionTimeoutMs after `heardAt` (ms, when it was last heard), and at
   * most `atMostMs` from now; then it is gone.
   */
  release(options: { readonly heardAt: number; readonly atMostMs?: number | undefined }): void;
}
export interface GroupPort {
  /** UNKNOWN_MEMBER_ID: a memberId without the resume token that belongs to it, or of a member that is gone; FENCED_INSTANCE_ID: of one whose instanceId another member has now. */
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
  /** With its commits. NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
  delete(groupId: string): Promise<void>;
  /** For /metrics. */
  counts?(): GroupCounts;
}
/** Of all groups that this process coordinates; what has a past tense is counted since it started. */
export interface GroupCounts {
  /** With members. */
  readonly groups: number;
  readonly membersConnected: number;
  /** Their connection is lost, and they are kept. */
  readonly membersHeld: number;
  readonly rebalanced: number;
  /** Members whose client came back to what they had: with a resume token, or with their instance id. */
  readonly resumed: number;
}

/** A member as it survives a restart of the coordinator. JSON. */
export interface StoredMember {
  readonly memberId: string;
  readonly instanceId?: string | undefined;
  readonly clientId: string;
  readonly principal?: string | undefined;
  readonly assignor?: AssignorName | undefined;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxPollIntervalMs: number;
  readonly epoch: number;
  /** What it was told to own. */
  readonly assigned: readonly StoredOwned[];
  /** What it may still be working on: `assigned`, and what it has not let go of yet. */
  readonly held: readonly StoredOwned[];
  /** SHA-256 of its resume tokens, hex: the newest first, then one whose successor may not have arrived. */
  readonly tokenHashes: readonly string[];
}
export interface StoredOwned extends PartitionRef {
  readonly topic: string;
}
/** Members in the order they joined. */
export interface StoredGroup {
  readonly epoch: number;
  readonly members: readonly StoredMember[];
}

/** Where a coordinator keeps what survives it: committed offsets and members. Both in-memory and embedded logs have one. */
export interface GroupStore {
  /** Resolves when durable. */
  write(groupId: string, offsets: readonly GroupOffsetToCommit[]): Promise<void>;
  read(
    groupId: string,
  ): Promise<readonly (PartitionRef & { offset: number; metadata: string; leaderEpoch?: number | undefined })[]>;
  /** Those with committed offsets. */
  groups(): Promise<string[]>;
  /** What was saved of every group that has members; asked once, before anything else. Who asks checks that it is a StoredGroup. */
  states(): Promise<ReadonlyMap<string, unknown>>;
  /** undefined: it has no members any more. Resolves when durable; saves of a group take effect in the order they were asked for. */
  saveState(groupId: string, state: StoredGroup | undefined): Promise<void>;
  /** Forgets the group's offsets and members. */
  remove(groupId: string): Promise<void>;
}
