// Whole batches compressed and decompressed. Knows nothing of records.
import { readInt16, writeInt16, writeInt32 } from './bytes.ts';
import { LogError } from './errors.ts';
import { gunzip, gzip } from './gzip.ts';
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  COMPRESSIONS,
  type Compression,
  corrupt,
  LENGTH_AT,
  LENGTH_PREFIX_BYTES,
  sealBatch,
  verifyBatch,
} from './record-batch.ts';

/** Throws or rejects where the bytes are damaged; RECORD_TOO_LARGE, before it has made them all, where more than `maxBytes` would come out. */
export type Decompress = (compressed: Uint8Array, maxBytes: number) => Uint8Array | Promise<Uint8Array>;
export type Codec = Exclude<Compression, 'none'>;
/** By codec. A key whose value is `undefined` counts as absent. */
export type Decompressors = { readonly [C in Codec]?: Decompress | undefined };

/** What there is with those of the application: the runtime's own gzip, where it has one, unless there is another. */
export function withBuiltIn(given: Decompressors = {}): Decompressors {
  const { gzip = typeof DecompressionStream === 'undefined' ? undefined : gunzip } = given;
  return { ...given, gzip };
}
/** The codecs these are for. */
export function codecsOf(decompressors: Decompressors): Codec[] {
  return COMPRESSIONS.filter((codec) => codec !== 'none' && decompressors[codec] !== undefined) as Codec[];
}

/** The uncompressed batch that is all of `batch`, its records compressed; length, attributes and CRC rewritten. */
export async function compressBatch(batch: Uint8Array, codec: 'gzip'): Promise<Uint8Array<ArrayBuffer>> {
  return rebuild(batch, 0, await gzip(plain(batch, BATCH_HEADER_BYTES, batch.length)), codec);
}

/**
 * The batch at `at` with its records decompressed: length, attributes and CRC rewritten, all else kept. Checks the original CRC first.
 * `codecs`: what there is beyond the runtime's own. Always a copy, also of a batch that is not compressed. Rejects with RECORD_TOO_LARGE where the whole would be over `maxBytes`,
 * UNSUPPORTED_COMPRESSION_TYPE, CORRUPT_MESSAGE.
 */
export async function decompressBatch(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  maxBytes: number,
  codecs: Decompressors = {},
): Promise<Uint8Array<ArrayBuffer>> {
  return inflateBatch(bytes, at, header, maxBytes, codecs);
}

/** As {@link decompressBatch}, at once where the codec answers at once; then it throws what that rejects with. */
export function inflateBatch(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  maxBytes: number,
  codecs: Decompressors,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  verifyBatch(bytes, at, header);
  const { compression, baseOffset } = header;
  const compressed = plain(bytes, at + BATCH_HEADER_BYTES, at + header.sizeInBytes);
  if (compression === 'none') {
    if (header.sizeInBytes > maxBytes) throw tooLarge(baseOffset, maxBytes);
    return rebuild(bytes, at, compressed, 'none');
  }
  const known = withBuiltIn(codecs);
  const decompress = known[compression];
  if (decompress === undefined) {
    const names = ['none', ...codecsOf(known)].join(', ');
    const message = `The batch at offset ${baseOffset} is compressed with ${compression}; this end has ${names}.`;
    throw new LogError('UNSUPPORTED_COMPRESSION_TYPE', message, { offset: baseOffset });
  }
  const room = Math.max(maxBytes - BATCH_HEADER_BYTES, 0);
  const done = (records: Uint8Array): Uint8Array<ArrayBuffer> => {
    if (records.length > room) throw tooLarge(baseOffset, maxBytes);
    return rebuild(bytes, at, records, 'none');
  };
  const failed = (error: unknown): never => {
    if (error instanceof LogError && error.code === 'RECORD_TOO_LARGE') throw tooLarge(baseOffset, maxBytes);
    throw corrupt(`cannot be decompressed (${compression}): ${LogError.from(error).message}`, baseOffset);
  };
  let records: Uint8Array | Promise<Uint8Array>;
  try {
    records = decompress(compressed, room);
  } catch (error) {
    return failed(error);
  }
  return records instanceof Promise ? records.then(done, failed) : done(records);
}

function rebuild(source: Uint8Array, at: number, records: Uint8Array, codec: Compression): Uint8Array<ArrayBuffer> {
  const batch = new Uint8Array(BATCH_HEADER_BYTES + records.length);
  batch.set(plain(source, at, at + BATCH_HEADER_BYTES));
  batch.set(records, BATCH_HEADER_BYTES);
  writeInt32(batch, LENGTH_AT, batch.length - LENGTH_PREFIX_BYTES);
  writeInt16(batch, ATTRIBUTES_AT, (readInt16(batch, ATTRIBUTES_AT) & ~7) | COMPRESSIONS.indexOf(codec));
  sealBatch(batch);
  return batch;
}

function plain(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

function tooLarge(offset: number, maxBytes: number): LogError {
  return new LogError(
    'RECORD_TOO_LARGE',
    `The batch at offset ${offset} has more than ${maxBytes} bytes decompressed.`,
    {
      offset,
    },
  );
}
