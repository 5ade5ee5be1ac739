// Records to an uncompressed RecordBatch v2, as Kafka's producer writes it. Knows nothing of frames, logs or topics.
import { utf8Bytes, writeInt16, writeInt32, writeInt64, writeUtf8 } from './bytes.ts';
import { LogError } from './errors.ts';
import {
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  sealBatch,
} from './record-batch.ts';
import type { RecordHeader } from './types.ts';

export interface RecordToEncode {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Milliseconds since the epoch, or −1 for none. */
  readonly timestamp: number;
}
export interface EncodeBatchOptions {
  /** Default 0: the log decides. */
  readonly baseOffset?: number | undefined;
  /** These three default to −1: not idempotent. */
  readonly producerId?: number | undefined;
  readonly producerEpoch?: number | undefined;
  readonly baseSequence?: number | undefined;
}

/**
 * An uncompressed batch (attributes 0) whose bytes nobody else holds. Throws INVALID_REQUEST without records, INVALID_TIMESTAMP for one that is
 * neither −1 nor a whole number of ms since the epoch, RECORD_TOO_LARGE beyond 2^31 − 1 bytes.
 */
export function encodeBatch(
  records: readonly RecordToEncode[],
  options: EncodeBatchOptions = {},
): Uint8Array<ArrayBuffer> {
  const first = records[0];
  if (first === undefined) throw new LogError('INVALID_REQUEST', 'A batch needs at least one record.');
  const baseTimestamp = first.timestamp;
  // Sizes are worked out twice rather than kept: arithmetic is cheaper than an array, and the batch is allocated once, exactly.
  let size = BATCH_HEADER_BYTES;
  let maxTimestamp = baseTimestamp;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as RecordToEncode;
    const { timestamp } = record;
    if (!(Number.isSafeInteger(timestamp) && timestamp >= -1)) {
      throw new LogError(
        'INVALID_TIMESTAMP',
        `The timestamp ${timestamp} is neither −1 nor a whole number of ms since the epoch.`,
      );
    }
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    const length = recordBytes(record, i, timestamp - baseTimestamp);
    size += varintBytes(length) + length;
  }
  if (size - LENGTH_PREFIX_BYTES > 0x7fff_ffff) {
    throw new LogError('RECORD_TOO_LARGE', `A batch of ${size} bytes is over 2^31 − 1.`);
  }
  const batch = new Uint8Array(size);
  writeInt64(batch, 0, options.baseOffset ?? 0);
  writeInt32(batch, LENGTH_AT, size - LENGTH_PREFIX_BYTES);
  writeInt32(batch, LEADER_EPOCH_AT, -1);
  batch[MAGIC_AT] = 2;
  writeInt32(batch, LAST_OFFSET_DELTA_AT, records.length - 1);
  writeInt64(batch, BASE_TIMESTAMP_AT, baseTimestamp);
  writeInt64(batch, MAX_TIMESTAMP_AT, maxTimestamp);
  writeInt64(batch, PRODUCER_ID_AT, options.producerId ?? -1);
  writeInt16(batch, PRODUCER_EPOCH_AT, options.producerEpoch ?? -1);
  writeInt32(batch, BASE_SEQUENCE_AT, options.baseSequence ?? -1);
  writeInt32(batch, RECORD_COUNT_AT, records.length);
  let at = BATCH_HEADER_BYTES;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as RecordToEncode;
    at = writeRecord(batch, at, record, i, record.timestamp - baseTimestamp);
  }
  sealBatch(batch);
  return batch;
}

/** Bytes after the length field. */
function recordBytes(record: RecordToEncode, offsetDelta: number, timestampDelta: number): number {
  const { headers } = record;
  const fixed = 1 + varint64Bytes(timestampDelta) + varintBytes(offsetDelta);
  const size = fixed + fieldBytes(record.key) + fieldBytes(record.value);
  if (headers === undefined || headers.length === 0) return size + 1;
  let headerBytes = varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = utf8Bytes(key);
    headerBytes += varintBytes(keyBytes) + keyBytes + fieldBytes(value);
  }
  return size + headerBytes;
}

function writeRecord(
  b: Uint8Array,
  start: number,
  record: RecordToEncode,
  offsetDelta: number,
  timestampDelta: number,
) {
  let at = writeVarint(b, start, recordBytes(record, offsetDelta, timestampDelta));
  b[at++] = 0;
  at = writeVarint64(b, at, timestampDelta);
  at = writeVarint(b, at, offsetDelta);
  at = writeField(b, at, record.key);
  at = writeField(b, at, record.value);
  const { headers } = record;
  if (headers === undefined || headers.length === 0) {
    b[at++] = 0;
    return at;
  }
  at = writeVarint(b, at, headers.length);
  for (const { key, value } of headers) {
    const keyBytes = utf8Bytes(key);
    at = writeVarint(b, at, keyBytes);
    writeUtf8(b, at, key, keyBytes);
    at = writeField(b, at + keyBytes, value);
  }
  return at;
}

function fieldBytes(field: Uint8Array | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length;
}
function writeField(b: Uint8Array, start: number, field: Uint8Array | null): number {
  if (field === null) {
    b[start] = 1;
    return start + 1;
  }
  const { length } = field;
  const at = writeVarint(b, start, length);
  // A call of set() costs more than a few bytes do.
  if (length <= 16) for (let i = 0; i < length; i++) b[at + i] = field[i] as number;
  else b.set(field, at);
  return at + length;
}

/** `value` is a length, a count or an offset delta: not negative, below 2^31. */
function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x2000) return 2;
  return value < 0x10_0000 ? 3 : value < 0x800_0000 ? 4 : 5;
}
function writeVarint(b: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = (value << 1) >>> 0;
  while (rest >= 0x80) {
    b[at++] = rest | 0x80;
    rest >>>= 7;
  }
  b[at++] = rest;
  return at;
}

/** Zigzag without its lowest bit, the sign: so that no safe integer is rounded. */
function zigzagHalf(value: number): number {
  return value >= 0 ? value : -value - 1;
}
function varint64Bytes(value: number): number {
  let size = 1;
  for (let rest = Math.floor(zigzagHalf(value) / 0x40); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
function writeVarint64(b: Uint8Array, start: number, value: number): number {
  let at = start;
  const half = zigzagHalf(value);
  let low = (half % 0x40) * 2 + (value < 0 ? 1 : 0);
  for (let rest = Math.floor(half / 0x40); rest > 0; rest = Math.floor(rest / 0x80)) {
    b[at++] = low | 0x80;
    low = rest % 0x80;
  }
  b[at++] = low;
  return at;
}
