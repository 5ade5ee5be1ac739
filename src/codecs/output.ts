// What comes out of a decompressor: bytes in one buffer that grows with them, up to a bound. Knows nothing of formats.
import { LogError } from '../protocol/errors.ts';

/** Copies of fewer bytes are made word by word: a call would cost more. */
const CALL_FROM_BYTES = 96;
/** A copy of words goes so far beyond its end. */
const SLACK_BYTES = 3;

/** The same bytes, one by one and word by word. */
export interface Words {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}
export function wordsOf(bytes: Uint8Array): Words {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}
/** To be written to: room for so many bytes, and a few more that words may go over. */
export function room(size: number): Words {
  return wordsOf(new Uint8Array(size + SLACK_BYTES));
}

export class Output {
  words: Words;
  length = 0;
  readonly #maxBytes: number;

  /** `expected`: how many there may be, to begin with; never more than the input can account for. */
  constructor(maxBytes: number, expected: number) {
    this.#maxBytes = maxBytes;
    this.words = room(Math.min(expected, maxBytes));
  }

  /** Makes room for so many more, as far as the bound allows; returns where it ends. */
  reserve(count: number): number {
    const end = Math.min(this.length + count, this.#maxBytes);
    const { bytes } = this.words;
    if (end > bytes.length - SLACK_BYTES) {
      this.words = room(Math.min(Math.max(end, 2 * bytes.length), this.#maxBytes));
      this.words.bytes.set(bytes.subarray(0, this.length));
    }
    return end;
  }
  /** What to throw where more would come out than was reserved; `count`: how much that was to be. */
  overflow(count: number): LogError {
    return this.length + count > this.#maxBytes
      ? tooLarge(this.#maxBytes)
      : damaged(`a block has more than ${count} bytes`);
  }
  append(bytes: Uint8Array, from: number, to: number): void {
    const end = this.reserve(to - from);
    if (this.length + to - from > end) throw this.overflow(to - from);
    this.words.bytes.set(bytes.subarray(from, to), this.length);
    this.length = end;
  }
  fill(byte: number, count: number): void {
    const end = this.reserve(count);
    if (this.length + count > end) throw this.overflow(count);
    this.words.bytes.fill(byte, this.length, end);
    this.length = end;
  }
  taken(): Uint8Array {
    return this.words.bytes.subarray(0, this.length);
  }
}

/** `to` has room for it, made by `room`. */
export function copyLiterals(from: Words, at: number, to: Words, start: number, count: number): void {
  if (count >= CALL_FROM_BYTES || at + count + SLACK_BYTES > from.bytes.length) {
    to.bytes.set(from.bytes.subarray(at, at + count), start);
    return;
  }
  for (let i = 0; i < count; i += 4) to.view.setUint32(start + i, from.view.getUint32(at + i, true), true);
}
/** Repeats what stands `distance` before `start`, which beyond that distance repeats itself. `words` has room for it, made by `room`. */
export function copyMatch({ bytes, view }: Words, start: number, distance: number, count: number): void {
  const from = start - distance;
  if (count >= CALL_FROM_BYTES) {
    const end = start + count;
    // Each piece may be as long as all that is there by then.
    for (let at = start; at < end; ) {
      const piece = Math.min(at - from, end - at);
      bytes.copyWithin(at, from, from + piece);
      at += piece;
    }
  } else if (distance >= 4) {
    for (let i = 0; i < count; i += 4) view.setUint32(start + i, view.getUint32(from + i, true), true);
  } else {
    for (let i = 0; i < count; i++) bytes[start + i] = bytes[from + i] as number;
  }
}

export function damaged(what: string): LogError {
  return new LogError('CORRUPT_MESSAGE', what);
}
export function tooLarge(maxBytes: number): LogError {
  return new LogError('RECORD_TOO_LARGE', `more than ${maxBytes} bytes would come out`);
}
