// The one error class and the closed table of its codes. Knows nothing of sockets, logs or consumers.
import type { ConsumerRecord } from './types.ts';

interface ErrorInfo {
  readonly retriable: boolean;
  readonly meaning: string;
}

const entry = (retriable: boolean, meaning: string): ErrorInfo => ({ retriable, meaning });

/** Every error code, whether the same request may succeed later, and what it means. PROTOCOL.md and the tests are checked against it. */
export const ERROR_TABLE = {
  // Of the client itself; they never travel.
  ABORTED: entry(false, 'The caller’s AbortSignal fired.'),
  CLOSED: entry(false, 'The consumer, producer, admin or client has been closed.'),
  TIMED_OUT: entry(true, 'No answer within the time allowed.'),
  ILLEGAL_STATE: entry(false, 'The call is not allowed in the present state.'),
  INVALID_CONFIG: entry(false, 'A configuration key is unknown or its value is not allowed.'),
  NO_OFFSET_FOR_PARTITION: entry(false, 'There is no committed offset and autoOffsetReset is "none".'),
  COMMIT_FAILED: entry(false, 'The member no longer owns what it tried to commit.'),
  DESERIALIZATION_FAILED: entry(false, 'A key or value could not be deserialized.'),
  NETWORK_EXCEPTION: entry(true, 'The connection was lost before the answer came.'),
  // Of the protocol.
  INVALID_REQUEST: entry(false, 'The request is malformed or one of its values is not allowed.'),
  UNSUPPORTED_VERSION: entry(false, 'The two ends share no protocol version.'),
  UNAUTHENTICATED: entry(false, 'The token is missing, wrong or expired.'),
  POLICY_VIOLATION: entry(false, 'A limit of the gateway was exceeded.'),
  THROTTLING_QUOTA_EXCEEDED: entry(true, 'Too many requests; try again after retryAfterMs.'),
  UNKNOWN_SERVER_ERROR: entry(false, 'The gateway failed in a way it did not expect; its log has the details.'),
  // Of topics and records.
  UNKNOWN_TOPIC_OR_PARTITION: entry(true, 'There is no such topic or partition (yet).'),
  UNKNOWN_TOPIC_ID: entry(true, 'The topic was deleted, or deleted and created anew with another id.'),
  INVALID_TOPIC_EXCEPTION: entry(
    false,
    'The topic name is not allowed: 1 to 249 of a-z A-Z 0-9 . _ - and neither "." nor "..".',
  ),
  TOPIC_ALREADY_EXISTS: entry(false, 'A topic of that name exists.'),
  INVALID_PARTITIONS: entry(false, 'The number of partitions is not allowed.'),
  INVALID_REPLICATION_FACTOR: entry(false, 'The replication factor is not allowed.'),
  TOPIC_AUTHORIZATION_FAILED: entry(false, 'Not allowed on this topic.'),
  OFFSET_OUT_OF_RANGE: entry(false, 'The offset lies outside the log; logStart and logEnd say what there is.'),
  CORRUPT_MESSAGE: entry(true, 'A batch is damaged: its CRC-32C or its structure is wrong.'),
  RECORD_TOO_LARGE: entry(false, 'A batch is larger than the receiver accepts.'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: entry(false, 'The batch has a format other than magic 2.'),
  UNSUPPORTED_COMPRESSION_TYPE: entry(false, 'The batch is compressed with a codec the receiver does not have.'),
  NOT_LEADER_OR_FOLLOWER: entry(true, 'The partition has moved; ask again.'),
  LEADER_NOT_AVAILABLE: entry(true, 'The partition has no leader at the moment.'),
  FENCED_LEADER_EPOCH: entry(true, 'The leader epoch of the request is old.'),
  UNKNOWN_LEADER_EPOCH: entry(true, 'The leader epoch of the request is not known yet.'),
  KAFKA_STORAGE_ERROR: entry(true, 'The log cannot write or read its disk.'),
  BROKER_NOT_AVAILABLE: entry(true, 'The log cannot be reached.'),
  REQUEST_TIMED_OUT: entry(true, 'The log did not answer in time.'),
  // Of producers.
  OUT_OF_ORDER_SEQUENCE_NUMBER: entry(false, 'A batch of the producer is missing before this one.'),
  DUPLICATE_SEQUENCE_NUMBER: entry(false, 'The batch was written before, too long ago to say where.'),
  UNKNOWN_PRODUCER_ID: entry(false, 'The log does not know this producer.'),
  INVALID_PRODUCER_EPOCH: entry(false, 'A newer producer has the same id.'),
  INVALID_TIMESTAMP: entry(false, 'The timestamp of a record is not allowed.'),
  // Of groups.
  INVALID_GROUP_ID: entry(false, 'The group id is missing or not allowed.'),
  GROUP_AUTHORIZATION_FAILED: entry(false, 'Not allowed on this group.'),
  GROUP_ID_NOT_FOUND: entry(false, 'There is no such group.'),
  NON_EMPTY_GROUP: entry(false, 'The group has members.'),
  GROUP_MAX_SIZE_REACHED: entry(false, 'The group is full.'),
  COORDINATOR_NOT_AVAILABLE: entry(true, 'The group coordinator is not available yet.'),
  COORDINATOR_LOAD_IN_PROGRESS: entry(true, 'The group coordinator is loading.'),
  NOT_COORDINATOR: entry(true, 'The group coordinator has moved.'),
  REBALANCE_IN_PROGRESS: entry(true, 'The group is rebalancing.'),
  UNKNOWN_MEMBER_ID: entry(false, 'The group does not know this member.'),
  FENCED_MEMBER_EPOCH: entry(false, 'The member was fenced; it must join again.'),
  STALE_MEMBER_EPOCH: entry(true, 'The member epoch is old; refresh it and try again.'),
  FENCED_INSTANCE_ID: entry(false, 'Another member took this groupInstanceId over.'),
  UNRELEASED_INSTANCE_ID: entry(false, 'The groupInstanceId is still in use.'),
  OFFSET_METADATA_TOO_LARGE: entry(false, 'The metadata of a committed offset is over 4,096 bytes.'),
} as const satisfies Record<string, ErrorInfo>;

/** A key of {@link ERROR_TABLE}: Kafka’s name where Kafka has one. */
export type ErrorCode = keyof typeof ERROR_TABLE;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, code);
}

/** What a {@link LogError} can say beyond its code and message. All offsets are record offsets, all times milliseconds. */
export interface LogErrorContext {
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
  readonly offset?: number | undefined;
  /** First offset the log still has. */
  readonly logStart?: number | undefined;
  /** The offset after the last one. */
  readonly logEnd?: number | undefined;
  /** The raw record (bytes for key and value) of DESERIALIZATION_FAILED. */
  readonly record?: ConsumerRecord | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  /** Overrides the table: the sender of an error frame knows better. */
  readonly retriable?: boolean | undefined;
}

/** The only error this project throws or rejects with. Switch on `code`; `retriable` says whether the same call may succeed later. */
export class LogError extends Error {
  override readonly name = 'LogError';
  readonly code: ErrorCode;
  readonly retriable: boolean;
  declare readonly topic?: string;
  declare readonly partition?: number;
  declare readonly offset?: number;
  declare readonly logStart?: number;
  declare readonly logEnd?: number;
  declare readonly record?: ConsumerRecord;
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, context: LogErrorContext = {}) {
    const { cause, retriable, ...rest } = context;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retriable = retriable ?? ERROR_TABLE[code].retriable;
    for (const [key, value] of Object.entries(rest)) if (value !== undefined) Object.assign(this, { [key]: value });
  }

  /** The error itself if it is a LogError, ABORTED for an AbortError, else UNKNOWN_SERVER_ERROR with the original as `cause`. */
  static from(error: unknown): LogError {
    if (error instanceof LogError) return error;
    const message = error instanceof Error ? error.message : String(error);
    const aborted = error instanceof Error && error.name === 'AbortError';
    return new LogError(aborted ? 'ABORTED' : 'UNKNOWN_SERVER_ERROR', message, { cause: error });
  }
}
