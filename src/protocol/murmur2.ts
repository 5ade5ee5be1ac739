// Kafka's default partitioner hash, so that keyed records land where Java's producer would put them.
/** Kafka's murmur2, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  throw new Error(`not implemented ${bytes}`);
}
/** `(murmur2(key) & 0x7fffffff) % partitions`. */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
