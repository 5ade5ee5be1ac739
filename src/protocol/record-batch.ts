// Kafka RecordBatch v2 (magic 2), the part before the records: reading, checking and stamping headers. Knows nothing of records, frames or logs.
import { int64Text, readInt16, readInt32, readInt64, readUint32, writeInt32, writeInt64 } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { LogError } from './errors.ts';

// Big-endian:
//    0  int64  base offset
//    8  int32  batch length: the bytes after this field
//   12  int32  partition leader epoch
//   16  int8   magic = 2
//   17  uint32 CRC-32C of everything from here on, from the attributes to the last record
//   21  int16  attributes: bits 0–2 compression, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
//   23  int32  last offset delta
//   27  int64  base timestamp
//   35  int64  max timestamp
//   43  int64  producer id
//   51  int16  producer epoch
//   53  int32  base sequence
//   57  int32  number of records
//   61         the records, compressed as a whole if at all
export const BATCH_HEADER_BYTES = 61;
export const LENGTH_AT = 8;
export const LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORD_COUNT_AT = 57;
/** Base offset and length: what the length itself does not count. */
export const LENGTH_PREFIX_BYTES = 12;

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
/** By the number in the lowest three bits of the attributes. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** The 61 bytes before the records. Sizes in bytes, times in ms; −1 where Kafka writes −1. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Of the whole batch, its first 12 bytes included. */
  readonly sizeInBytes: number;
  readonly leaderEpoch: number;
  readonly crc: number;
  readonly attributes: number;
  readonly compression: Compression;
  readonly timestampType: 'create' | 'append';
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly lastOffset: number;
  /** Times beyond ±(2^53 − 1) are rounded; offsets and producer ids never are. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/**
 * The header of the batch at `at`. `undefined`: before `end` there are fewer bytes than the batch has (a trailing partial batch).
 * Throws UNSUPPORTED_FOR_MESSAGE_FORMAT (with its offset), UNSUPPORTED_COMPRESSION_TYPE, and CORRUPT_MESSAGE, also for an
 * offset or producer id beyond 2^53 − 1. Does not check the CRC: see {@link verifyBatch}.
 */
export function readBatchHeader(bytes: Uint8Array, at: number, end = bytes.length): BatchHeader | undefined {
  // The magic stands at the same place in every format there has been.
  if (end - at <= MAGIC_AT) return undefined;
  const baseOffset = readSafeInt64(bytes, at, 'base offset');
  const magic = bytes[at + MAGIC_AT];
  if (magic !== 2) {
    const message = `The batch at offset ${baseOffset} has magic ${magic}; only magic 2 (Kafka 0.11 and later) is supported.`;
    throw new LogError('UNSUPPORTED_FOR_MESSAGE_FORMAT', message, { offset: baseOffset });
  }
  if (baseOffset < 0) throw corrupt(`has the negative base offset ${baseOffset}`, undefined);
  const sizeInBytes = readInt32(bytes, at + LENGTH_AT) + LENGTH_PREFIX_BYTES;
  if (sizeInBytes < BATCH_HEADER_BYTES) {
    throw corrupt(`has ${sizeInBytes} bytes; at least ${BATCH_HEADER_BYTES} are needed`, baseOffset);
  }
  if (sizeInBytes > end - at) return undefined;
  const attributes = readInt16(bytes, at + ATTRIBUTES_AT);
  const compression = COMPRESSIONS[attributes & 7];
  if (compression === undefined) {
    const message = `The batch at offset ${baseOffset} names compression ${attributes & 7}; known are 0 to 4 (${COMPRESSIONS.join(', ')}).`;
    throw new LogError('UNSUPPORTED_COMPRESSION_TYPE', message, { offset: baseOffset });
  }
  const lastOffsetDelta = readInt32(bytes, at + LAST_OFFSET_DELTA_AT);
  const lastOffset = baseOffset + lastOffsetDelta;
  if (lastOffsetDelta < 0) throw corrupt(`has the negative last offset delta ${lastOffsetDelta}`, baseOffset);
  // The offset after the last one must be exact as well: it is where reading goes on.
  if (lastOffset >= Number.MAX_SAFE_INTEGER) throw corrupt('ends beyond offset 2^53 − 1', baseOffset);
  const recordCount = readInt32(bytes, at + RECORD_COUNT_AT);
  if (recordCount < 0) throw corrupt(`has the negative record count ${recordCount}`, baseOffset);
  return {
    baseOffset,
    sizeInBytes,
    leaderEpoch: readInt32(bytes, at + LEADER_EPOCH_AT),
    crc: readUint32(bytes, at + CRC_AT),
    attributes,
    compression,
    timestampType: attributes & 0x08 ? 'append' : 'create',
    isTransactional: (attributes & 0x10) !== 0,
    isControl: (attributes & 0x20) !== 0,
    lastOffset,
    baseTimestamp: readInt64(bytes, at + BASE_TIMESTAMP_AT),
    maxTimestamp: readInt64(bytes, at + MAX_TIMESTAMP_AT),
    producerId: readSafeInt64(bytes, at + PRODUCER_ID_AT, 'producer id', baseOffset),
    producerEpoch: readInt16(bytes, at + PRODUCER_EPOCH_AT),
    baseSequence: readInt32(bytes, at + BASE_SEQUENCE_AT),
    recordCount,
  };
}

/** Throws CORRUPT_MESSAGE (with the base offset) unless the CRC-32C over the batch at `at` is right. */
export function verifyBatch(bytes: Uint8Array, at: number, header: BatchHeader): void {
  const actual = crc32c(bytes, at + ATTRIBUTES_AT, at + header.sizeInBytes);
  if (actual !== header.crc) {
    throw corrupt(
      `has CRC-32C 0x${actual.toString(16)}, its header says 0x${header.crc.toString(16)}`,
      header.baseOffset,
    );
  }
}

/** Rewrites base offset and leader epoch in place; neither is under the CRC. */
export function stampBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(bytes, at, baseOffset);
  writeInt32(bytes, at + LEADER_EPOCH_AT, leaderEpoch);
}

/**
 * The whole batches in bytes[at, end), from headers alone: the offset after the last one (−1 if there is none), where they end,
 * and how many they are. Throws as {@link readBatchHeader}.
 */
export function scanBatches(
  bytes: Uint8Array,
  at: number,
  end: number,
): { nextOffset: number; end: number; count: number } {
  let nextOffset = -1;
  let position = at;
  let count = 0;
  for (;;) {
    const header = readBatchHeader(bytes, position, end);
    if (header === undefined) return { nextOffset, end: position, count };
    nextOffset = header.lastOffset + 1;
    position += header.sizeInBytes;
    count++;
  }
}

/** Rewrites the CRC of the batch that is all of `batch`. */
export function sealBatch(batch: Uint8Array): void {
  writeInt32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT));
}

/** CORRUPT_MESSAGE: "The batch at offset … `what`." */
export function corrupt(
  what: string,
  offset: number | undefined,
  context: { topic?: string; partition?: number } = {},
) {
  const place = offset === undefined ? '' : ` at offset ${offset}`;
  return new LogError('CORRUPT_MESSAGE', `The batch${place} ${what}.`, { offset, ...context });
}

function readSafeInt64(bytes: Uint8Array, at: number, name: string, offset?: number): number {
  const value = readInt64(bytes, at);
  if (Number.isSafeInteger(value)) return value;
  throw corrupt(`has the ${name} ${int64Text(bytes, at)}; at most 2^53 − 1 can be read without rounding`, offset);
}
