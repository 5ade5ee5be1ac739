// From what the application hands to send() to an entry of the accumulator: checked, copied, measured. Knows nothing of batches or topics.
import { LogError, type RecordHeader, type RecordToEncode } from '../protocol/index.ts';
import type { ByteArena } from './byte-arena.ts';
import { must, mustBeObject } from './checks.ts';
import { isCount, show, unknownKey } from './config.ts';
import { checkTopicName } from './names.ts';
import type { ProducerRecord, RecordMetadata } from './producer-config.ts';

export interface CheckedRecord {
  readonly topic: string;
  /** Chosen by the application; else undefined. */
  readonly partition: number | undefined;
  readonly record: RecordToEncode;
  /** An upper bound of the bytes it adds to a batch. */
  readonly size: number;
}
/** A record between send() and its outcome. */
export interface Entry extends CheckedRecord {
  /** When it fails with TIMED_OUT, by the clock. */
  readonly deadline: number;
  resolve(metadata: RecordMetadata): void;
  reject(error: LogError): void;
}

const KNOWN_KEYS = ['topic', 'value', 'key', 'headers', 'partition', 'timestamp'];
const MAX_PARTITION = 2 ** 31 - 1;
/** Length, attributes, timestamp and offset deltas, key and value lengths, header count: each varint at its longest. */
const RECORD_OVERHEAD = 5 + 1 + 10 + 5 + 5 + 5 + 5;
const HEADER_OVERHEAD = 5 + 5;
/** Bytes of a batch before its records. */
export const BATCH_OVERHEAD = 61;

const NO_HEADERS: readonly RecordHeader[] = [];

const wrong = (message: string) => new LogError('INVALID_REQUEST', `send: ${message}`);

function toBytes(what: string, value: unknown, arena: ByteArena): Uint8Array | null {
  if (value === null) return null;
  if (typeof value === 'string') return arena.encode(value);
  // A copy, since the caller may reuse its buffer long before the batch is encoded.
  if (value instanceof Uint8Array) return arena.copy(value);
  const hint = typeof value === 'object' ? '; JSON.stringify it first' : '';
  throw wrong(`${what} must be a string, a Uint8Array or null, got ${show(value)}${hint}`);
}

function copyHeaders(headers: unknown, arena: ByteArena): RecordHeader[] {
  must(Array.isArray(headers), 'send', 'headers', 'an array of { key, value }', headers);
  return headers.map((header: unknown, i) => {
    const key: unknown = Reflect.get(Object(header), 'key');
    const value: unknown = Reflect.get(Object(header), 'value');
    if (typeof key !== 'string') throw wrong(`headers[${i}].key must be a string, got ${show(key)}`);
    if (value !== null && !(value instanceof Uint8Array)) {
      throw wrong(`headers[${i}].value must be a Uint8Array or null, got ${show(value)}`);
    }
    return { key, value: value === null ? null : arena.copy(value) };
  });
}

/** Checks and copies a record. Throws INVALID_REQUEST or INVALID_TOPIC_EXCEPTION naming what is wrong and what is allowed. */
export function readRecord(given: ProducerRecord, arena: ByteArena, now: number): CheckedRecord {
  mustBeObject('send', 'a record', given, 'an object with topic and value');
  for (const key in given) {
    if (KNOWN_KEYS.includes(key)) continue;
    throw wrong(unknownKey(key, KNOWN_KEYS));
  }
  const { topic, partition, timestamp } = given;
  checkTopicName(topic);
  const isPartition = partition === undefined || isCount(partition, 0, MAX_PARTITION);
  must(isPartition, 'send', 'partition', 'an integer of at least 0', partition);
  const isTime = timestamp === undefined || isCount(timestamp, 0);
  must(isTime, 'send', 'timestamp', 'an integer of at least 0 (ms since the epoch)', timestamp);
  const key = toBytes('key', given.key ?? null, arena);
  const value = toBytes('value', given.value, arena);
  const headers = given.headers === undefined ? NO_HEADERS : copyHeaders(given.headers, arena);
  let size = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  // A UTF-16 unit is at most three bytes of UTF-8.
  for (const header of headers) size += HEADER_OVERHEAD + header.key.length * 3 + (header.value?.length ?? 0);
  return { topic, partition, record: { key, value, headers, timestamp: timestamp ?? Math.floor(now) }, size };
}
