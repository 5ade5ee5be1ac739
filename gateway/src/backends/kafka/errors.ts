// What goes wrong between us and the brokers, as errors of this project. Knows nothing of requests.
import { protocolErrorsCodesById, ResponseError, UnsupportedApiError } from '@platformatic/kafka';
import { type ErrorCode, isErrorCode, LogError, type LogErrorContext } from 'distributedlog/protocol';

/** Kafka's codes that this project has no code of its own for, or one that only clients use; what stands in neither table is UNKNOWN_SERVER_ERROR. */
const NEAREST: Readonly<Record<string, ErrorCode>> = {
  MESSAGE_TOO_LARGE: 'RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'RECORD_TOO_LARGE',
  INVALID_FETCH_SIZE: 'INVALID_REQUEST',
  INVALID_RECORD: 'INVALID_REQUEST',
  INVALID_CONFIG: 'INVALID_REQUEST',
  INVALID_COMMIT_OFFSET_SIZE: 'INVALID_REQUEST',
  POLICY_VIOLATION: 'POLICY_VIOLATION',
  REPLICA_NOT_AVAILABLE: 'LEADER_NOT_AVAILABLE',
  LISTENER_NOT_FOUND: 'LEADER_NOT_AVAILABLE',
  OFFSET_NOT_AVAILABLE: 'LEADER_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS: 'BROKER_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'REQUEST_TIMED_OUT',
  NETWORK_EXCEPTION: 'BROKER_NOT_AVAILABLE',
  NOT_CONTROLLER: 'BROKER_NOT_AVAILABLE',
  UNSTABLE_OFFSET_COMMIT: 'COORDINATOR_LOAD_IN_PROGRESS',
  ILLEGAL_GENERATION: 'STALE_MEMBER_EPOCH',
  CLUSTER_AUTHORIZATION_FAILED: 'TOPIC_AUTHORIZATION_FAILED',
  INCONSISTENT_TOPIC_ID: 'UNKNOWN_TOPIC_ID',
  NEW_LEADER_ELECTED: 'NOT_LEADER_OR_FOLLOWER',
  TOPIC_DELETION_DISABLED: 'POLICY_VIOLATION',
  GROUP_SUBSCRIBED_TO_TOPIC: 'NON_EMPTY_GROUP',
  PRODUCER_FENCED: 'INVALID_PRODUCER_EPOCH',
  INVALID_PRODUCER_ID_MAPPING: 'UNKNOWN_PRODUCER_ID',
  INVALID_SESSION_TIMEOUT: 'INVALID_REQUEST',
  INCONSISTENT_GROUP_PROTOCOL: 'INVALID_REQUEST',
  UNSUPPORTED_ASSIGNOR: 'INVALID_REQUEST',
  SASL_AUTHENTICATION_FAILED: 'BROKER_NOT_AVAILABLE',
};

/** Kafka's name of an error code; 'NONE' for 0. */
export function nameOfCode(code: number): string {
  return protocolErrorsCodesById[code] ?? `error ${code}`;
}

/** The error that a broker answered with, by its number. */
export function brokerError(
  code: number,
  about: string,
  context: LogErrorContext = {},
  detail?: string | null,
): LogError {
  const name = nameOfCode(code);
  const ours = NEAREST[name] ?? (isErrorCode(name) ? name : 'UNKNOWN_SERVER_ERROR');
  const said = detail === undefined || detail === null || detail === '' ? '' : `: ${detail}`;
  return new LogError(ours, `${about}: the broker says ${name}${said}`, context);
}

/**
 * Anything that talking to a broker may throw: what it answered; BROKER_NOT_AVAILABLE for a connection that cannot be made
 * or was lost; REQUEST_TIMED_OUT; UNSUPPORTED_VERSION.
 */
export function toLogError(error: unknown, about: string): LogError {
  if (error instanceof LogError) return error;
  if (error instanceof UnsupportedApiError) {
    return new LogError('UNSUPPORTED_VERSION', `${about}: ${error.message}`, { cause: error });
  }
  if (error instanceof ResponseError) {
    const first: unknown = error.errors[0];
    const code = fieldOf(first, 'apiCode');
    if (typeof code === 'number') {
      const detail = fieldOf(first, 'serverErrorMessage');
      return brokerError(code, about, { cause: error }, typeof detail === 'string' ? detail : undefined);
    }
  }
  const why = causesOf(error);
  const timedOut = error instanceof Error && /timed out/i.test(error.message) && !/^Connection/.test(error.message);
  return new LogError(timedOut ? 'REQUEST_TIMED_OUT' : 'BROKER_NOT_AVAILABLE', `${about}: ${why}`, { cause: error });
}

/** A library's error says little; what caused it says why. */
function causesOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (at instanceof ResponseError) {
      // What it says of itself is only which request it was.
      const said = fieldOf(at.errors[0], 'serverErrorMessage');
      if (typeof said === 'string' && said !== '') parts.push(said);
      continue;
    }
    if (at.message !== '' && !parts.includes(at.message)) parts.push(at.message.replace(/\.$/, ''));
  }
  return parts.length === 0 ? String(error) : parts.join(': ');
}

export function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

/** Who asked a broker, and met one of these, may ask again: another broker, or the same one a little later. */
export const ASK_AGAIN: readonly ErrorCode[] = [
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'BROKER_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
];

/** What whoever asks a closed log for anything is told. */
export function closed(): LogError {
  return new LogError('BROKER_NOT_AVAILABLE', 'The log is closed.');
}
