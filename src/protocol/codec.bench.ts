// What the codecs cost: `npx vitest bench --run src/protocol`. One call of a "batch" handles 500 records of 100 B; multiply hz by 500 for records/s.
import { bench, describe } from 'vitest';
import {
  crc32c,
  encodeBatch,
  parseDataFrame,
  RecordReader,
  readBatchHeader,
  verifyBatch,
  writeDataFrameHeader,
} from './index.ts';

const records = Array.from({ length: 500 }, (_, i) => ({
  key: new TextEncoder().encode(`key-${i}`),
  value: new Uint8Array(100).fill(i),
  timestamp: 1_700_000_000_000 + i,
}));
const batch = encodeBatch(records);
const frame = new Uint8Array(64 + batch.length);
const header = { stream: 1, topicId: '0123abcd-4567-89ab-cdef-0123456789ab', partition: 0, aborted: [] };
writeDataFrameHeader(frame, 64, { ...header, logStart: 0, highWatermark: 500, lastStableOffset: 500, nextOffset: 500 });
frame.set(batch, 64);
let sink = 0;

describe('a batch of 500 records of 100 B', () => {
  bench('encode', () => {
    sink += encodeBatch(records).length;
  });
  bench('parse the frame, check the CRC, decode every record, touch every value', () => {
    const { batches } = parseDataFrame(frame);
    const batchHeader = readBatchHeader(batches, 0);
    if (batchHeader === undefined) throw new Error('a partial batch');
    verifyBatch(batches, 0, batchHeader);
    const reader = new RecordReader('topic', 0, batches, 0, batchHeader);
    const out = [];
    for (let record = reader.next(0); record !== undefined; record = reader.next(0)) {
      out.push(record);
      sink += record.value?.[0] ?? 0;
    }
  });
});

for (const size of [1024, 65_536, 1_048_576]) {
  const bytes = new Uint8Array(size).fill(sink);
  describe(`CRC-32C of ${size} bytes`, () => {
    bench('crc32c', () => {
      sink += crc32c(bytes);
    });
  });
}
