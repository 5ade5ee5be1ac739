// How a command fails: one line on stderr and an exit code. Knows nothing of what commands do.
import { CommanderError } from 'commander';
import { type ErrorCode, LogError } from 'distributedlog';

export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** The command was called in a way it does not allow. `message` says what is wrong and what is allowed. */
export class UsageError extends Error {}

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set([
  'INVALID_CONFIG',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_GROUP_ID',
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
]);

const HINTS: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'pass --token or set DLOG_TOKEN',
  TIMED_OUT: 'is the gateway running? "dlog gateway" starts one, --bootstrap names another, --timeout waits longer',
  UNKNOWN_TOPIC_OR_PARTITION: '"dlog topics list" shows what there is, "dlog topics create NAME" makes a new one',
  GROUP_ID_NOT_FOUND: '"dlog groups list" shows what there is',
  TOPIC_ALREADY_EXISTS: '--if-not-exists accepts that',
};

/** What to print (nothing for help and the like) and the exit code. */
export function describeFailure(command: string, cause: unknown): { line: string | undefined; code: number } {
  if (cause instanceof CommanderError) {
    // Commander has printed it; help and version count as success.
    return { line: undefined, code: cause.exitCode === 0 ? EXIT.ok : EXIT.usage };
  }
  if (cause instanceof UsageError) return { line: line(command, cause.message), code: EXIT.usage };
  const error = LogError.from(cause);
  const code = USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failure;
  return { line: line(command, error.message, HINTS[error.code]), code };
}

/** `dlog command: message (hint)`, always one line. */
export function line(command: string, message: string, hint?: string): string {
  const oneLine = message.replace(/\s*\n\s*/g, ' ').trim();
  return `dlog ${command}: ${oneLine}${hint === undefined ? '' : ` (${hint})`}`.replace(/^dlog : /, 'dlog: ');
}
