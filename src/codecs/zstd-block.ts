// Decompresses the blocks of one Zstandard frame: literals, and the sequences that say where they go and what is repeated. Knows nothing of frames.
import { copyLiterals, copyMatch, damaged, type Output, room, type Words } from './output.ts';
import {
  bitsAt,
  decodeHuffman,
  type FseTable,
  fseTable,
  type HuffmanTable,
  markedBits,
  oneSymbolTable,
  readFseTable,
  readHuffmanTable,
} from './zstd-tables.ts';

/** One of the three codes of a sequence. */
interface Code {
  readonly maxSymbol: number;
  readonly maxLog: number;
  /** The log of the number of states, and how many of them each symbol has, where a block does not bring its own. */
  readonly usual: readonly [log: number, counts: readonly number[]];
}
const repeated = (count: number, value: number) => Array.from({ length: count }, () => value);
const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

const LITERAL_LENGTHS: Code = {
  maxSymbol: 35,
  maxLog: 9,
  usual: [6, [4, 3, ...repeated(11, 2), 1, 1, 1, ...repeated(9, 2), 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1]],
};
const OFFSETS: Code = {
  maxSymbol: 30,
  maxLog: 8,
  usual: [5, [...repeated(6, 1), 2, 2, 2, ...repeated(15, 1), ...repeated(5, -1)]],
};
const MATCH_LENGTHS: Code = {
  maxSymbol: 52,
  maxLog: 9,
  usual: [6, [1, 4, 3, ...repeated(6, 2), ...repeated(37, 1), ...repeated(7, -1)]],
};
/** By symbol: how many bits follow, and the smallest value. */
const LITERAL_LENGTH_BITS = Uint8Array.from([...repeated(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, ...upTo(6, 16)]);
const LITERAL_LENGTH_BASE = bases(LITERAL_LENGTH_BITS, 0);
const MATCH_LENGTH_BITS = Uint8Array.from([...repeated(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, ...upTo(7, 16)]);
const MATCH_LENGTH_BASE = bases(MATCH_LENGTH_BITS, 3);

function bases(bits: Uint8Array, first: number): Int32Array {
  let next = first;
  return Int32Array.from(bits, (count) => {
    const base = next;
    next += 1 << count;
    return base;
  });
}

export class BlockDecoder {
  readonly #source: Words;
  readonly #output: Output;
  /** Where the frame begins: nothing before it is repeated. */
  readonly #begin: number;
  /** What later blocks may refer to. */
  #huffman: HuffmanTable | undefined;
  #literalLengths: FseTable | undefined;
  #offsets: FseTable | undefined;
  #matchLengths: FseTable | undefined;
  #distance1 = 1;
  #distance2 = 4;
  #distance3 = 8;
  /** The literals of the block, in the source itself where they are not compressed. */
  #literals: Words;
  #literalsAt = 0;
  #literalsEnd = 0;
  #scratch = room(0);

  /** A few bytes after the last block must be there to be read. */
  constructor(source: Words, output: Output) {
    this.#source = source;
    this.#output = output;
    this.#begin = output.length;
    this.#literals = source;
  }

  /** `most`: how many bytes may come out. */
  decode(start: number, end: number, most: number): void {
    const { bytes, view } = this.#source;
    let at = this.#readLiterals(start, end, most);
    if (at >= end) throw damaged('a block is cut short');
    let count = bytes[at++] as number;
    if (count === 255) {
      count = view.getUint16(at, true) + 0x7f00;
      at += 2;
    } else if (count >= 128) {
      count = ((count - 128) << 8) + (bytes[at++] as number);
    }
    if (count === 0) {
      if (at !== end) throw damaged('bytes follow a block');
    } else {
      const modes = bytes[at++] as number;
      if ((modes & 3) !== 0) throw damaged('a block has no known form');
      const table = (mode: number, code: Code, previous: FseTable | undefined): FseTable => {
        if (mode === 0) return fseTable(...code.usual);
        if (mode === 1) return oneSymbolTable(bytes[at++] as number, code.maxSymbol);
        if (mode === 2) {
          const read = readFseTable(view, at, end, code.maxSymbol, code.maxLog);
          at = read.end;
          return read.table;
        }
        if (previous === undefined) throw damaged('a block refers to a table that is not there');
        return previous;
      };
      this.#literalLengths = table(modes >>> 6, LITERAL_LENGTHS, this.#literalLengths);
      this.#offsets = table((modes >>> 4) & 3, OFFSETS, this.#offsets);
      this.#matchLengths = table((modes >>> 2) & 3, MATCH_LENGTHS, this.#matchLengths);
      if (at >= end) throw damaged('a block is cut short');
      this.#runSequences(at, end, count, most, this.#literalLengths, this.#offsets, this.#matchLengths);
    }
    this.#output.append(this.#literals.bytes, this.#literalsAt, this.#literalsEnd);
  }

  /** Returns where they end. */
  #readLiterals(start: number, end: number, most: number): number {
    const word = this.#source.view.getUint32(start, true);
    const kind = word & 3;
    const form = (word >>> 2) & 3;
    return kind < 2
      ? this.#readPlainLiterals(start, end, most, word, kind === 1, form)
      : this.#readPackedLiterals(start, end, most, word, kind === 3, form);
  }
  #readPlainLiterals(start: number, end: number, most: number, word: number, oneByte: boolean, form: number): number {
    const headerBytes = form === 1 ? 2 : form === 3 ? 3 : 1;
    const count = form === 1 ? (word >>> 4) & 0xfff : form === 3 ? (word >>> 4) & 0xfffff : (word >>> 3) & 31;
    const at = start + headerBytes;
    const next = at + (oneByte ? 1 : count);
    if (next > end) throw damaged('literals are cut short');
    if (count > most) throw this.#output.overflow(most);
    if (oneByte) this.#room(count).fill(this.#source.bytes[at] as number, 0, count);
    else [this.#literals, this.#literalsAt, this.#literalsEnd] = [this.#source, at, next];
    return next;
  }
  #readPackedLiterals(start: number, end: number, most: number, word: number, again: boolean, form: number): number {
    const sizeBits = form === 3 ? 18 : form === 2 ? 14 : 10;
    const mask = (1 << sizeBits) - 1;
    const count = (word >>> 4) & mask;
    let at = start + (form === 3 ? 5 : form === 2 ? 4 : 3);
    const high = form === 3 ? (this.#source.bytes[start + 4] as number) << 10 : 0;
    const size = ((word >>> (4 + sizeBits)) | high) & mask;
    const { view } = this.#source;
    const next = at + size;
    if (next > end) throw damaged('literals are cut short');
    if (count > most) throw this.#output.overflow(most);
    if (!again) {
      const read = readHuffmanTable(view, at, next);
      this.#huffman = read.table;
      at = read.end;
    }
    const table = this.#huffman;
    if (table === undefined) throw damaged('a block refers to a table that is not there');
    const out = this.#room(count);
    if (form === 0) {
      decodeHuffman(view, at, next, table, out, 0, count);
      return next;
    }
    // Four streams, the sizes of the first three before them.
    const quarter = (count + 3) >>> 2;
    if (at + 6 > next || 3 * quarter > count) throw damaged('literals are cut short');
    let from = at + 6;
    for (let i = 0; i < 4; i++) {
      const to = i === 3 ? next : from + view.getUint16(at + 2 * i, true);
      if (to > next) throw damaged('literals are cut short');
      decodeHuffman(view, from, to, table, out, i * quarter, i === 3 ? count : (i + 1) * quarter);
      from = to;
    }
    return next;
  }
  /** For so many literals that are made here. */
  #room(count: number): Uint8Array {
    if (this.#scratch.bytes.length < count) this.#scratch = room(count);
    this.#literals = this.#scratch;
    this.#literalsAt = 0;
    this.#literalsEnd = count;
    return this.#scratch.bytes;
  }

  #runSequences(
    start: number,
    end: number,
    count: number,
    most: number,
    literalLengths: FseTable,
    offsets: FseTable,
    matchLengths: FseTable,
  ): void {
    const { view } = this.#source;
    const output = this.#output;
    const begin = this.#begin;
    const limit = output.reserve(most);
    const out = output.words;
    const literals = this.#literals;
    const literalsEnd = this.#literalsEnd;
    let literalsAt = this.#literalsAt;
    let distance1 = this.#distance1;
    let distance2 = this.#distance2;
    let distance3 = this.#distance3;
    let write = output.length;
    // The bits are read from the end; `bits` are left.
    let bits = markedBits(view, start, end);
    const literalLengthTable = literalLengths.states;
    const offsetTable = offsets.states;
    const matchLengthTable = matchLengths.states;
    let literalLengthState = bitsAt(view, start, (bits -= literalLengths.log), literalLengths.log);
    let offsetState = bitsAt(view, start, (bits -= offsets.log), offsets.log);
    let matchLengthState = bitsAt(view, start, (bits -= matchLengths.log), matchLengths.log);
    for (let left = count; ; ) {
      const literalLengthEntry = literalLengthTable[literalLengthState] as number;
      const offsetEntry = offsetTable[offsetState] as number;
      const matchLengthEntry = matchLengthTable[matchLengthState] as number;

      const offsetBits = offsetEntry & 255;
      let value = 1 << offsetBits;
      if (offsetBits > 16) value += bitsAt(view, start, (bits -= offsetBits - 16), offsetBits - 16) << 16;
      const lowBits = Math.min(offsetBits, 16);
      value += bitsAt(view, start, (bits -= lowBits), lowBits);
      const matchBits = MATCH_LENGTH_BITS[matchLengthEntry & 255] as number;
      const matchBase = MATCH_LENGTH_BASE[matchLengthEntry & 255] as number;
      const matchLength = matchBase + bitsAt(view, start, (bits -= matchBits), matchBits);
      const literalBits = LITERAL_LENGTH_BITS[literalLengthEntry & 255] as number;
      const literalBase = LITERAL_LENGTH_BASE[literalLengthEntry & 255] as number;
      const literalLength = literalBase + bitsAt(view, start, (bits -= literalBits), literalBits);
      if (bits < 0) throw damaged('sequences are cut short');

      let distance = value - 3;
      if (distance > 0) {
        distance3 = distance2;
        distance2 = distance1;
        distance1 = distance;
      } else {
        // One of the last three, or the last but one byte; without literals the last one cannot be meant.
        const which = literalLength === 0 ? value : value - 1;
        distance = which === 0 ? distance1 : which === 1 ? distance2 : which === 2 ? distance3 : distance1 - 1;
        if (which > 1) distance3 = distance2;
        if (which > 0) distance2 = distance1;
        distance1 = distance;
      }
      if (literalLength > literalsEnd - literalsAt) throw damaged('there are too few literals');
      if (literalLength + matchLength > limit - write) throw output.overflow(most);
      copyLiterals(literals, literalsAt, out, write, literalLength);
      literalsAt += literalLength;
      write += literalLength;
      if (distance <= 0 || distance > write - begin) throw damaged('a repetition of what is not there');
      copyMatch(out, write, distance, matchLength);
      write += matchLength;

      if (--left === 0) break;
      const literalLengthMore = (literalLengthEntry >>> 8) & 255;
      const matchLengthMore = (matchLengthEntry >>> 8) & 255;
      const offsetMore = (offsetEntry >>> 8) & 255;
      literalLengthState =
        (literalLengthEntry >>> 16) + bitsAt(view, start, (bits -= literalLengthMore), literalLengthMore);
      matchLengthState = (matchLengthEntry >>> 16) + bitsAt(view, start, (bits -= matchLengthMore), matchLengthMore);
      offsetState = (offsetEntry >>> 16) + bitsAt(view, start, (bits -= offsetMore), offsetMore);
    }
    if (bits !== 0) throw damaged('bits follow the sequences');
    // What is left of the block are literals.
    if (literalsEnd - literalsAt > limit - write) throw output.overflow(most);
    output.length = write;
    this.#literalsAt = literalsAt;
    this.#distance1 = distance1;
    this.#distance2 = distance2;
    this.#distance3 = distance3;
  }
}
