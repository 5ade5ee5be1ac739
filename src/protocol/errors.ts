// The one error class and the closed table of its codes. Knows nothing of sockets, logs or consumers.
import type { ConsumerRecord } from './types.ts';

const LATER = { retriable: true } as const;
const NEVER = { retriable: false } as const;

/** Every error code, and whether the same request may succeed later. What each means is in ERROR_MEANINGS; PROTOCOL.md and the tests are checked against both. */
export const ERROR_TABLE = {
  // Of the client itself; they never travel.
  ABORTED: NEVER,
  CLOSED: NEVER,
  TIMED_OUT: LATER,
  ILLEGAL_STATE: NEVER,
  INVALID_CONFIG: NEVER,
  NO_OFFSET_FOR_PARTITION: NEVER,
  COMMIT_FAILED: NEVER,
  DESERIALIZATION_FAILED: NEVER,
  NETWORK_EXCEPTION: LATER,
  // Of the protocol.
  INVALID_REQUEST: NEVER,
  UNSUPPORTED_VERSION: NEVER,
  UNAUTHENTICATED: NEVER,
  POLICY_VIOLATION: NEVER,
  THROTTLING_QUOTA_EXCEEDED: LATER,
  UNKNOWN_SERVER_ERROR: NEVER,
  // Of topics and records.
  UNKNOWN_TOPIC_OR_PARTITION: LATER,
  UNKNOWN_TOPIC_ID: LATER,
  INVALID_TOPIC_EXCEPTION: NEVER,
  TOPIC_ALREADY_EXISTS: NEVER,
  INVALID_PARTITIONS: NEVER,
  INVALID_REPLICATION_FACTOR: NEVER,
  TOPIC_AUTHORIZATION_FAILED: NEVER,
  OFFSET_OUT_OF_RANGE: NEVER,
  CORRUPT_MESSAGE: LATER,
  RECORD_TOO_LARGE: NEVER,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: NEVER,
  UNSUPPORTED_COMPRESSION_TYPE: NEVER,
  NOT_LEADER_OR_FOLLOWER: LATER,
  LEADER_NOT_AVAILABLE: LATER,
  FENCED_LEADER_EPOCH: LATER,
  UNKNOWN_LEADER_EPOCH: LATER,
  KAFKA_STORAGE_ERROR: LATER,
  BROKER_NOT_AVAILABLE: LATER,
  REQUEST_TIMED_OUT: LATER,
  // Of producers.
  OUT_OF_ORDER_SEQUENCE_NUMBER: NEVER,
  DUPLICATE_SEQUENCE_NUMBER: NEVER,
  UNKNOWN_PRODUCER_ID: NEVER,
  INVALID_PRODUCER_EPOCH: NEVER,
  INVALID_TIMESTAMP: NEVER,
  // Of groups.
  INVALID_GROUP_ID: NEVER,
  GROUP_AUTHORIZATION_FAILED: NEVER,
  GROUP_ID_NOT_FOUND: NEVER,
  NON_EMPTY_GROUP: NEVER,
  GROUP_MAX_SIZE_REACHED: NEVER,
  COORDINATOR_NOT_AVAILABLE: LATER,
  COORDINATOR_LOAD_IN_PROGRESS: LATER,
  NOT_COORDINATOR: LATER,
  REBALANCE_IN_PROGRESS: LATER,
  UNKNOWN_MEMBER_ID: NEVER,
  FENCED_MEMBER_EPOCH: NEVER,
  STALE_MEMBER_EPOCH: LATER,
  FENCED_INSTANCE_ID: NEVER,
  UNRELEASED_INSTANCE_ID: NEVER,
  OFFSET_METADATA_TOO_LARGE: NEVER,
} as const satisfies Record<string, { readonly retriable: boolean }>;

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
