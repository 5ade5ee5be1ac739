import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressible, sampleMixture } from './sample.test-support.ts';
import { zstd } from './zstd.ts';

const MAX = 1 << 24;
const failure = (code: string) => expect.objectContaining({ name: 'LogError', code });
const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`./fixtures/${name}`, import.meta.url)));

type Bytes = readonly number[];
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;
const block = (kind: number, size: number, bytes: Bytes, last = false) => {
  const word = Number(last) | (kind << 1) | (size << 3);
  return [word & 255, (word >> 8) & 255, word >> 16, ...bytes];
};
const packed = (bytes: Bytes, last = true) => block(COMPRESSED, bytes.length, bytes, last);
/** A window of 1 MiB and no size, unless another header is given. */
const frame = (blocks: Bytes, header: Bytes = [0x00, 0x50]) =>
  Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, ...header, ...blocks]);
const skippable = (bytes: Bytes) => Uint8Array.from([0x53, 0x2a, 0x4d, 0x18, bytes.length, 0, 0, 0, ...bytes]);

describe('zstd', () => {
  const compress: unknown = Reflect.get(zlib, 'zstdCompressSync');
  it.runIf(typeof compress === 'function')('gives back what Node compressed, wherever it stands', () => {
    const pack = compress as (plain: Uint8Array, options: object) => Uint8Array;
    const level = Number(Reflect.get(zlib.constants, 'ZSTD_c_compressionLevel'));
    fc.assert(
      fc.property(compressible, fc.integer({ min: -5, max: 19 }), fc.nat(9), (plain, at, by) => {
        const bytes = Buffer.concat([new Uint8Array(by), pack(plain, { params: { [level]: at } })]).subarray(by);
        expect(Buffer.compare(zstd(bytes, plain.length), plain)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('reads plain blocks, blocks of one byte, headers with and without a size', () => {
    const blocks = [...block(RAW, 2, [7, 8]), ...block(RLE, 4, [9]), ...block(RAW, 0, [], true)];
    const plain = Uint8Array.of(7, 8, 9, 9, 9, 9);
    expect(zstd(frame(blocks), 6)).toEqual(plain);
    expect(zstd(frame(blocks, [0x20, 6]), 6)).toEqual(plain);
    expect(zstd(frame(blocks, [0x80, 0x50, 6, 0, 0, 0]), 6)).toEqual(plain);
    expect(zstd(frame(blocks, [0xc0, 0x50, 6, 0, 0, 0, 0, 0, 0, 0]), 6)).toEqual(plain);
    const many = block(RLE, 300, [1], true);
    expect(zstd(frame(many, [0x60, 44, 0]), 300)).toEqual(new Uint8Array(300).fill(1));
    // A checksum, which is passed over, and the dictionary 0, which is none.
    expect(zstd(frame([...blocks, 1, 2, 3, 4], [0x04, 0x50]), 6)).toEqual(plain);
    expect(zstd(frame(blocks, [0x03, 0x50, 0, 0, 0, 0]), 6)).toEqual(plain);
  });

  it('reads several frames, and passes over those that are to be skipped', () => {
    const one = frame(block(RAW, 1, [1], true));
    const two = frame(block(RLE, 2, [2], true), [0x20, 2]);
    expect(zstd(Buffer.concat([skippable([9, 9]), one, skippable([]), two]), 3)).toEqual(Uint8Array.of(1, 2, 2));
    expect(() => zstd(Buffer.concat([one, two]), 2)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(zstd(skippable([]), 0)).toEqual(new Uint8Array(0));
  });

  it('does not reach into the frame before', () => {
    // One sequence: no literals, three bytes from 1 back.
    const sequence = packed([0x00, 1, 0x54, 0, 2, 0, 0x04]);
    expect(zstd(frame([...block(RAW, 1, [7]), ...sequence]), MAX)).toEqual(Uint8Array.of(7, 7, 7, 7));
    expect(() => zstd(frame(sequence), MAX)).toThrowError(failure('CORRUPT_MESSAGE'));
    const before = frame(block(RAW, 4, [1, 2, 3, 4], true));
    expect(() => zstd(Buffer.concat([before, frame(sequence)]), MAX)).toThrowError(failure('CORRUPT_MESSAGE'));
  });

  it('takes exactly the bound and refuses one byte less, whether or not the frame says its size', () => {
    const plain = sampleMixture();
    for (const name of ['mixed-1.zst', 'mixed-19.zst']) {
      expect(zstd(fixture(name), plain.length).length).toBe(plain.length);
      for (const bound of [plain.length - 1, 200_000, 1, 0]) {
        expect(() => zstd(fixture(name), bound), name).toThrowError(failure('RECORD_TOO_LARGE'));
      }
    }
  });

  it('stops bombs at the bound, and never has that much memory', () => {
    const zeros = Array.from({ length: 2_000 }, () => block(RLE, 128 * 1024, [0])).flat();
    const bombs = [
      frame([...zeros, ...block(RAW, 0, [], true)]),
      // A window and a size of many GiB, and nothing in it.
      frame(block(RAW, 0, [], true), [0xc0, 0xff, 0, 0, 0, 0, 1, 0, 0, 0]),
    ];
    const before = process.memoryUsage().arrayBuffers;
    for (const bomb of bombs) expect(() => zstd(bomb, MAX)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('does not work long on a few bytes that promise much', () => {
    const startedAt = performance.now();
    // 98,047 sequences, each the longest there is, and no bits to read them from.
    const sequences = frame(packed([0x00, 255, 255, 255, 0x54, 0, 0, 52, 0x01]));
    expect(() => zstd(sequences, MAX)).toThrowError(failure('CORRUPT_MESSAGE'));
    // Weights of a Huffman code, all of one symbol, that take no bits: they would never end.
    const weights = [4, 0xf0, 0x03, 0xff, 0x01];
    const literals = (8 << 4) | 2 | ((weights.length + 1) << 14);
    const endless = frame(packed([literals & 255, (literals >> 8) & 255, literals >> 16, ...weights, 0x01, 0]));
    expect(() => zstd(endless, MAX)).toThrowError(failure('CORRUPT_MESSAGE'));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('is CORRUPT_MESSAGE where it is cut, is not what it says, or needs what it has not', () => {
    const good = block(RAW, 1, [7], true);
    const damaged: [string, Uint8Array][] = [
      ['nothing', new Uint8Array(0)],
      ['another magic', Uint8Array.from([0x29, 0xb5, 0x2f, 0xfd, 0, 0x50, ...good])],
      ['a skipped frame that is cut', skippable([1, 2]).subarray(0, 9)],
      ['a bit that is reserved', frame(good, [0x08, 0x50])],
      ['a dictionary', frame(good, [0x01, 0x50, 5])],
      ['no block', frame([])],
      ['half a header', Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x50, 1, 0])],
      ['no last block', frame(block(RAW, 1, [7]))],
      ['a block of the reserved kind', frame(block(3, 1, [7], true))],
      ['a block that is cut', frame(block(RAW, 3, [7], true))],
      ['a byte that is missing', frame(block(RLE, 3, [], true))],
      ['a block over the window', frame(block(RAW, 1_025, new Array(1_025).fill(1), true), [0x00, 0x00])],
      ['more than it says', frame(block(RLE, 9, [1], true), [0x20, 8])],
      ['less than it says', frame(block(RLE, 9, [1], true), [0x20, 10])],
      ['bytes behind it', Buffer.concat([frame(good), Uint8Array.of(1)])],
      ['no checksum where one is promised', frame(good, [0x04, 0x50])],
      ['an empty packed block', frame(packed([]))],
      ['literals that are cut', frame(packed([0x28, 1, 2]))],
      ['no number of sequences', frame(packed([0x08, 1]))],
      ['bytes after no sequences', frame(packed([0x08, 1, 0, 0]))],
      ['sequences without tables', frame(packed([0x08, 1, 1]))],
      ['sequences of a reserved kind', frame(packed([0x08, 1, 1, 1, 1, 1, 1]))],
      ['sequences without bits', frame(packed([0x08, 1, 1, 0x54, 0, 0, 0]))],
      ['sequences whose bits have no mark', frame(packed([0x08, 1, 1, 0x54, 0, 0, 0, 0]))],
      ['a table of the block before, where there is none', frame(packed([0x08, 1, 1, 0xfc, 1]))],
      ['literals as in the block before, where there is none', frame(packed([0x23, 0x40, 0, 1, 0]))],
      ['a symbol that there is not', frame(packed([0x08, 1, 1, 0x54, 36, 0, 0, 1]))],
      ['more literals than there are', frame(packed([0x08, 1, 1, 0x54, 2, 0, 0, 1]))],
      ['bits that are left over', frame(packed([0x08, 1, 1, 0x54, 1, 0, 0, 0xff]))],
    ];
    for (const [what, bytes] of damaged) {
      expect(() => zstd(bytes, MAX), what).toThrowError(failure('CORRUPT_MESSAGE'));
    }
    for (const name of ['mixed-1.zst', 'mixed-19.zst']) {
      const whole = fixture(name);
      for (let end = 0; end < whole.length; end += 61) {
        expect(() => zstd(whole.subarray(0, end), MAX), `${name} ${end}`).toThrowError(failure('CORRUPT_MESSAGE'));
      }
    }
  });
});
