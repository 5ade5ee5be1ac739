// The checks of what an application passes to a consumer: each throws INVALID_REQUEST naming what was wrong and what is allowed. Knows nothing of state.
import type { OffsetAndMetadata, TopicPartition, TopicPartitionOffset } from '../protocol/index.ts';
import { must, mustBeObject } from './checks.ts';
import { isCount, isObject } from './config.ts';
import { checkTopicName } from './names.ts';
import { partitionKey } from './partitions.ts';

export function checkPartition(call: string, value: unknown): TopicPartition {
  mustBeObject(call, 'a partition', value, '{ topic, partition }');
  const topic: unknown = Reflect.get(value, 'topic');
  const partition: unknown = Reflect.get(value, 'partition');
  checkTopicName(topic);
  must(isCount(partition, 0, 2 ** 31 - 1), call, `the partition of ${topic}`, 'an integer from 0', partition);
  return { topic, partition };
}
export function checkPartitions(call: string, value: unknown): TopicPartition[] {
  must(Array.isArray(value), call, 'partitions', 'an array', value);
  return value.map((one) => checkPartition(call, one));
}
export function checkOffset(call: string, value: number | OffsetAndMetadata, what = 'an offset'): number {
  const offset: unknown = isObject(value) ? value.offset : value;
  must(isCount(offset, 0), call, what, 'an integer from 0 to 2^53 − 1', offset);
  return offset;
}
export function checkTimestamp(call: string, value: unknown): number {
  const timestamp = Number(value instanceof Date || typeof value === 'number' ? value : Number.NaN);
  const ok = Number.isFinite(timestamp) && timestamp >= 0;
  must(ok, call, 'a timestamp', 'a Date or milliseconds since 1970', value);
  return Math.floor(timestamp);
}
export function checkCount(call: string, name: string, value: unknown, min = 0): number {
  must(isCount(value, min), call, name, `an integer of at least ${min}`, value);
  return value;
}
/** Copies what is to be committed, the last one of each partition. */
export function checkOffsets(call: string, offsets: Iterable<TopicPartitionOffset>): TopicPartitionOffset[] {
  const byPartition = new Map<string, TopicPartitionOffset>();
  must(isObject(offsets) && Symbol.iterator in offsets, call, 'offsets', 'iterable', offsets);
  for (const given of offsets) {
    mustBeObject(call, 'an offset', given, '{ topic, partition, offset }');
    const { topic, partition } = checkPartition(call, given);
    const { offset, metadata, leaderEpoch } = given;
    const of = `of ${topic}-${partition}`;
    checkOffset(call, offset, `the offset ${of}`);
    must(metadata === undefined || typeof metadata === 'string', call, `the metadata ${of}`, 'a string', metadata);
    const isEpoch = leaderEpoch === undefined || Number.isSafeInteger(leaderEpoch);
    must(isEpoch, call, `the leaderEpoch ${of}`, 'an integer', leaderEpoch);
    byPartition.set(partitionKey(topic, partition), { topic, partition, offset, metadata, leaderEpoch });
  }
  return [...byPartition.values()];
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
