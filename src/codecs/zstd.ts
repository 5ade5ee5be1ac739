// Decompresses Zstandard frames: headers and blocks. Knows nothing of batches.
import { damaged, Output, tooLarge, type Words, wordsOf } from './output.ts';
import { BlockDecoder } from './zstd-block.ts';

const MAGIC = 0xfd2fb528;
/** The first of sixteen that stand for frames to pass over. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAX_BLOCK_BYTES = 128 * 1024;
/** What is often there to begin with, where a frame does not say. */
const USUAL_RATIO = 4;
/** The decoder reads words; those at the end may reach beyond. */
const PADDING_BYTES = 16;

/**
 * As {@link Decompress}: RECORD_TOO_LARGE, CORRUPT_MESSAGE. Any number of frames, without a dictionary; their checksums are passed over,
 * since a batch has its own.
 */
export function zstd(compressed: Uint8Array, maxBytes: number): Uint8Array {
  const end = compressed.length;
  const source = wordsOf(new Uint8Array(end + PADDING_BYTES));
  source.bytes.set(compressed);
  const { view } = source;
  const output = new Output(maxBytes, 0);
  let at = 0;
  do {
    if (end - at < 8) throw cutShort();
    const magic = view.getUint32(at, true);
    if (magic === MAGIC) at = decodeFrame(source, at + 4, end, output, maxBytes);
    else if ((magic & ~15) >>> 0 === SKIPPABLE_MAGIC) at += 8 + view.getUint32(at + 4, true);
    else throw damaged('it is not a Zstandard frame');
    if (at > end) throw cutShort();
  } while (at < end);
  return output.taken();
}

/** Returns where it ends. */
function decodeFrame(source: Words, start: number, end: number, output: Output, maxBytes: number): number {
  const { bytes, view } = source;
  const begin = output.length;
  const header = readHeader(bytes, view, start);
  const { contentBytes } = header;
  if (contentBytes > maxBytes - begin && contentBytes !== Number.POSITIVE_INFINITY) throw tooLarge(maxBytes);
  output.reserve(Math.min(contentBytes, (end - start) * USUAL_RATIO));
  const decoder = new BlockDecoder(source, output);
  let at = header.end;
  for (let last = false; !last; ) {
    if (at + 3 > end) throw cutShort();
    const word = view.getUint32(at, true);
    const size = (word >>> 3) & 0x1fffff;
    at += 3;
    last = (word & 1) === 1;
    const most = Math.min(header.blockBytes, contentBytes - (output.length - begin));
    const kind = (word >>> 1) & 3;
    const stored = kind === 1 ? 1 : size;
    if (at + stored > end) throw cutShort();
    if (kind === 2) {
      if (size > header.blockBytes) throw damaged(`a block has more than ${header.blockBytes} bytes`);
      decoder.decode(at, at + size, most);
    } else {
      if (kind === 3) throw damaged('a block is of no known kind');
      if (size > most) throw output.overflow(most);
      if (kind === 0) output.append(bytes, at, at + size);
      else output.fill(bytes[at] as number, size);
    }
    at += stored;
  }
  const came = output.length - begin;
  if (contentBytes !== Number.POSITIVE_INFINITY && came !== contentBytes) {
    throw damaged(`${came} bytes came out, not ${contentBytes}`);
  }
  return at + header.checksumBytes;
}

interface Header {
  readonly end: number;
  /** Infinity where it does not say. */
  readonly contentBytes: number;
  /** Most of one block, decompressed. */
  readonly blockBytes: number;
  /** After the last block. */
  readonly checksumBytes: number;
}

/** May read a few bytes too many: the caller sees by `end` that they are not there. */
function readHeader(bytes: Uint8Array, view: DataView, start: number): Header {
  let at = start;
  const flags = bytes[at++] as number;
  if ((flags & 8) !== 0) throw damaged('its header has no known form');
  const single = (flags & 32) !== 0;
  let windowBytes = 0;
  if (!single) {
    const byte = bytes[at++] as number;
    const base = 2 ** (10 + (byte >>> 3));
    windowBytes = base + (base / 8) * (byte & 7);
  }
  const dictionaryBytes = (1 << (flags & 3)) >> 1;
  for (let i = 0; i < dictionaryBytes; i++) if (bytes[at++] !== 0) throw damaged('it needs a dictionary');
  let contentBytes = Number.POSITIVE_INFINITY;
  const sizeFlag = flags >>> 6;
  if (sizeFlag === 3) contentBytes = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  else if (sizeFlag === 2) contentBytes = view.getUint32(at, true);
  else if (sizeFlag === 1) contentBytes = view.getUint16(at, true) + 256;
  else if (single) contentBytes = bytes[at] as number;
  at += sizeFlag === 0 ? Number(single) : 1 << sizeFlag;
  return {
    end: at,
    contentBytes,
    blockBytes: Math.min(MAX_BLOCK_BYTES, single ? contentBytes : windowBytes),
    checksumBytes: (flags & 4) !== 0 ? 4 : 0,
  };
}

function cutShort() {
  return damaged('it is cut short');
}
