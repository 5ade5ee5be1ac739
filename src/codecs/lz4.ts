// Decompresses one LZ4 frame. Knows nothing of batches.
import { copyLiterals, copyMatch, damaged, Output, tooLarge, type Words, wordsOf } from './output.ts';

const MAGIC = 0x184d2204;
/** By the number in the header: 64 KiB, 256 KiB, 1 MiB, 4 MiB. */
const BLOCK_BYTES = [65_536, 262_144, 1_048_576, 4_194_304];
/** In the word before a block: its bytes are not compressed. */
const PLAIN_BLOCK = 0x8000_0000;
const MIN_MATCH = 4;

/**
 * As {@link Decompress}: RECORD_TOO_LARGE, CORRUPT_MESSAGE. The header's checksum is checked; those of blocks and content are passed
 * over, since a batch has its own. One frame, not several.
 */
export function lz4(compressed: Uint8Array, maxBytes: number): Uint8Array {
  const words = wordsOf(compressed);
  const { view } = words;
  const header = readHeader(view, compressed);
  const { contentBytes, blockBytes, checksumBytes } = header;
  if (contentBytes !== undefined && contentBytes > maxBytes) throw tooLarge(maxBytes);
  const content = contentBytes ?? Number.POSITIVE_INFINITY;
  // Room is made for each block when it is known how much it needs.
  const output = new Output(maxBytes, 0);
  let at = header.end;
  for (;;) {
    if (at + 4 > compressed.length) throw cutShort();
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const size = word & ~PLAIN_BLOCK;
    if (size > compressed.length - at) throw cutShort();
    const most = Math.min(
      blockBytes,
      content - output.length,
      word < PLAIN_BLOCK ? blockLength(compressed, at, at + size) : size,
    );
    if (word < PLAIN_BLOCK) {
      decodeBlock(words, at, at + size, output, most, header.independent ? output.length : 0);
    } else {
      if (size > most) throw output.overflow(most);
      output.append(compressed, at, at + size);
    }
    at += size + checksumBytes;
  }
  at += header.contentChecksumBytes;
  if (at > compressed.length) throw cutShort();
  if (at < compressed.length) throw damaged('bytes follow the frame');
  if (contentBytes !== undefined && contentBytes !== output.length) {
    throw damaged(`${output.length} bytes came out, not ${contentBytes}`);
  }
  return output.taken();
}

interface Header {
  readonly end: number;
  /** Blocks repeat nothing of those before. */
  readonly independent: boolean;
  /** Most of one block, decompressed. */
  readonly blockBytes: number;
  readonly contentBytes: number | undefined;
  /** After each block. */
  readonly checksumBytes: number;
  readonly contentChecksumBytes: number;
}

function readHeader(view: DataView, bytes: Uint8Array): Header {
  if (bytes.length < 7) throw cutShort();
  if (view.getUint32(0, true) !== MAGIC) throw damaged('it is not an LZ4 frame');
  const flags = bytes[4] as number;
  const blockBytes = BLOCK_BYTES[((bytes[5] as number) >>> 4) - 4];
  if (flags >>> 6 !== 1 || (flags & 2) !== 0 || blockBytes === undefined) throw damaged('its header has no known form');
  if ((flags & 1) !== 0) throw damaged('it needs a dictionary');
  const hasSize = (flags & 8) !== 0;
  const end = hasSize ? 15 : 7;
  if (bytes.length < end) throw cutShort();
  if (bytes[end - 1] !== headerChecksum(view, 4, end - 1)) throw damaged('the checksum of its header is wrong');
  return {
    end,
    independent: (flags & 32) !== 0,
    blockBytes,
    contentBytes: hasSize ? view.getUint32(6, true) + view.getUint32(10, true) * 2 ** 32 : undefined,
    checksumBytes: (flags & 16) !== 0 ? 4 : 0,
    contentChecksumBytes: (flags & 4) !== 0 ? 4 : 0,
  };
}

/** The second byte of XXH32, as it is for fewer than 16 bytes. */
function headerChecksum(view: DataView, start: number, end: number): number {
  let hash = 0x165667b1 + (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash += Math.imul(view.getInt32(at, true), 0xc2b2ae3d);
    hash = Math.imul((hash << 17) | (hash >>> 15), 0x27d4eb2f);
  }
  for (; at < end; at++) {
    hash += Math.imul(view.getUint8(at), 0x165667b1);
    hash = Math.imul((hash << 11) | (hash >>> 21), 0x9e3779b1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d);
  return ((hash ^ (hash >>> 16)) >>> 8) & 255;
}

/** How many bytes a block has decompressed: a walk over its tokens costs less than room that is not needed. Of a damaged one anything. */
function blockLength(source: Uint8Array, start: number, end: number): number {
  let bytes = 0;
  let at = start;
  while (at < end) {
    const token = source[at++] as number;
    let length = token >>> 4;
    if (length === 15) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = source[at++] as number;
        length += byte;
      }
    }
    bytes += length;
    at += length;
    if (at >= end) break;
    at += 2;
    length = token & 15;
    if (length === 15) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = source[at++] as number;
        length += byte;
      }
    }
    bytes += length + MIN_MATCH;
  }
  return bytes;
}

/** `most`: how many bytes it may have; `reach`: where what it repeats may begin. */
function decodeBlock(words: Words, start: number, end: number, output: Output, most: number, reach: number): void {
  const limit = output.reserve(most);
  const out = output.words;
  const source = words.bytes;
  let read = start;
  let write = output.length;
  while (read < end) {
    const token = source[read++] as number;
    let length = token >>> 4;
    if (length === 15) {
      let byte = 255;
      while (byte === 255) {
        if (read >= end) throw cutShort();
        byte = source[read++] as number;
        length += byte;
      }
    }
    if (length > end - read) throw cutShort();
    if (length > limit - write) throw output.overflow(most);
    copyLiterals(words, read, out, write, length);
    read += length;
    write += length;
    // The last sequence is of literals only.
    if (read === end) break;
    if (end - read < 2) throw cutShort();
    const distance = (source[read] as number) | ((source[read + 1] as number) << 8);
    read += 2;
    length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      let byte = 255;
      while (byte === 255) {
        if (read >= end) throw cutShort();
        byte = source[read++] as number;
        length += byte;
      }
    }
    if (distance === 0 || distance > write - reach) throw damaged('a repetition of what is not there');
    if (length > limit - write) throw output.overflow(most);
    copyMatch(out, write, distance, length);
    write += length;
  }
  output.length = write;
}

function cutShort() {
  return damaged('it is cut short');
}
