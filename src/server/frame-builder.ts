// Turns what the log read into one data frame, in the log's own buffer where it can. Knows nothing of sockets, consumers or credit windows.
import {
  type Compression,
  type DataFrameHeader,
  type Decompressors,
  dataFrameHeaderBytes,
  decompressBatch,
  type IsolationLevel,
  LogError,
  readBatchHeader,
  writeDataFrameHeader,
} from '../protocol/index.ts';
import { walkBatches } from './batch-walk.ts';
import type { ReadResult } from './log.ts';

export interface BuiltFrame {
  readonly bytes: Uint8Array;
  readonly batchBytes: number;
  readonly batches: number;
  readonly nextOffset: number;
}
export interface FrameRequest {
  readonly stream: number;
  readonly topicId: string;
  readonly partition: number;
  /** Room the log left before the batches. */
  readonly headroom: number;
  /** Batches beyond this are left for later; the first goes whatever its size. */
  readonly maxBytes: number;
  /** What the receiver decompresses itself, 'none' included. */
  readonly codecs: ReadonlySet<Compression>;
  /** For the other codecs. */
  readonly decompressors: Decompressors | undefined;
  /** A larger batch, decompressed where this side does it: RECORD_TOO_LARGE. */
  readonly maxBatchBytes: number;
}

/** Aborted transactions a read_committed frame has room for without a copy. */
const ABORTED_WITHOUT_COPY = 8;

export function headroomFor(isolation: IsolationLevel): number {
  return dataFrameHeaderBytes(isolation === 'read_committed' ? ABORTED_WITHOUT_COPY : 0);
}

/** The batches of `result` as one frame; a promise where something must be decompressed first. Throws (or rejects with) LogError (with the offset) where the first batch cannot be sent at all. */
export function buildFrame(result: ReadResult, request: FrameRequest): BuiltFrame | Promise<BuiltFrame> {
  const { headroom, maxBytes, codecs, maxBatchBytes } = request;
  const end = headroom + result.batchBytes;
  if (result.batchBytes === 0) return framed(result, request, result.buffer, headroom, headroom, 0, result.nextOffset);
  const run = walkBatches(result.buffer, headroom, end, maxBytes, codecs, maxBatchBytes);
  if (run.count === 0) {
    if (run.foreignCodec !== undefined) return decompressed(result, request, run.firstOffset);
    throw new LogError('CORRUPT_MESSAGE', `The log answered ${result.batchBytes} bytes that are not a whole batch.`);
  }
  const nextOffset = run.end === end ? result.nextOffset : run.nextOffset;
  return framed(result, request, result.buffer, headroom, run.end, run.count, nextOffset);
}

/** One batch at a time: decompressed, it may be as large as a frame. */
async function decompressed(result: ReadResult, request: FrameRequest, offset: number): Promise<BuiltFrame> {
  const { headroom, maxBatchBytes, decompressors } = request;
  const header = readBatchHeader(result.buffer, headroom);
  if (header === undefined) throw new LogError('CORRUPT_MESSAGE', 'The log answered a partial batch.', { offset });
  const batch = await decompressBatch(result.buffer, headroom, header, maxBatchBytes, decompressors);
  const buffer = new Uint8Array(headroom + batch.length);
  buffer.set(batch, headroom);
  const whole = header.sizeInBytes === result.batchBytes;
  const nextOffset = whole ? result.nextOffset : header.lastOffset + 1;
  return framed(result, request, buffer, headroom, buffer.length, 1, nextOffset);
}

function framed(
  result: ReadResult,
  request: FrameRequest,
  buffer: Uint8Array,
  start: number,
  end: number,
  batches: number,
  nextOffset: number,
): BuiltFrame {
  const header: DataFrameHeader = {
    stream: request.stream,
    topicId: request.topicId,
    partition: request.partition,
    logStart: result.logStart,
    highWatermark: result.highWatermark,
    lastStableOffset: result.lastStableOffset,
    nextOffset,
    aborted: result.aborted,
  };
  const headerBytes = dataFrameHeaderBytes(result.aborted.length);
  let target = buffer;
  let from = start;
  let to = end;
  if (headerBytes > start || buffer.length < start) {
    // More aborted transactions than there is room for, or an empty read without a buffer.
    target = new Uint8Array(headerBytes + end - start);
    if (end > start) target.set(buffer.subarray(start, end), headerBytes);
    from = headerBytes;
    to = target.length;
  }
  const begin = writeDataFrameHeader(target, from, header);
  return { bytes: target.subarray(begin, to), batchBytes: end - start, batches, nextOffset };
}
