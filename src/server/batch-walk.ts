// Walks the headers of the batches in a buffer without making objects of them: how many fit a limit, and which codecs they use. Never looks at records.
import { type Compression, LogError } from '../protocol/index.ts';
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  COMPRESSIONS,
  LAST_OFFSET_DELTA_AT,
  LENGTH_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
} from '../protocol/record-batch.ts';

export interface BatchRun {
  /** Where the last batch taken ends. */
  readonly end: number;
  readonly count: number;
  /** The offset after the last batch taken. */
  readonly nextOffset: number;
  /** Whether it stopped at a batch compressed with a codec that is not in `codecs`. */
  readonly foreignCodec: Compression | undefined;
  readonly firstOffset: number;
}

/**
 * Takes whole batches from `start` while they fit `maxBytes` (the first one always fits) and while their codec is among
 * `codecs`; a trailing partial batch is left out. Throws for what is wrong with the first batch: RECORD_TOO_LARGE over
 * `maxBatchBytes`, UNSUPPORTED_FOR_MESSAGE_FORMAT, UNSUPPORTED_COMPRESSION_TYPE for a codec nobody knows, CORRUPT_MESSAGE for bytes that cannot be a batch.
 */
export function walkBatches(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxBytes: number,
  codecs: ReadonlySet<Compression>,
  maxBatchBytes: number,
): BatchRun {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  let count = 0;
  let nextOffset = -1;
  let firstOffset = -1;
  let foreignCodec: Compression | undefined;
  while (end - at >= BATCH_HEADER_BYTES) {
    const size = view.getInt32(at + LENGTH_AT) + LENGTH_PREFIX_BYTES;
    const baseOffset = Number(view.getBigInt64(at));
    if (count === 0) firstOffset = baseOffset;
    if (size < BATCH_HEADER_BYTES) {
      if (count > 0) break;
      throw new LogError('CORRUPT_MESSAGE', `The batch at offset ${baseOffset} says it has ${size} bytes.`, {
        offset: baseOffset,
      });
    }
    if (size > end - at || (count > 0 && at + size - start > maxBytes)) break;
    if (size > maxBatchBytes) {
      if (count > 0) break;
      throw new LogError(
        'RECORD_TOO_LARGE',
        `The batch at offset ${baseOffset} has ${size} bytes, more than ${maxBatchBytes}; seek past it to go on.`,
        { offset: baseOffset },
      );
    }
    if (view.getInt8(at + MAGIC_AT) !== 2) {
      if (count > 0) break;
      const magic = view.getInt8(at + MAGIC_AT);
      throw new LogError(
        'UNSUPPORTED_FOR_MESSAGE_FORMAT',
        `The batch at offset ${baseOffset} has magic ${magic}; only 2 is served.`,
        { offset: baseOffset },
      );
    }
    const codec = COMPRESSIONS[view.getInt16(at + ATTRIBUTES_AT) & 7];
    if (codec === undefined || !codecs.has(codec)) {
      foreignCodec = codec ?? 'none';
      if (codec === undefined && count === 0) {
        throw new LogError('UNSUPPORTED_COMPRESSION_TYPE', `The batch at offset ${baseOffset} has an unknown codec.`, {
          offset: baseOffset,
        });
      }
      break;
    }
    nextOffset = baseOffset + view.getInt32(at + LAST_OFFSET_DELTA_AT) + 1;
    at += size;
    count++;
  }
  return { end: at, count, nextOffset, foreignCodec, firstOffset };
}
