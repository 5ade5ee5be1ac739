// Finds the first record at or after a point in time. Knows nothing of how the index is written, only what its entries promise.
import {
  type BatchHeader,
  decompressBatch,
  LogError,
  PROTOCOL_LIMITS,
  RecordReader,
  readBatchHeader,
} from 'distributedlog/protocol';
import { decompressors } from '../../decompressors.ts';
import { timestampKey } from './keys.ts';
import type { Partition } from './partition.ts';
import { damaged, valueAt } from './reader.ts';
import type { Store } from './store.ts';

/** Values looked at before other work gets its turn. */
const VALUES_A_TURN = 64;

export interface FoundRecord {
  readonly offset: number;
  readonly timestamp: number;
}

/**
 * The first record, in order of offsets, with a timestamp ≥ `timestamp`; `undefined` if there is none. Timestamps may be out
 * of order. In a batch whose codec cannot be read here it is the batch's first offset: early, never late.
 */
export async function findByTimestamp(
  store: Store,
  partition: Partition,
  timestamp: number,
): Promise<FoundRecord | undefined> {
  if (timestamp > partition.state.maxTimestamp) return undefined;
  let offset = indexedStart(store, partition, timestamp);
  for (let turn = 1; ; turn++) {
    if (turn % VALUES_A_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    // While others had their turn, retention may have passed by, or the topic may be gone.
    if (partition.deleted)
      throw new LogError('UNKNOWN_TOPIC_ID', `topic "${partition.topic}" was deleted`, { topic: partition.topic });
    offset = Math.max(offset, partition.logStart);
    if (offset >= partition.highWatermark) return undefined;
    const value = valueAt(store, partition, offset);
    if (value === undefined) throw damaged(partition, offset);
    // Its own copy: looking into a compressed batch takes time, and the shared buffer does not wait.
    const bytes = Buffer.from(value.bytes);
    const from = offset;
    for (let at = 0; at < bytes.length; ) {
      const header = readHeader(partition, bytes, at, offset);
      if (header.lastOffset >= offset && header.maxTimestamp >= timestamp) {
        const found = await findInBatch(partition, bytes, at, header, from, timestamp);
        if (found !== undefined) return found;
      }
      offset = Math.max(offset, header.lastOffset + 1);
      at += header.sizeInBytes;
    }
    if (offset === from) throw damaged(partition, offset);
  }
}

/** No record before it has a timestamp ≥ `timestamp`. */
function indexedStart(store: Store, partition: Partition, timestamp: number): number {
  const before = timestampKey(partition.key, timestamp - 1);
  const key = store.lastKeyUpTo('times', before);
  if (key === undefined || key.compare(before, 0, 8, 0, 8) !== 0) return 0;
  return store.get('times', key)?.readDoubleBE() ?? 0;
}

function readHeader(partition: Partition, bytes: Uint8Array, at: number, offset: number): BatchHeader {
  try {
    const header = readBatchHeader(bytes, at);
    if (header !== undefined) return header;
  } catch (error) {
    throw damaged(partition, offset, error);
  }
  throw damaged(partition, offset);
}

async function findInBatch(
  partition: Partition,
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  fromOffset: number,
  timestamp: number,
): Promise<FoundRecord | undefined> {
  let readable = bytes.subarray(at, at + header.sizeInBytes);
  if (header.compression !== 'none') {
    try {
      readable = await decompressBatch(readable, 0, header, PROTOCOL_LIMITS.maxBatchBytes, decompressors);
    } catch (error) {
      if (LogError.from(error).code === 'RECORD_TOO_LARGE')
        return { offset: Math.max(header.baseOffset, fromOffset), timestamp: header.maxTimestamp };
      throw error;
    }
  }
  const uncompressed = readHeader(partition, readable, 0, header.baseOffset);
  const records = new RecordReader(partition.topic, partition.partition, readable, 0, uncompressed);
  for (;;) {
    const record = records.next(fromOffset);
    if (record === undefined) return undefined;
    if (record.timestamp >= timestamp) return { offset: record.offset, timestamp: record.timestamp };
  }
}
