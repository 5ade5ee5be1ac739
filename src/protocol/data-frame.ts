// The two binary frames: data (gateway → client) and produce (client → gateway). Knows nothing of what is in a batch.
import {
  int64Text,
  readInt32,
  readInt64,
  readUint16,
  readUint32,
  readUuid,
  writeInt16,
  writeInt32,
  writeInt64,
  writeUuid,
} from './bytes.ts';
import { LogError } from './errors.ts';

// Both are big-endian and begin alike; `header bytes` is where the batches begin, and a reader skips what it does not know before
// them, so a later version can say more in the header.
//
//   data                                        produce
//    0  u8   type = 1                            0  u8   type = 2
//    1  u8   flags = 0                           1  u8   flags = 0
//    2  u16  header bytes                        2  u16  header bytes
//    4  u32  stream                              4  u32  id, answered by the `produce` or `error` frame of that id
//    8  16 B topic id                            8  16 B topic id
//   24  i32  partition                          24  i32  partition
//   28  i64  log start                          28       exactly one batch, to the end of the frame
//   36  i64  high watermark
//   44  i64  last stable offset
//   52  i64  next offset
//   60  u32  number of aborted transactions
//   64       for each: i64 producer id, i64 first offset
//    …       any number of batches, to the end of the frame
export const FRAME_TYPE_DATA = 1;
export const FRAME_TYPE_PRODUCE = 2;

const HEADER_BYTES_AT = 2;
const STREAM_AT = 4;
const TOPIC_ID_AT = 8;
const PARTITION_AT = 24;
const PRODUCE_HEADER_BYTES = 28;
const LOG_START_AT = 28;
const HIGH_WATERMARK_AT = 36;
const LAST_STABLE_OFFSET_AT = 44;
const NEXT_OFFSET_AT = 52;
const ABORTED_COUNT_AT = 60;
const ABORTED_AT = 64;
const ABORTED_BYTES = 16;
/** Header bytes is an u16. */
const MAX_ABORTED = Math.floor((0xffff - ABORTED_AT) / ABORTED_BYTES);

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}
export interface DataFrameHeader {
  readonly stream: number;
  readonly topicId: string;
  readonly partition: number;
  readonly logStart: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** Where reading goes on, also when the frame holds no batch. */
  readonly nextOffset: number;
  /** The aborted transactions that reach into these batches; at most 4,091. */
  readonly aborted: readonly AbortedTransaction[];
}
export interface DataFrame extends DataFrameHeader {
  /** A view: the batches, exactly as the log stores them. */
  readonly batches: Uint8Array;
}
export interface ProduceFrame {
  readonly id: number;
  readonly topicId: string;
  readonly partition: number;
  /** A view: exactly one batch. */
  readonly batches: Uint8Array;
}

/** Bytes of the header of a data frame. */
export function dataFrameHeaderBytes(abortedCount: number): number {
  return ABORTED_AT + abortedCount * ABORTED_BYTES;
}

/**
 * Writes the header so that it ends at `end`, where the batches begin; returns where the frame begins.
 * Throws INVALID_REQUEST for a topic id that is no UUID, too many aborted transactions, or too little room.
 */
export function writeDataFrameHeader(target: Uint8Array, end: number, header: DataFrameHeader): number {
  const { aborted } = header;
  if (aborted.length > MAX_ABORTED)
    throw invalid(`A data frame holds up to ${MAX_ABORTED} aborted transactions, not ${aborted.length}.`);
  const headerBytes = dataFrameHeaderBytes(aborted.length);
  const at = end - headerBytes;
  if (at < 0)
    throw invalid(`The header of a data frame needs ${headerBytes} bytes before the batches; there are ${end}.`);
  writeStart(target, at, FRAME_TYPE_DATA, headerBytes, header.stream, header.topicId, header.partition);
  writeInt64(target, at + LOG_START_AT, header.logStart);
  writeInt64(target, at + HIGH_WATERMARK_AT, header.highWatermark);
  writeInt64(target, at + LAST_STABLE_OFFSET_AT, header.lastStableOffset);
  writeInt64(target, at + NEXT_OFFSET_AT, header.nextOffset);
  writeInt32(target, at + ABORTED_COUNT_AT, aborted.length);
  let to = at + ABORTED_AT;
  for (const { producerId, firstOffset } of aborted) {
    writeInt64(target, to, producerId);
    writeInt64(target, to + 8, firstOffset);
    to += ABORTED_BYTES;
  }
  return at;
}

/** Throws INVALID_REQUEST saying what is wrong. */
export function parseDataFrame(frame: Uint8Array): DataFrame {
  const headerBytes = parseStart(frame, 'data', FRAME_TYPE_DATA, ABORTED_AT);
  const abortedCount = readUint32(frame, ABORTED_COUNT_AT);
  if (dataFrameHeaderBytes(abortedCount) > headerBytes) {
    throw invalid(`The data frame counts ${abortedCount} aborted transactions in a header of ${headerBytes} bytes.`);
  }
  const aborted: AbortedTransaction[] = [];
  for (let i = 0, at = ABORTED_AT; i < abortedCount; i++, at += ABORTED_BYTES) {
    aborted.push({
      producerId: readOffset(frame, at, 'aborted producer id'),
      firstOffset: readOffset(frame, at + 8, 'aborted first offset'),
    });
  }
  return {
    stream: readUint32(frame, STREAM_AT),
    topicId: readUuid(frame, TOPIC_ID_AT),
    partition: readPartition(frame),
    logStart: readOffset(frame, LOG_START_AT, 'log start'),
    highWatermark: readOffset(frame, HIGH_WATERMARK_AT, 'high watermark'),
    lastStableOffset: readOffset(frame, LAST_STABLE_OFFSET_AT, 'last stable offset'),
    nextOffset: readOffset(frame, NEXT_OFFSET_AT, 'next offset'),
    aborted,
    batches: tail(frame, headerBytes),
  };
}

/** A frame of its own bytes. Throws INVALID_REQUEST for a topic id that is no UUID. */
export function encodeProduceFrame(
  id: number,
  topicId: string,
  partition: number,
  batch: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(PRODUCE_HEADER_BYTES + batch.length);
  writeStart(frame, 0, FRAME_TYPE_PRODUCE, PRODUCE_HEADER_BYTES, id, topicId, partition);
  frame.set(batch, PRODUCE_HEADER_BYTES);
  return frame;
}

/** Throws INVALID_REQUEST; {@link readProduceId} says which request to refuse. */
export function parseProduceFrame(frame: Uint8Array): ProduceFrame {
  const headerBytes = parseStart(frame, 'produce', FRAME_TYPE_PRODUCE, PRODUCE_HEADER_BYTES);
  const id = readProduceId(frame);
  if (id === undefined) throw invalid('The id of a produce frame is 0 to 2^31 − 1.');
  const partition = readPartition(frame);
  if (headerBytes === frame.length) throw invalid('The produce frame holds no batch.');
  return { id, topicId: readUuid(frame, TOPIC_ID_AT), partition, batches: tail(frame, headerBytes) };
}

/** The id of a binary frame that parseProduceFrame refused, if it is long enough to have one. */
export function readProduceId(frame: Uint8Array): number | undefined {
  if (frame[0] !== FRAME_TYPE_PRODUCE || frame.length < TOPIC_ID_AT) return undefined;
  const id = readInt32(frame, STREAM_AT);
  return id >= 0 ? id : undefined;
}

function writeStart(
  target: Uint8Array,
  at: number,
  type: number,
  headerBytes: number,
  streamOrId: number,
  topicId: string,
  partition: number,
): void {
  target[at] = type;
  target[at + 1] = 0;
  writeInt16(target, at + HEADER_BYTES_AT, headerBytes);
  writeInt32(target, at + STREAM_AT, streamOrId);
  if (!writeUuid(target, at + TOPIC_ID_AT, topicId)) throw invalid(`The topic id "${topicId}" is not a UUID.`);
  writeInt32(target, at + PARTITION_AT, partition);
}

/** What both frames share; returns the header's bytes. */
function parseStart(frame: Uint8Array, name: string, type: number, minBytes: number): number {
  if (frame[0] !== type) {
    const found = frame[0] === undefined ? 'is empty' : `has type ${frame[0]}`;
    throw invalid(`The binary frame ${found}; allowed here: ${type} (${name}).`);
  }
  if (frame.length < minBytes)
    throw invalid(`The ${name} frame has ${frame.length} bytes; its header needs ${minBytes}.`);
  if (frame[1] !== 0) throw invalid(`The ${name} frame has flags ${frame[1]}; allowed: 0.`);
  const headerBytes = readUint16(frame, HEADER_BYTES_AT);
  if (headerBytes < minBytes || headerBytes > frame.length) {
    throw invalid(
      `The ${name} frame of ${frame.length} bytes has header bytes ${headerBytes}; allowed: ${minBytes} to the frame’s length.`,
    );
  }
  return headerBytes;
}

function readPartition(frame: Uint8Array): number {
  const partition = readInt32(frame, PARTITION_AT);
  if (partition < 0) throw invalid(`The partition ${partition} is negative.`);
  return partition;
}

function readOffset(frame: Uint8Array, at: number, name: string): number {
  const value = readInt64(frame, at);
  if (value >= 0 && Number.isSafeInteger(value)) return value;
  throw invalid(`The ${name} is ${int64Text(frame, at)}; allowed: 0 to 2^53 − 1.`);
}

/** A plain Uint8Array also where `frame` is a subclass, such as Node's Buffer. */
function tail(frame: Uint8Array, from: number): Uint8Array {
  return new Uint8Array(frame.buffer, frame.byteOffset + from, frame.length - from);
}

function invalid(message: string): LogError {
  return new LogError('INVALID_REQUEST', message);
}
