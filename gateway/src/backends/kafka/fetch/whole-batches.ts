// Where whole batches end among the bytes that a broker answered, which may be cut anywhere. Looks at batch headers only.
const LENGTH_AT = 8;
const LENGTH_PREFIX_BYTES = 12;
const MAGIC_AT = 16;
const LAST_OFFSET_DELTA_AT = 23;
const HEADER_BYTES = 61;

export interface WholeBatches {
  readonly end: number;
  /** The offset after the last one; −1: there is none, or what is there cannot be read. */
  readonly nextOffset: number;
}

/**
 * From `start` as many as fit `maxBytes`; the first whatever its size. Where the first is not a batch of magic 2, everything
 * counts: who makes a frame of it says what is wrong with it.
 */
export function wholeBatches(bytes: Uint8Array, start: number, maxBytes: number): WholeBatches {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let nextOffset = -1;
  let at = start;
  while (bytes.length - at > MAGIC_AT) {
    const size = view.getInt32(at + LENGTH_AT) + LENGTH_PREFIX_BYTES;
    if (view.getInt8(at + MAGIC_AT) !== 2 || size < HEADER_BYTES) {
      if (at === start) at = bytes.length;
      break;
    }
    if (size > bytes.length - at || (at > start && at + size - start > maxBytes)) break;
    nextOffset = Number(view.getBigInt64(at)) + view.getInt32(at + LAST_OFFSET_DELTA_AT) + 1;
    at += size;
  }
  return { end: at, nextOffset };
}
