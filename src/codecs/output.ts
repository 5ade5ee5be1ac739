// What comes out of a decompressor: bytes in one buffer that grows with them, up to a bound. Knows nothing of formats.
import { LogError } from '../protocol/errors.ts';

/** Copies of fewer bytes are made one by one: a call would cost more. */
const CALL_FROM_BYTES = 48;

export class Output {
  bytes: Uint8Array;
  length = 0;
  readonly #maxBytes: number;

  /** `expected`: how many there may be, to begin with; never more than the input can account for. */
  constructor(maxBytes: number, expected: number) {
    this.#maxBytes = maxBytes;
    this.bytes = new Uint8Array(Math.min(expected, maxBytes));
  }

  /** Makes room for so many more, as far as the bound allows; returns where it ends. */
  reserve(count: number): number {
    const end = Math.min(this.length + count, this.#maxBytes);
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(end, 2 * this.bytes.length), this.#maxBytes));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
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
    this.bytes.set(bytes.subarray(from, to), this.length);
    this.length = end;
  }
  fill(byte: number, count: number): void {
    const end = this.reserve(count);
    if (this.length + count > end) throw this.overflow(count);
    this.bytes.fill(byte, this.length, end);
    this.length = end;
  }
  taken(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export function copyLiterals(from: Uint8Array, at: number, to: Uint8Array, start: number, count: number): void {
  if (count >= CALL_FROM_BYTES) to.set(from.subarray(at, at + count), start);
  else for (let i = 0; i < count; i++) to[start + i] = from[at + i] as number;
}
/** Repeats what stands `distance` before `start`; beyond that distance it repeats itself. */
export function copyMatch(bytes: Uint8Array, start: number, distance: number, count: number): void {
  const from = start - distance;
  if (count < CALL_FROM_BYTES) {
    for (let i = 0; i < count; i++) bytes[start + i] = bytes[from + i] as number;
    return;
  }
  const end = start + count;
  // Each piece may be as long as all that is there by then.
  for (let at = start; at < end; ) {
    const piece = Math.min(at - from, end - at);
    bytes.copyWithin(at, from, from + piece);
    at += piece;
  }
}

export function damaged(what: string): LogError {
  return new LogError('CORRUPT_MESSAGE', what);
}
export function tooLarge(maxBytes: number): LogError {
  return new LogError('RECORD_TOO_LARGE', `more than ${maxBytes} bytes would come out`);
}
