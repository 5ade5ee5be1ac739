// The golden frames in fixtures/, which an independent encoder wrote: every one must be read, and written, exactly so.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type BatchHeader,
  decompressBatch,
  encodeBatch,
  encodeProduceFrame,
  LogError,
  parseDataFrame,
  parseProduceFrame,
  RecordReader,
  readBatchHeader,
  verifyBatch,
  writeDataFrameHeader,
} from './index.ts';

interface GoldenRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
}
interface Golden {
  readonly batches: readonly {
    name: string;
    hex: string;
    header: BatchHeader;
    records: readonly GoldenRecord[];
  }[];
  readonly refused: readonly { name: string; hex: string; code: string; offset: number | null; step: string }[];
  readonly dataFrames: readonly {
    name: string;
    hex: string;
    frame: Omit<ReturnType<typeof parseDataFrame>, 'batches'>;
    batchesHex: string;
  }[];
  readonly produceFrames: readonly {
    name: string;
    hex: string;
    frame: { id: number; topicId: string; partition: number };
    batchesHex: string;
  }[];
}
const golden = JSON.parse(readFileSync(new URL('./fixtures/frames.json', import.meta.url), 'utf8')) as Golden;
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
const utf8 = (value: string | null) => (value === null ? null : new Uint8Array(Buffer.from(value)));

function headerOf(bytes: Uint8Array): BatchHeader {
  const header = readBatchHeader(bytes, 0);
  if (header === undefined) throw new Error('not a whole batch');
  return header;
}
function recordsOf(bytes: Uint8Array, header: BatchHeader) {
  const reader = new RecordReader('t', 0, bytes, 0, header);
  const records: GoldenRecord[] = [];
  for (;;) {
    const record = reader.next(0);
    if (record === undefined) return records;
    const { offset, timestamp, timestampType, key, value, headers } = record;
    records.push({
      offset,
      timestamp,
      timestampType,
      key: text(key),
      value: text(value),
      headers: headers.map((h) => ({ key: h.key, value: text(h.value) })),
    });
  }
}

describe('golden batches', () => {
  for (const { name, hex, header, records } of golden.batches) {
    it(`are read: ${name}`, async () => {
      const bytes = bytesOf(hex);
      const read = headerOf(bytes);
      expect(read).toEqual(header);
      verifyBatch(bytes, 0, read);
      const plain = await decompressBatch(bytes, 0, read, bytes.length * 100);
      expect(recordsOf(plain, headerOf(plain))).toEqual(records);
    });
    // What the encoder makes are a producer's batches: no holes, no compression, no log's times.
    const producible = header.attributes === 0 && records.length === header.lastOffset - header.baseOffset + 1;
    if (!producible) continue;
    it(`are written, byte for byte: ${name}`, () => {
      const batch = encodeBatch(
        records.map((r) => ({
          key: utf8(r.key),
          value: utf8(r.value),
          headers: r.headers.map((h) => ({ key: h.key, value: utf8(h.value) })),
          timestamp: r.timestamp,
        })),
        header,
      );
      // The leader epoch is the broker's, and outside the CRC.
      batch.set(bytesOf(hex).subarray(12, 16), 12);
      expect(hexOf(batch)).toBe(hex);
    });
  }
});

describe('golden damage', () => {
  for (const { name, hex, code, offset, step } of golden.refused) {
    it(`is refused with ${code}: ${name}`, () => {
      const bytes = bytesOf(hex);
      const steps = {
        header: () => readBatchHeader(bytes, 0),
        crc: () => verifyBatch(bytes, 0, headerOf(bytes)),
        records: () => {
          verifyBatch(bytes, 0, headerOf(bytes));
          recordsOf(bytes, headerOf(bytes));
        },
      };
      const error = thrown(steps[step as keyof typeof steps]);
      expect(error).toBeInstanceOf(LogError);
      expect(error).toMatchObject({ code, ...(offset === null ? {} : { offset }) });
    });
  }
});

describe('golden binary frames', () => {
  for (const { name, hex, frame, batchesHex } of golden.dataFrames) {
    it(`data, read and written: ${name}`, () => {
      const { batches, ...header } = parseDataFrame(bytesOf(hex));
      expect(header).toEqual(frame);
      expect(hexOf(batches)).toBe(batchesHex);
      const target = new Uint8Array(400);
      const at = writeDataFrameHeader(target, 300, frame);
      const again = parseDataFrame(target.subarray(at, 300));
      expect({ ...again, batches: 0 }).toEqual({ ...frame, batches: 0 });
      if (!name.includes('grown')) expect(hexOf(target.subarray(at, 300)) + batchesHex).toBe(hex);
    });
  }
  for (const { name, hex, frame, batchesHex } of golden.produceFrames) {
    it(`produce, read and written: ${name}`, () => {
      const { batches, ...header } = parseProduceFrame(bytesOf(hex));
      expect(header).toEqual(frame);
      expect(hexOf(batches)).toBe(batchesHex);
      expect(hexOf(encodeProduceFrame(frame.id, frame.topicId, frame.partition, batches))).toBe(hex);
    });
  }
});

function thrown(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
