// What partitions are called: in maps, in what applications see, in errors. Knows nothing of their state.
import { type ErrorCode, LogError, type LogErrorContext, type TopicPartition } from '../protocol/index.ts';

/** `topic` may be a topic's id. */
export const partitionKey = (topic: string, partition: number): string => `${topic}:${partition}`;

export const named = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });

/** An error of one partition, which its message begins with. */
export function partitionError(
  code: ErrorCode,
  { topic, partition }: TopicPartition,
  message: string,
  context?: LogErrorContext,
): LogError {
  return new LogError(code, `${topic}-${partition}: ${message}`, { ...context, topic, partition });
}
