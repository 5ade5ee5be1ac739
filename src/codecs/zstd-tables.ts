// The two entropy codes of Zstandard, FSE and Huffman: their tables, and the bits they are read from. Knows nothing of what the symbols mean.
import { damaged } from './output.ts';

export interface FseTable {
  readonly log: number;
  /** By state: the symbol in bits 0–7, how many bits the next state takes in 8–15, and what is added to them from 16. */
  readonly states: Uint32Array;
}
export interface HuffmanTable {
  readonly log: number;
  /** By the next `log` bits: the symbol in bits 0–7, and how many bits it takes from 8. */
  readonly entries: Uint16Array;
}

const MAX_HUFFMAN_LOG = 11;
const MAX_WEIGHT_LOG = 6;
const MAX_WEIGHTS = 255;

/** `count` bits (up to 25), the lowest of them `bit` bits after the byte `start`. The word that holds them must be there. */
export function bitsAt(view: DataView, start: number, bit: number, count: number): number {
  return (view.getUint32(start + (bit >> 3), true) >>> (bit & 7)) & ((1 << count) - 1);
}
/** How many bits stand before the mark, which is the highest bit that is set in the last byte. */
export function markedBits(view: DataView, start: number, end: number): number {
  const last = end > start ? view.getUint8(end - 1) : 0;
  if (last === 0) throw damaged('bits are cut short');
  return (end - start) * 8 - 1 - (Math.clz32(last) - 24);
}

/** `counts`: how many of the 2^log states each symbol has; −1: the rarest, one state at the end. */
export function fseTable(log: number, counts: readonly number[]): FseTable {
  const size = 1 << log;
  const states = new Uint32Array(size);
  let high = size;
  for (const [symbol, count] of counts.entries()) if (count < 0) states[--high] = symbol;
  const step = (size >>> 1) + (size >>> 3) + 3;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      states[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  }
  const next = counts.map(Math.abs);
  for (let state = 0; state < size; state++) {
    const symbol = states[state] as number;
    const number = next[symbol] as number;
    next[symbol] = number + 1;
    const more = log - (31 - Math.clz32(number));
    states[state] = symbol | (more << 8) | (((number << more) - size) << 16);
  }
  return { log, states };
}

export function oneSymbolTable(symbol: number, maxSymbol: number): FseTable {
  if (symbol > maxSymbol) throw damaged(`a table has the symbol ${symbol}, which is over ${maxSymbol}`);
  return { log: 0, states: Uint32Array.of(symbol) };
}

export function readFseTable(
  view: DataView,
  start: number,
  end: number,
  maxSymbol: number,
  maxLog: number,
): { readonly table: FseTable; readonly end: number } {
  const log = bitsAt(view, start, 0, 4) + 5;
  if (log > maxLog) throw damaged(`a table has 2^${log} states, more than 2^${maxLog}`);
  const counts: number[] = [];
  let bit = 4;
  for (let left = 1 << log; left > 0; ) {
    if (start + (bit >>> 3) >= end) throw damaged('a table is cut short');
    if (counts.length > maxSymbol) throw damaged(`a table has symbols over ${maxSymbol}`);
    // From 0 to left + 1; the lowest of these values take a bit less.
    const width = 32 - Math.clz32(left + 1);
    const shorter = (1 << width) - 2 - left;
    const half = 1 << (width - 1);
    const read = bitsAt(view, start, bit, width);
    const low = read & (half - 1);
    const value = low < shorter ? low : read < half ? read : read - shorter;
    bit += low < shorter ? width - 1 : width;
    const count = value - 1;
    counts.push(count);
    left -= Math.abs(count);
    if (count !== 0) continue;
    for (let zeros = 3; zeros === 3; ) {
      zeros = bitsAt(view, start, bit, 2);
      bit += 2;
      if (counts.length + zeros > maxSymbol + 1) throw damaged(`a table has symbols over ${maxSymbol}`);
      for (let i = 0; i < zeros; i++) counts.push(0);
    }
  }
  const next = start + ((bit + 7) >>> 3);
  if (next > end) throw damaged('a table is cut short');
  return { table: fseTable(log, counts), end: next };
}

export function readHuffmanTable(
  view: DataView,
  start: number,
  end: number,
): { readonly table: HuffmanTable; readonly end: number } {
  if (start >= end) throw damaged('a table is cut short');
  const header = view.getUint8(start);
  const packed = header < 128;
  const at = start + 1;
  const next = at + (packed ? header : (header - 126) >>> 1);
  if (next > end) throw damaged('a table is cut short');
  const weights = packed
    ? readWeights(view, at, next)
    : Array.from({ length: header - 127 }, (_, i) => (view.getUint8(at + (i >>> 1)) >>> (i % 2 === 0 ? 4 : 0)) & 15);
  return { table: huffmanTable(weights), end: next };
}

/** Two states take turns, until one finds no bits. */
function readWeights(view: DataView, start: number, end: number): number[] {
  const { table, end: at } = readFseTable(view, start, end, MAX_HUFFMAN_LOG, MAX_WEIGHT_LOG);
  const weights: number[] = [];
  let bits = markedBits(view, at, end) - 2 * table.log;
  if (bits < 0) throw damaged('a table is cut short');
  let one = bitsAt(view, at, bits + table.log, table.log);
  let other = bitsAt(view, at, bits, table.log);
  for (;;) {
    const entry = table.states[one] as number;
    weights.push(entry & 255);
    // A symbol that has all states takes no bits.
    if (weights.length > MAX_WEIGHTS - 1) throw damaged('a table has too many symbols');
    const more = (entry >>> 8) & 255;
    bits -= more;
    if (bits < 0) {
      weights.push((table.states[other] as number) & 255);
      return weights;
    }
    one = other;
    other = (entry >>> 16) + bitsAt(view, at, bits, more);
  }
}

/** A symbol of weight w has 2^(w−1) entries; the weight of the last symbol is what fills the table. */
function huffmanTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > MAX_HUFFMAN_LOG) throw damaged(`a symbol has the weight ${weight}`);
    sum += (1 << weight) >>> 1;
  }
  const log = 32 - Math.clz32(sum);
  const rest = (1 << log) - sum;
  if (sum === 0 || log > MAX_HUFFMAN_LOG || (rest & (rest - 1)) !== 0) throw damaged('a table cannot be filled');
  weights.push(32 - Math.clz32(rest));
  const entries = new Uint16Array(1 << log);
  // Where the entries of each weight begin: the lightest come first.
  const starts = new Uint16Array(MAX_HUFFMAN_LOG + 2);
  for (const weight of weights)
    if (weight > 0) starts[weight + 1] = (starts[weight + 1] as number) + (1 << (weight - 1));
  for (let weight = 1; weight < starts.length; weight++) {
    starts[weight] = (starts[weight] as number) + (starts[weight - 1] as number);
  }
  for (let symbol = 0; symbol < weights.length; symbol++) {
    const weight = weights[symbol] as number;
    if (weight === 0) continue;
    const at = starts[weight] as number;
    const next = at + (1 << (weight - 1));
    entries.fill(symbol | ((log + 1 - weight) << 8), at, next);
    starts[weight] = next;
  }
  return { log, entries };
}

/** Exactly the symbols of out[from, to). */
export function decodeHuffman(
  view: DataView,
  start: number,
  end: number,
  { log, entries }: HuffmanTable,
  out: Uint8Array,
  from: number,
  to: number,
): void {
  const mask = (1 << log) - 1;
  let bits = markedBits(view, start, end);
  let at = from;
  // Two symbols from each word.
  for (let bit = bits - 2 * log; bit >= 0 && to - at >= 2; bit = bits - 2 * log) {
    const word = view.getUint32(start + (bit >> 3), true) >>> (bit & 7);
    const first = entries[(word >>> log) & mask] as number;
    const second = entries[(word >>> (log - (first >>> 8))) & mask] as number;
    out[at] = first;
    out[at + 1] = second;
    at += 2;
    bits -= (first >>> 8) + (second >>> 8);
  }
  for (; at < to; at++) {
    // Fewer bits than a code may have count as the highest of one.
    const entry =
      bits >= log
        ? entries[bitsAt(view, start, bits - log, log)]
        : entries[(bitsAt(view, start, 0, bits) << (log - bits)) & mask];
    out[at] = entry as number;
    bits -= (entry as number) >>> 8;
    if (bits < 0) throw damaged('literals are cut short');
  }
  if (bits !== 0) throw damaged('bits follow the literals');
}
