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
  /** What is decompressed here is gathered up to about this size. */
  readonly targetBytes: number;
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

/** As many batches as are likely to fit: each is decompressed by itself, so that no more than a frame and a batch is held. */
async function decompressed(result: ReadResult, request: FrameRequest, offset: number): Promise<BuiltFrame> {
  const { headroom, maxBatchBytes, decompressors, codecs } = request;
  const room = Math.min(request.maxBytes, request.targetBytes);
  const end = headroom + result.batchBytes;
  const batches: Uint8Array[] = [];
  let bytes = 0;
  let at = headroom;
  let nextOffset = result.nextOffset;
  while (at < end) {
    try {
      const header = readBatchHeader(result.buffer, at, end);
      if (header === undefined) break;
      // As the ones before, so this one will grow.
      const likely = (bytes / (at - headroom)) * header.sizeInBytes;
      if (batches.length > 0 && (codecs.has(header.compression) || bytes + likely > room)) break;
      const batch = await decompressBatch(result.buffer, at, header, maxBatchBytes, decompressors);
      if (batches.length > 0 && bytes + batch.length > room) break;
      batches.push(batch);
      bytes += batch.length;
      at += header.sizeInBytes;
      nextOffset = at === end ? result.nextOffset : header.lastOffset + 1;
    } catch (error) {
      // What is wrong with a later one is said when it is the first.
      if (batches.length === 0) throw error;
      break;
    }
  }
  if (batches.length === 0) throw new LogError('CORRUPT_MESSAGE', 'The log answered a partial batch.', { offset });
  const buffer = new Uint8Array(headroom + bytes);
  let to = headroom;
  for (const batch of batches) {
    buffer.set(batch, to);
    to += batch.length;
  }
  return framed(result, request, buffer, headroom, buffer.length, batches.length, nextOffset);
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
