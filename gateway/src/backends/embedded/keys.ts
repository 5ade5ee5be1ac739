// The keys of the store, so that byte order is the order of topics, partitions and offsets. Knows nothing of LMDB or values.

/** A partition inside the store: the number its topic got at creation (never given twice), and the partition. */
export interface PartitionKey {
  readonly topicNumber: number;
  readonly partition: number;
}

const PREFIX_BYTES = 8;
const SIGN = 2n ** 63n;

function partitionPrefix(key: Buffer, { topicNumber, partition }: PartitionKey): Buffer {
  key.writeUInt32BE(topicNumber, 0);
  key.writeUInt32BE(partition, 4);
  return key;
}

/** topic number u32 · partition u32 · a whole number from 0 u64: base offsets of values, producer ids. */
export function numberedKey(at: PartitionKey, value: number, into: Buffer = Buffer.allocUnsafe(16)): Buffer {
  partitionPrefix(into, at);
  into.writeUInt32BE(Math.floor(value / 2 ** 32), PREFIX_BYTES);
  into.writeUInt32BE(value % 2 ** 32, PREFIX_BYTES + 4);
  return into;
}
/** The number of a {@link numberedKey}. */
export function numberOfKey(key: Buffer): number {
  return key.readUInt32BE(PREFIX_BYTES) * 2 ** 32 + key.readUInt32BE(PREFIX_BYTES + 4);
}
/** topic number u32 · partition u32 · a timestamp, negative ones before positive ones. */
export function timestampKey(at: PartitionKey, timestamp: number): Buffer {
  const key = partitionPrefix(Buffer.allocUnsafe(16), at);
  key.writeBigUInt64BE(BigInt(Math.trunc(timestamp)) + SIGN, PREFIX_BYTES);
  return key;
}
/** topic number u32 · partition u32. */
export function partitionKey(at: PartitionKey): Buffer {
  return partitionPrefix(Buffer.allocUnsafe(PREFIX_BYTES), at);
}
/** topic number u32: of a topic itself, and the beginning of all its other keys. */
export function topicKey(topicNumber: number): Buffer {
  const key = Buffer.allocUnsafe(4);
  key.writeUInt32BE(topicNumber, 0);
  return key;
}
export function topicNumberOfKey(key: Buffer): number {
  return key.readUInt32BE(0);
}
/** First key after all that begin with `prefix` (which is not all 0xff). */
export function keyAfter(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end.readUInt8(at);
    end.writeUInt8((byte + 1) & 0xff, at);
    if (byte < 0xff) break;
  }
  return end;
}
/** group id (UTF-8) · 0 · topic number u32 · partition u32. Group ids hold no NUL. */
export function commitKey(groupId: string, at: PartitionKey): Buffer {
  return Buffer.concat([commitPrefix(groupId), partitionKey(at)]);
}
export function commitPrefix(groupId: string): Buffer {
  return Buffer.from(`${groupId}\0`, 'utf8');
}
export function parseCommitKey(key: Buffer): PartitionKey & { groupId: string } {
  const at = key.length - PREFIX_BYTES;
  return {
    groupId: key.toString('utf8', 0, at - 1),
    topicNumber: key.readUInt32BE(at),
    partition: key.readUInt32BE(at + 4),
  };
}
/** group id (UTF-8). */
export function groupKey(groupId: string): Buffer {
  return Buffer.from(groupId, 'utf8');
}
export function parseGroupKey(key: Buffer): string {
  return key.toString('utf8');
}
