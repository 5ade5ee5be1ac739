// The Fetch request of Kafka's protocol, versions 13 to 17: written and read by hand, since one partition's error must not fail an answer and records must stay bytes. Knows nothing of sessions or of who reads.
import { fetchV17, type Reader, Writer } from '@platformatic/kafka';
import type { AbortedTransaction, IsolationLevel } from 'distributedlog/protocol';
import type { PartitionRef } from 'distributedlog/server';
import { apiFamily } from '../api-family.ts';
import { byHand, byTopic, readLength, readNumber, skipTaggedFields } from '../wire.ts';

export interface FetchPartition extends PartitionRef {
  readonly offset: number;
  readonly maxBytes: number;
  /** As far as we know; a broker that knows better refuses. */
  readonly leaderEpoch: number;
}
export interface FetchRequest {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolation: IsolationLevel;
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly PartitionRef[];
  /** Not sent: the free bytes before the records of each partition. */
  readonly headroom: number;
}
export interface FetchedPartition extends PartitionRef {
  readonly errorCode: number;
  /** −1, as the next two, where the broker does not say. */
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStart: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Bytes as the broker's log has them from `headroom` on, maybe with a partial batch at the end; undefined: none. */
  readonly buffer: Uint8Array | undefined;
}
export interface FetchAnswer {
  readonly throttleTimeMs: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly partitions: readonly FetchedPartition[];
  /** Of records, partial batches included. */
  readonly recordBytes: number;
}

const API_KEY = fetchV17.api.key;
const NO_REPLICA = -1;
/** Of the log that a follower has; consumers have none. */
const NO_LOG_START = -1n;
const NO_EPOCH = -1;
/** Larger answers are copied into memory of their own, smaller ones into Node's pool. */
const POOLED_BYTES = 4 * 1024;

export function writeFetchRequest(version: number, request: FetchRequest): Writer {
  const writer = Writer.create();
  // From 15 on, only followers say who they are.
  if (version < 15) writer.appendInt32(NO_REPLICA);
  return writer
    .appendInt32(request.maxWaitMs)
    .appendInt32(request.minBytes)
    .appendInt32(request.maxBytes)
    .appendInt8(request.isolation === 'read_committed' ? 1 : 0)
    .appendInt32(request.sessionId)
    .appendInt32(request.sessionEpoch)
    .appendArray(byTopic(request.partitions), (w, [topicId, partitions]) => {
      w.appendUUID(topicId).appendArray(partitions, (w, { partition, leaderEpoch, offset, maxBytes }) => {
        w.appendInt32(partition)
          .appendInt32(leaderEpoch)
          .appendInt64(BigInt(offset))
          .appendInt32(NO_EPOCH)
          .appendInt64(NO_LOG_START)
          .appendInt32(maxBytes);
      });
    })
    .appendArray(byTopic(request.forgotten), (w, [topicId, partitions]) => {
      w.appendUUID(topicId).appendArray(partitions, (w, { partition }) => w.appendInt32(partition), true, false);
    })
    .appendString('') // No rack: reads go to the leader.
    .appendTaggedFields();
}

export function readFetchAnswer(reader: Reader, headroom: number): FetchAnswer {
  const throttleTimeMs = reader.readInt32();
  const errorCode = reader.readInt16();
  const sessionId = reader.readInt32();
  const partitions: FetchedPartition[] = [];
  let recordBytes = 0;
  for (let topics = readLength(reader); topics > 0; topics--) {
    const topicId = reader.readUUID();
    for (let count = readLength(reader); count > 0; count--) {
      const fetched = readPartition(reader, topicId, headroom);
      if (fetched.buffer !== undefined) recordBytes += fetched.buffer.length - headroom;
      partitions.push(fetched);
    }
    skipTaggedFields(reader);
  }
  skipTaggedFields(reader);
  return { throttleTimeMs, errorCode, sessionId, partitions, recordBytes };
}

function readPartition(reader: Reader, topicId: string, headroom: number): FetchedPartition {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  const highWatermark = readNumber(reader);
  const lastStableOffset = readNumber(reader);
  const logStart = readNumber(reader);
  const aborted: AbortedTransaction[] = [];
  for (let count = readLength(reader); count > 0; count--) {
    aborted.push({ producerId: readNumber(reader), firstOffset: readNumber(reader) });
    skipTaggedFields(reader);
  }
  reader.skip(4); // A replica nearer than the leader: only named to who said its rack.
  const buffer = readRecords(reader, headroom);
  skipTaggedFields(reader);
  return { topicId, partition, errorCode, highWatermark, lastStableOffset, logStart, aborted, buffer };
}

/** The one copy on the way from the socket to the frame. */
function readRecords(reader: Reader, headroom: number): Uint8Array | undefined {
  const length = readLength(reader);
  if (length <= 0) return undefined;
  const missing = length - reader.remaining;
  if (missing > 0) throw new RangeError(`The answer ends ${missing} bytes before its records do.`);
  const total = headroom + length;
  const target = total > POOLED_BYTES ? Buffer.allocUnsafeSlow(total) : Buffer.allocUnsafe(total);
  let from = reader.position;
  let at = headroom;
  for (const chunk of reader.buffer.buffers) {
    if (at === total) break;
    if (from >= chunk.length) {
      from -= chunk.length;
      continue;
    }
    const part = chunk.subarray(from, from + total - at);
    target.set(part, at);
    at += part.length;
    from = 0;
  }
  reader.skip(length);
  return target;
}

function version(number: number) {
  return byHand<[FetchRequest], FetchAnswer>(
    API_KEY,
    number,
    (request) => writeFetchRequest(number, request),
    (reader, { headroom }) => readFetchAnswer(reader, headroom),
  );
}

/** From 13 on, topics are named by their ids. */
export const FETCH = apiFamily('Fetch', API_KEY, {
  13: version(13),
  14: version(14),
  15: version(15),
  16: version(16),
  17: version(17),
});
