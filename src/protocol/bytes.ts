// Big-endian integers, UUIDs and UTF-8 in byte arrays. Knows nothing of what they mean.

export function readInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}
export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0;
}
/** Rounded beyond ±(2^53 − 1): a result that is not a safe integer tells the caller so. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * 0x1_0000_0000 + readUint32(bytes, at + 4);
}
/** Every digit of an int64, for messages about numbers that are too large for {@link readInt64}. */
export function int64Text(bytes: Uint8Array, at: number): string {
  return ((BigInt(readInt32(bytes, at)) << 32n) | BigInt(readUint32(bytes, at + 4))).toString();
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}
export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}
/** `value` is a safe integer. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / 0x1_0000_0000));
  // Bitwise operators take a number modulo 2^32, also a negative one.
  writeInt32(bytes, at + 4, value | 0);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Canonical text (lower case, with hyphens) of the 16 bytes at `at`. */
export function readUuid(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += HEX[bytes[at + i] as number];
  }
  return text;
}
/** False where `text` is not a UUID; then nothing useful was written. */
export function writeUuid(bytes: Uint8Array, at: number, text: string): boolean {
  if (text.length !== 36) return false;
  let from = 0;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) if (text.charCodeAt(from++) !== 0x2d) return false;
    const high = hexDigit(text.charCodeAt(from++));
    const low = hexDigit(text.charCodeAt(from++));
    if (high < 0 || low < 0) return false;
    bytes[at + i] = (high << 4) | low;
  }
  return true;
}
function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  const lower = char | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Bytes of `text` in UTF-8; a lone surrogate counts as U+FFFD, which is what is written for it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A surrogate pair is two units and four bytes.
    if (unit >= 0xd800 && unit < 0xdc00) {
      const next = text.charCodeAt(i + 1);
      if (next >= 0xdc00 && next < 0xe000) i++;
    }
  }
  return bytes;
}

const encoder = new TextEncoder();
// A byte order mark is part of the text: what was produced is what is read.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Writes `text`, which takes `size` bytes ({@link utf8Bytes}), at `at`. */
export function writeUtf8(bytes: Uint8Array, at: number, text: string, size: number): void {
  if (size === text.length) for (let i = 0; i < size; i++) bytes[at + i] = text.charCodeAt(i);
  else encoder.encodeInto(text, bytes.subarray(at, at + size));
}
/** Malformed sequences become U+FFFD, as in Java. */
export function readUtf8(bytes: Uint8Array, at: number, size: number): string {
  // Short ASCII, nearly every header key, is quicker without the decoder.
  if (size <= 24) {
    let text = '';
    let i = at;
    for (const end = at + size; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (i === at + size) return text;
  }
  return decoder.decode(bytes.subarray(at, at + size));
}
