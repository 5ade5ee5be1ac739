// The same contract whoever does the work: Node's own zstd where it has one, ours for the rest.
import { readFileSync } from 'node:fs';
import { decompressors as portable } from 'distributedlog/codecs';
import { BATCH_HEADER_BYTES, decompressBatch, readBatchHeader } from 'distributedlog/protocol';
import { describe, expect, it } from 'vitest';
import { decompressors } from './decompressors.ts';

const MAX = 16 * 1024 * 1024;
const names = ['java-snappy', 'kcat-snappy', 'java-lz4', 'kcat-lz4', 'java-zstd', 'java-zstd-22', 'kcat-zstd'];
function batch(name: string) {
  const bytes = new Uint8Array(readFileSync(new URL(`../../src/codecs/fixtures/${name}.batch`, import.meta.url)));
  const header = readBatchHeader(bytes, 0);
  if (header === undefined || header.compression === 'none') throw new Error(`${name} is no compressed batch`);
  const decompress = decompressors[header.compression];
  if (decompress === undefined) throw new Error(`nothing for ${header.compression}`);
  return { bytes, header, decompress, compressed: bytes.subarray(BATCH_HEADER_BYTES) };
}

describe.each(names)('what the gateway decompresses: %s', (name) => {
  const { bytes, header, decompress, compressed } = batch(name);

  it('comes out as ours has it', async () => {
    const plain = await decompressBatch(bytes, 0, header, MAX, decompressors);
    expect(Buffer.compare(plain, await decompressBatch(bytes, 0, header, MAX, portable))).toBe(0);
    expect((await decompressBatch(bytes, 0, header, plain.length, decompressors)).length).toBe(plain.length);
  });
  it('is refused beyond the bound, before it is all there', async () => {
    for (const maxBytes of [100_000, 1, 0]) {
      await expect((async () => decompress(compressed, maxBytes))()).rejects.toMatchObject({
        code: 'RECORD_TOO_LARGE',
      });
    }
  });
  it('is refused where it is something else', async () => {
    await expect((async () => decompress(compressed.subarray(100), MAX))()).rejects.toThrowError();
  });
  it('is never longer than it was where it is cut: refused, or too short for its records', async () => {
    const whole = await decompress(compressed, MAX);
    const cut = await (async () => decompress(compressed.subarray(0, -1_000), MAX))().catch(() => new Uint8Array(0));
    expect(cut.length).toBeLessThan(whole.length);
    expect(Buffer.compare(cut, whole.subarray(0, cut.length))).toBe(0);
  });
});
