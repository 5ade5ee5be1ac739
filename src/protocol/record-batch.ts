// Kafka RecordBatch v2 (magic 2): reading headers, checking, decoding and encoding. Knows nothing of frames or logs.
import type { ConsumerRecord, RecordHeader } from './types.ts';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

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
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}
export interface RecordToEncode {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  readonly timestamp: number;
}
export interface EncodeBatchOptions {
  readonly baseOffset?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}
/** `undefined`: fewer bytes than the batch has (a trailing partial batch). Throws UNSUPPORTED_FOR_MESSAGE_FORMAT, CORRUPT_MESSAGE. */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader | undefined {
  throw new Error(`not implemented ${bytes.length} ${at}`);
}
/** Throws CORRUPT_MESSAGE (with the base offset) unless the CRC-32C over the batch at `at` is right. */
export function verifyBatch(bytes: Uint8Array, at: number, header: BatchHeader): void {
  throw new Error(`not implemented ${bytes.length} ${at} ${header}`);
}
/** Walks the records of one uncompressed batch; keys, values and header values are views into `bytes`. */
export class RecordReader {
  constructor(topic: string, partition: number, bytes: Uint8Array, at: number, header: BatchHeader) {
    throw new Error(`not implemented ${topic} ${partition} ${bytes.length} ${at} ${header}`);
  }
  /** The next record with offset ≥ fromOffset, or `undefined` at the end. Throws CORRUPT_MESSAGE. */
  next(fromOffset: number): ConsumerRecord | undefined {
    throw new Error(`not implemented ${fromOffset}`);
  }
}
/** An uncompressed batch (attributes 0). At least one record. */
export function encodeBatch(records: readonly RecordToEncode[], options?: EncodeBatchOptions): Uint8Array<ArrayBuffer> {
  throw new Error(`not implemented ${records} ${options}`);
}
/** The same batch with its records gzipped, CRC and length rewritten. */
export function compressBatch(batch: Uint8Array, codec: 'gzip'): Promise<Uint8Array<ArrayBuffer>> {
  throw new Error(`not implemented ${batch} ${codec}`);
}
/** The batch at `at` with its records decompressed (all else kept, CRC rewritten). RECORD_TOO_LARGE over `maxBytes`, UNSUPPORTED_COMPRESSION_TYPE, CORRUPT_MESSAGE. */
export function decompressBatch(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  throw new Error(`not implemented ${bytes} ${at} ${header} ${maxBytes}`);
}
/** Rewrites base offset and leader epoch in place; neither is under the CRC. */
export function stampBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  throw new Error(`not implemented ${bytes} ${at} ${baseOffset} ${leaderEpoch}`);
}
/** Last offset + 1 and bytes of whole batches in `bytes[at, end)`, from headers alone. */
export function scanBatches(
  bytes: Uint8Array,
  at: number,
  end: number,
): { nextOffset: number; end: number; count: number } {
  throw new Error(`not implemented ${bytes} ${at} ${end}`);
}
