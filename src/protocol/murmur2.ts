// Kafka's default partitioner hash, so that keyed records land where Java's producer would put them. Knows nothing of topics.

/** Kafka's murmur2 (32 bits, its fixed seed), as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995;
  const { length } = bytes;
  const wordsEnd = length & ~3;
  let hash = 0x9747b28c ^ length;
  for (let i = 0; i < wordsEnd; i += 4) {
    let k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k = Math.imul(k ^ (k >>> 24), m);
    hash = Math.imul(hash, m) ^ k;
  }
  const rest = length - wordsEnd;
  if (rest > 2) hash ^= (bytes[wordsEnd + 2] as number) << 16;
  if (rest > 1) hash ^= (bytes[wordsEnd + 1] as number) << 8;
  if (rest > 0) hash = Math.imul(hash ^ (bytes[wordsEnd] as number), m);
  hash = Math.imul(hash ^ (hash >>> 13), m);
  return hash ^ (hash >>> 15);
}

/** The partition of Kafka's producer: `(murmur2(key) & 0x7fffffff) % partitions`. */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
