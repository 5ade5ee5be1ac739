// What decompressing costs, against a rival in WebAssembly and Node's own: `npx vitest bench --run src/codecs`. One call is one batch of
// 120 KB, decompressed; multiply hz by 0.12 for MB/s.
import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } from '@platformatic/wasm-utils';
import { bench, describe } from 'vitest';
import { BATCH_HEADER_BYTES } from '../protocol/index.ts';
import { lz4, snappy, zstd } from './index.ts';
import { sampleText } from './sample.test-support.ts';

const plain = Buffer.from(sampleText());
const MAX = 1 << 24;

describe('lz4', () => {
  const packed = lz4Compress(plain);
  bench('ours', () => void lz4(packed, MAX));
  bench('WebAssembly', () => void lz4Decompress(packed));
});
describe('snappy', () => {
  const packed = snappyCompress(plain);
  bench('ours', () => void snappy(packed, MAX));
  bench('WebAssembly', () => void snappyDecompress(packed));
});
describe('zstd', () => {
  const packed = readFileSync(new URL('./fixtures/java-zstd.batch', import.meta.url)).subarray(BATCH_HEADER_BYTES);
  bench('ours', () => void zstd(packed, MAX));
  const native: unknown = Reflect.get(zlib, 'zstdDecompressSync');
  if (typeof native === 'function') bench('Node', () => void native(packed));
});
describe('gzip', () => {
  const packed = zlib.gzipSync(plain);
  bench('Node', () => void zlib.gunzipSync(packed));
});
