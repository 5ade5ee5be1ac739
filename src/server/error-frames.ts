// What of an error a client may see, and in which shape. Knows nothing of who asked.
import { type ErrorCode, LogError, type ServerFrameOf } from '../protocol/index.ts';

/** Codes that only a client gives itself; from this side they would be misread. */
const CLIENT_ONLY: ReadonlySet<ErrorCode> = new Set([
  'ABORTED',
  'CLOSED',
  'TIMED_OUT',
  'ILLEGAL_STATE',
  'INVALID_CONFIG',
  'NO_OFFSET_FOR_PARTITION',
  'COMMIT_FAILED',
  'DESERIALIZATION_FAILED',
  'NETWORK_EXCEPTION',
]);

/** The error as the client may know it: what was not expected stays in the gateway’s log. */
export function describeError(cause: unknown): LogError {
  if (cause instanceof LogError && !CLIENT_ONLY.has(cause.code)) return cause;
  return new LogError(
    'UNKNOWN_SERVER_ERROR',
    'The gateway failed in a way it did not expect; its log has the details.',
  );
}

export function errorFrame(cause: unknown, id?: number): ServerFrameOf<'error'> {
  const error = describeError(cause);
  return {
    type: 'error',
    id,
    code: error.code,
    message: error.message,
    retriable: error.retriable,
    retryAfterMs: error.retryAfterMs,
    topic: error.topic,
    partition: error.partition,
    offset: error.offset,
    logStart: error.logStart,
    logEnd: error.logEnd,
  };
}

/** For one entry of a reply that has several. */
export function errorEntry(cause: unknown): { code: string; message: string; retriable: boolean } {
  const { code, message, retriable } = describeError(cause);
  return { code, message, retriable };
}
