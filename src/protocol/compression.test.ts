import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { compressBatch, decompressBatch } from './compression.ts';
import { type BatchHeader, readBatchHeader, sealBatch, verifyBatch } from './record-batch.ts';
import { encodeBatch } from './record-encoder.ts';

const MAX = 1024 * 1024;
function headerOf(bytes: Uint8Array, at = 0): BatchHeader {
  const header = readBatchHeader(bytes, at);
  if (header === undefined) throw new Error('not a whole batch');
  return header;
}
const batchOf = (values: readonly Uint8Array[]) =>
  encodeBatch(
    values.map((value) => ({ key: null, value, timestamp: 5 })),
    { baseOffset: 40, producerId: 6, producerEpoch: 1, baseSequence: 2 },
  );
/** A batch with these bytes where its compressed records should be, and a right CRC. */
function withRecords(codec: number, records: Uint8Array): Uint8Array {
  const batch = new Uint8Array(61 + records.length);
  batch.set(batchOf([new Uint8Array(1)]).subarray(0, 61));
  batch.set(records, 61);
  new DataView(batch.buffer).setInt32(8, batch.length - 12);
  batch[22] = codec;
  sealBatch(batch);
  return batch;
}
const decompress = (batch: Uint8Array, maxBytes = MAX) => decompressBatch(batch, 0, headerOf(batch), maxBytes);
const failure = (code: string) => expect.objectContaining({ name: 'LogError', code, offset: 40 });

describe('gzip', () => {
  it('gives every batch back byte for byte, wherever it stands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array(), { minLength: 1 }), fc.nat(9), async (values, at) => {
        const batch = batchOf(values);
        const packed = await compressBatch(batch, 'gzip');
        const header = headerOf(packed);
        expect(header).toMatchObject({
          compression: 'gzip',
          recordCount: values.length,
          baseOffset: 40,
          producerId: 6,
        });
        verifyBatch(packed, 0, header);
        const bytes = Buffer.concat([new Uint8Array(at), packed, new Uint8Array(3)]);
        expect(await decompressBatch(bytes, at, headerOf(bytes, at), MAX)).toEqual(batch);
      }),
      { numRuns: 60 },
    );
  });

  it('makes what repeats itself smaller', async () => {
    const batch = batchOf(Array.from({ length: 500 }, () => new Uint8Array(100)));
    expect((await compressBatch(batch, 'gzip')).length).toBeLessThan(batch.length / 10);
  });

  it('stops a bomb at the bound: RECORD_TOO_LARGE, and never that much memory', async () => {
    const bomb = withRecords(1, gzipSync(new Uint8Array(256 * 1024 * 1024)));
    const before = process.memoryUsage().arrayBuffers;
    await expect(decompress(bomb)).rejects.toThrowError(failure('RECORD_TOO_LARGE'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('takes exactly the bound and refuses one byte less', async () => {
    const batch = batchOf([new Uint8Array(100_000)]);
    const packed = await compressBatch(batch, 'gzip');
    expect(await decompress(packed, batch.length)).toEqual(batch);
    await expect(decompress(packed, batch.length - 1)).rejects.toThrowError(failure('RECORD_TOO_LARGE'));
    await expect(decompress(packed, 0)).rejects.toThrowError(failure('RECORD_TOO_LARGE'));
  });

  it('is CORRUPT_MESSAGE when it is none, was cut, changed, or something follows it', async () => {
    const good = gzipSync(new Uint8Array(5000).fill(7));
    const changed = new Uint8Array(good);
    changed[good.length - 6] = (changed[good.length - 6] as number) ^ 1;
    const damaged = [
      new Uint8Array(0),
      new Uint8Array(40).fill(1),
      good.subarray(0, good.length - 1),
      good.subarray(0, 15),
      changed,
      Buffer.concat([good, new Uint8Array([1, 2, 3, 4])]),
      Buffer.concat([good, good]),
    ];
    for (const records of damaged) {
      await expect(decompress(withRecords(1, records)), `${records.length} bytes`).rejects.toThrowError(
        failure('CORRUPT_MESSAGE'),
      );
    }
  });

  it('leaves no rejection unhandled, however it fails', async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', listener);
    for (const records of [new Uint8Array(100_000).fill(3), gzipSync(new Uint8Array(3_000_000)).subarray(0, 900)]) {
      await expect(decompress(withRecords(1, records))).rejects.toThrowError(failure('CORRUPT_MESSAGE'));
    }
    await expect(decompress(withRecords(1, gzipSync(new Uint8Array(3_000_000))))).rejects.toThrowError();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });
});

describe('decompressing', () => {
  it('checks the CRC before it believes anything', async () => {
    const packed = await compressBatch(batchOf([new Uint8Array(10)]), 'gzip');
    packed[70] = (packed[70] as number) ^ 1;
    await expect(decompress(packed)).rejects.toThrowError(failure('CORRUPT_MESSAGE'));
  });

  it('copies a batch that is not compressed, also from a Node Buffer', async () => {
    const batch = Buffer.from(batchOf([new Uint8Array(10)]));
    const copy = await decompress(batch);
    expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype);
    expect(Buffer.compare(copy, batch)).toBe(0);
    expect(copy.buffer).not.toBe(batch.buffer);
    await expect(decompress(batch, batch.length - 1)).rejects.toThrowError(failure('RECORD_TOO_LARGE'));
  });

  it('says which codecs there are when it lacks one, and takes an injected one', async () => {
    const batch = withRecords(4, new Uint8Array([9, 9]));
    await expect(decompress(batch)).rejects.toThrowError(failure('UNSUPPORTED_COMPRESSION_TYPE'));
    await expect(decompress(batch)).rejects.toThrowError('compressed with zstd; this end has none, gzip.');
    await expect(
      decompressBatch(batch, 0, headerOf(batch), MAX, { zstd: undefined, lz4: () => batch }),
    ).rejects.toThrowError('compressed with zstd; this end has none, gzip, lz4.');
    const codecs = { zstd: (bytes: Uint8Array) => new Uint8Array([...bytes, 1]) };
    const plain = await decompressBatch(batch, 0, headerOf(batch), MAX, codecs);
    expect([...plain.subarray(61)]).toEqual([9, 9, 1]);
    verifyBatch(plain, 0, headerOf(plain));
  });

  it('has no gzip where the runtime lacks the streams, and says so', async () => {
    const packed = await compressBatch(batchOf([new Uint8Array(10)]), 'gzip');
    vi.stubGlobal('DecompressionStream', undefined);
    await expect(decompress(packed).finally(() => vi.unstubAllGlobals())).rejects.toThrowError(
      failure('UNSUPPORTED_COMPRESSION_TYPE'),
    );
  });

  it('trusts no injected codec: what it throws is CORRUPT_MESSAGE, what it makes is measured', async () => {
    const batch = withRecords(3, new Uint8Array(5));
    const header = headerOf(batch);
    const broken = () => Promise.reject(new TypeError('bad block'));
    await expect(decompressBatch(batch, 0, header, MAX, { lz4: broken })).rejects.toThrowError(
      failure('CORRUPT_MESSAGE'),
    );
    const greedy = (_: Uint8Array, maxBytes: number) => new Uint8Array(maxBytes + 1);
    await expect(decompressBatch(batch, 0, header, MAX, { lz4: greedy })).rejects.toThrowError(
      failure('RECORD_TOO_LARGE'),
    );
  });
});
