// What the conformance cases of the Log port share: the harness they run against, and small helpers. Knows nothing of any backend or test runner.
import {
  type ErrorCode,
  encodeBatch,
  LogError,
  RecordReader,
  type RecordToEncode,
  readBatchHeader,
  type TopicInfo,
} from '../protocol/index.ts';
import type { AppendResult, Log, PartitionRef, ReadRequest, ReadResult } from '../server/index.ts';

/** How a case sets a log up. Whatever it creates, the runner closes. */
export interface LogHarness {
  /** A new, empty log. */
  create(options?: {
    readonly defaultPartitions?: number | undefined;
    readonly autoCreateTopics?: boolean | undefined;
  }): Promise<Log>;
  /** Closes the log in good order and opens it again over the same data. Absent: the backend keeps nothing. */
  reopen?(log: Log): Promise<Log>;
  /** Lets due retention happen now. Absent: the backend has none to wait for. */
  retain?(log: Log): Promise<void>;
  /** The log's own time; cases move it with `advance`. */
  readonly clock: { now(): number; advance(ms: number): void };
}
export interface LogCase {
  readonly name: string;
  /** Rejects where the log does not do what the name says. */
  run(harness: LogHarness): Promise<void>;
  /** What the harness must be able to do; without it the runner skips the case, visibly. */
  readonly needs?: 'reopen' | 'retain' | undefined;
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
export function equal<T>(actual: T, expected: T, what: string): void {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  assert(a === e, `${what}: expected ${e}, got ${a}`);
}
/** Rejects unless `work` rejects with a LogError of one of the codes; returns it. */
export async function rejects(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<LogError> {
  let outcome: unknown;
  try {
    outcome = await work;
  } catch (error) {
    assert(error instanceof LogError, `expected a LogError, got ${String(error)}`);
    assert(codes.includes(error.code), `expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`);
    assert(error.message.length > 0, `${error.code} has no message`);
    return error;
  }
  throw new Error(`expected ${codes.join(' or ')}, but it resolved with ${JSON.stringify(outcome)}`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const utf8 = (text: string): Uint8Array => encoder.encode(text);
const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : decoder.decode(bytes));

export interface Sequence {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}
/** A batch with one record for each value; timestamps as given, or 1, 2, 3, … */
export function batchOf(
  values: readonly (string | null)[],
  options: { readonly timestamps?: readonly number[]; readonly sequence?: Sequence } = {},
): Uint8Array {
  const records = values.map(
    (value, i): RecordToEncode => ({
      key: null,
      value: value === null ? null : utf8(value),
      timestamp: options.timestamps?.[i] ?? i + 1,
    }),
  );
  return encodeBatch(records, options.sequence ?? {});
}
export function append(log: Log, partition: PartitionRef, ...values: readonly string[]): Promise<AppendResult> {
  return log.append(partition, batchOf(values));
}

export const at = (topic: TopicInfo, partition = 0): PartitionRef => ({ topicId: topic.topicId, partition });
export function readOf(ref: PartitionRef, offset: number, options: Partial<ReadRequest> = {}): ReadRequest {
  return {
    ...ref,
    offset,
    isolation: 'read_uncommitted',
    maxBytes: 1024 * 1024,
    minBytes: 1,
    maxWaitMs: 0,
    headroom: 0,
    ...options,
  };
}

export interface PlainRecord {
  readonly offset: number;
  readonly value: string | null;
  readonly timestamp: number;
}
/** The records of a read from `fromOffset` on; checks that batches are whole and their offsets go up. */
export function recordsOf(result: ReadResult, headroom = 0, fromOffset = 0): PlainRecord[] {
  const records: PlainRecord[] = [];
  const end = headroom + result.batchBytes;
  let last = -1;
  for (let position = headroom; position < end; ) {
    const header = readBatchHeader(result.buffer, position, end);
    assert(header !== undefined, `a partial batch at byte ${position} of ${end}`);
    assert(header.baseOffset > last, `offset ${header.baseOffset} comes after ${last}`);
    last = header.lastOffset;
    const reader = new RecordReader('topic', 0, result.buffer, position, header);
    for (let record = reader.next(fromOffset); record !== undefined; record = reader.next(fromOffset))
      records.push({ offset: record.offset, value: textOf(record.value), timestamp: record.timestamp });
    position += header.sizeInBytes;
  }
  return records;
}
/** Everything from `offset` to the end. */
export async function readAll(log: Log, ref: PartitionRef, offset = 0): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  for (let next = offset; ; ) {
    const result = await log.read(readOf(ref, next));
    records.push(...recordsOf(result, 0, next));
    if (result.nextOffset === next) return records;
    next = result.nextOffset;
    result.release?.();
  }
}
export async function valuesOf(log: Log, ref: PartitionRef, offset = 0): Promise<(string | null)[]> {
  return (await readAll(log, ref, offset)).map((record) => record.value);
}
export function endsOf(log: Log, ref: PartitionRef) {
  const ends = log.ends(ref);
  assert(ends !== undefined, 'the partition has no ends');
  return ends;
}
/** Whether `work` has settled once everything that was due has run. */
export async function isPending(work: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return (await Promise.race([work, Promise.resolve(pending)])) === pending;
}
