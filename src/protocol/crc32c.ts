// CRC-32C (Castagnoli).
/** Unsigned 32 bits over bytes[start, end). */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  throw new Error(`not implemented ${start} ${end}`);
}
