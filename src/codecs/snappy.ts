// Decompresses snappy: one raw block, as librdkafka writes it, or blocks in the framing of Java's snappy (xerial). Knows nothing of batches.
import { copyLiterals, copyMatch, damaged, room, tooLarge, type Words, wordsOf } from './output.ts';

/** 0x82 'SNAPPY' 0; no raw block begins so, since its first element would repeat what is not there. */
const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0];
/** The magic, the version, and the oldest version that can read it. */
const XERIAL_HEADER_BYTES = 16;
/** The densest element: three bytes that repeat 64. */
const MAX_RATIO = 22;

interface Block {
  readonly at: number;
  readonly end: number;
  readonly plainBytes: number;
}

/** As {@link Decompress}: RECORD_TOO_LARGE before anything is allocated, CORRUPT_MESSAGE. */
export function snappy(compressed: Uint8Array, maxBytes: number): Uint8Array {
  const blocks = XERIAL_MAGIC.every((byte, i) => compressed[i] === byte)
    ? xerialBlocks(compressed)
    : [readBlock(compressed, 0, compressed.length)];
  let size = 0;
  for (const { plainBytes } of blocks) size += plainBytes;
  if (size > maxBytes) throw tooLarge(maxBytes);
  const source = wordsOf(compressed);
  const plain = room(size);
  let at = 0;
  for (const block of blocks) {
    decodeBlock(source, block, plain, at);
    at += block.plainBytes;
  }
  return plain.bytes.subarray(0, size);
}

function xerialBlocks(bytes: Uint8Array): Block[] {
  const { view } = wordsOf(bytes);
  const blocks: Block[] = [];
  if (bytes.length < XERIAL_HEADER_BYTES) throw cutShort();
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    if (bytes.length - at < 4) throw cutShort();
    const size = view.getUint32(at);
    at += 4;
    if (size > bytes.length - at) throw cutShort();
    blocks.push(readBlock(bytes, at, at + size));
    at += size;
  }
  return blocks;
}

/** Its length comes first, seven bits a byte, the lowest first. */
function readBlock(bytes: Uint8Array, start: number, end: number): Block {
  let plainBytes = 0;
  for (let at = start, shift = 0; shift < 35 && at < end; shift += 7) {
    const byte = bytes[at++] as number;
    plainBytes += (byte & 127) * 2 ** shift;
    if (byte >= 128) continue;
    if (plainBytes > (end - at) * MAX_RATIO) throw damaged(`${end - at} bytes cannot be ${plainBytes}`);
    return { at, end, plainBytes };
  }
  throw damaged('a block does not say how long it is');
}

function decodeBlock(words: Words, { at, end, plainBytes }: Block, out: Words, start: number): void {
  const source = words.bytes;
  const limit = start + plainBytes;
  let read = at;
  let write = start;
  while (read < end) {
    const tag = source[read++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const lengthBytes = length - 60;
        length = littleEndian(source, read, lengthBytes) + 1;
        read += lengthBytes;
      }
      if (length > end - read || length > limit - write) throw damaged('literals go over the end');
      copyLiterals(words, read, out, write, length);
      read += length;
      write += length;
      continue;
    }
    let length = (tag >>> 2) + 1;
    let distance: number;
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) | (source[read++] as number);
    } else {
      const distanceBytes = kind === 2 ? 2 : 4;
      distance = littleEndian(source, read, distanceBytes);
      read += distanceBytes;
    }
    if (read > end || length > limit - write) throw damaged('a repetition goes over the end');
    if (distance === 0 || distance > write - start) throw damaged('a repetition of what is not there');
    copyMatch(out, write, distance, length);
    write += length;
  }
  if (write !== limit) throw damaged(`${write - start} bytes came out, not ${plainBytes}`);
}

/** Up to four bytes; those after the end count as 0. */
function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= (bytes[at + i] ?? 0) << (8 * i);
  return value >>> 0;
}

function cutShort() {
  return damaged('it is cut short');
}
