// The checks of what an application passes to a consumer: each throws INVALID_REQUEST naming what was wrong and what is allowed. Knows nothing of state.
import { LogError, type OffsetAndMetadata, type TopicPartition } from '../protocol/index.ts';
import { show } from './config.ts';
import { checkTopicName } from './names.ts';

function invalid(message: string): LogError {
  return new LogError('INVALID_REQUEST', message);
}

export function checkPartition(call: string, value: unknown): TopicPartition {
  if (typeof value !== 'object' || value === null) {
    throw invalid(`${call}: a partition must be { topic, partition }, got ${show(value)}`);
  }
  const topic: unknown = Reflect.get(value, 'topic');
  const partition: unknown = Reflect.get(value, 'partition');
  checkTopicName(topic);
  if (typeof partition !== 'number' || !Number.isInteger(partition) || partition < 0 || partition >= 2 ** 31) {
    throw invalid(`${call}: the partition of ${topic} must be an integer from 0, got ${show(partition)}`);
  }
  return { topic, partition };
}
export function checkPartitions(call: string, value: unknown): TopicPartition[] {
  if (!Array.isArray(value)) throw invalid(`${call}: partitions must be an array, got ${show(value)}`);
  return value.map((one) => checkPartition(call, one));
}
export function checkOffset(call: string, value: number | OffsetAndMetadata): number {
  const offset: unknown = typeof value === 'object' && value !== null ? value.offset : value;
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw invalid(`${call}: an offset must be an integer from 0 to 2^53 − 1, got ${show(offset)}`);
}
export function checkTimestamp(call: string, value: unknown): number {
  const timestamp = value instanceof Date ? value.getTime() : value;
  if (typeof timestamp === 'number' && Number.isFinite(timestamp) && timestamp >= 0) return Math.floor(timestamp);
  throw invalid(`${call}: a timestamp must be a Date or milliseconds since 1970, got ${show(value)}`);
}
export function checkCount(call: string, name: string, value: unknown, min = 0): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value;
  throw invalid(`${call}: ${name} must be an integer of at least ${min}, got ${show(value)}`);
}
/** A list without doubles, or a pattern that matches whole names. */
export function checkTopics(topics: unknown): readonly string[] | RegExp {
  // Flags g and y make a pattern remember where it stopped.
  if (topics instanceof RegExp) return new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''));
  const names: unknown[] = Array.isArray(topics) ? topics : [topics];
  return [
    ...new Set(
      names.map((name) => {
        checkTopicName(name);
        return name;
      }),
    ),
  ];
}
