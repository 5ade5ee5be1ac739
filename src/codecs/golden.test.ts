// What other software compressed: Java's producer (4.1) and kcat (librdkafka) with a broker in between, and the tools zstd and lz4.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decompressBatch, RecordReader, readBatchHeader, verifyBatch } from '../protocol/index.ts';
import { type Decompress, decompressors } from './index.ts';
import { sampleLines, sampleMixture } from './sample.test-support.ts';

const folder = new URL('./fixtures/', import.meta.url);
const files = readdirSync(folder);
const fixture = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));
const MAX = 16 * 1024 * 1024;

describe('batches as a broker stores them', () => {
  const batches = files.filter((name) => name.endsWith('.batch'));
  it('are there for every codec, of Java and of librdkafka', () => {
    for (const name of ['java-gzip', 'java-snappy', 'java-lz4', 'java-zstd', 'kcat-snappy', 'kcat-lz4', 'kcat-zstd']) {
      expect(batches).toContain(`${name}.batch`);
    }
  });
  it.each(batches)('%s: its records come out byte for byte', async (name) => {
    const bytes = fixture(name);
    const header = readBatchHeader(bytes, 0);
    if (header === undefined) throw new Error('not a whole batch');
    expect(header.compression).toBe(name.split(/[-.]/)[1]);
    const plain = await decompressBatch(bytes, 0, header, MAX, decompressors);
    const plainHeader = readBatchHeader(plain, 0);
    if (plainHeader === undefined) throw new Error('not a whole batch');
    verifyBatch(plain, 0, plainHeader);
    expect(plainHeader).toEqual({
      ...header,
      compression: 'none',
      attributes: header.attributes & ~7,
      sizeInBytes: plain.length,
      crc: plainHeader.crc,
    });
    const reader = new RecordReader('t', 0, plain, 0, plainHeader);
    const lines: string[] = [];
    for (let record = reader.next(0); record !== undefined; record = reader.next(0)) {
      lines.push(new TextDecoder().decode(record.value ?? undefined));
    }
    expect(lines).toEqual(sampleLines());
    await expect(decompressBatch(bytes, 0, header, plain.length - 1, decompressors)).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
    });
  });
});

describe('what the tools made', () => {
  const codecs: Readonly<Record<string, Decompress>> = { lz4: decompressors.lz4, zst: decompressors.zstd };
  it.each(files.filter((name) => !name.endsWith('.batch')))('%s is the very same mixture', (name) => {
    const decompress = codecs[name.split('.')[1] ?? ''];
    if (decompress === undefined) throw new Error(`no codec for ${name}`);
    const plain = sampleMixture();
    expect(Buffer.compare(decompress(fixture(name), plain.length) as Uint8Array, plain)).toBe(0);
    expect(() => decompress(fixture(name), plain.length - 1)).toThrowError(
      expect.objectContaining({ code: 'RECORD_TOO_LARGE' }),
    );
  });
});
