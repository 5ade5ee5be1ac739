import { readFileSync } from 'node:fs';
import { lz4Compress } from '@platformatic/wasm-utils';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lz4 } from './lz4.ts';
import { compressible } from './sample.test-support.ts';

const MAX = 1 << 24;
const failure = (code: string) => expect.objectContaining({ name: 'LogError', code });
const pack = (plain: Uint8Array) => new Uint8Array(lz4Compress(Buffer.from(plain)));
const linked = new Uint8Array(readFileSync(new URL('./fixtures/mixed-linked.lz4', import.meta.url)));
/** The smallest header: independent blocks of 64 KiB, no checksums; its own is right. */
const HEADER = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
function frame(...blocks: readonly (readonly number[])[]): Uint8Array {
  const sized = blocks.flatMap((block) => [block.length & 255, block.length >> 8, 0, 0, ...block]);
  return Uint8Array.from([...HEADER, ...sized, 0, 0, 0, 0]);
}

describe('lz4', () => {
  it('gives back what another one compressed, wherever it stands', () => {
    fc.assert(
      fc.property(compressible, fc.nat(9), (plain, at) => {
        const packed = Buffer.concat([new Uint8Array(at), pack(plain)]).subarray(at);
        expect(Buffer.compare(lz4(packed, plain.length), plain)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('reads every token: long literals, long repetitions, those that repeat themselves', () => {
    const [a, b] = [65, 66];
    expect(lz4(frame(), 0)).toEqual(new Uint8Array(0));
    expect(lz4(frame([0x20, a, b]), 2)).toEqual(Uint8Array.of(a, b));
    expect(lz4(frame([0x21, a, b, 2, 0, 0x00]), 7)).toEqual(Uint8Array.of(a, b, a, b, a, b, a));
    const long = lz4(frame([0x1f, a, 1, 0, 255, 255, 10, 0x10, b]), 1 + 19 + 520 + 1);
    expect(long).toEqual(Uint8Array.from([...new Array(540).fill(a), b]));
    const literals = new Array(300).fill(0).map((_, i) => i & 255);
    expect(lz4(frame([0xf0, 255, 30, ...literals]), 300)).toEqual(Uint8Array.from(literals));
  });

  it('takes exactly the bound and refuses one byte less, whether or not the frame says its size', () => {
    const plain = new Uint8Array(200_000);
    const packed = pack(plain);
    expect(lz4(packed, plain.length).length).toBe(plain.length);
    expect(() => lz4(packed, plain.length - 1)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(() => lz4(packed, 0)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(() => lz4(linked, 1_000)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(() => lz4(Uint8Array.from([...HEADER, 4, 0, 0, 128, 1, 2, 3, 4, 0, 0, 0, 0]), 3)).toThrowError(
      failure('RECORD_TOO_LARGE'),
    );
  });

  it('stops a bomb at the bound, and never has that much memory', () => {
    const block = [0x1f, 0, 1, 0, ...new Array(256).fill(255), 0];
    const bomb = frame(...new Array(4_096).fill(block));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => lz4(bomb, MAX)).toThrowError(failure('RECORD_TOO_LARGE'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('checks the header, which has a checksum, and refuses what it does not know', () => {
    const changed = (at: number, value: number) => {
      const copy = linked.slice();
      copy[at] = value;
      return copy;
    };
    expect(() => lz4(changed(14, (linked[14] as number) ^ 1), MAX)).toThrowError('checksum of its header');
    expect(() => lz4(changed(6, (linked[6] as number) ^ 1), MAX)).toThrowError('checksum of its header');
    expect(() => lz4(changed(4, (linked[4] as number) | 1), MAX)).toThrowError('dictionary');
    for (const [at, value] of [
      [0, 1],
      [4, 0x80],
      [4, (linked[4] as number) | 2],
      [5, 0x30],
    ] as const) {
      expect(() => lz4(changed(at, value), MAX), `${at}`).toThrowError(failure('CORRUPT_MESSAGE'));
    }
  });

  it('is CORRUPT_MESSAGE where it is cut, is longer than it says, or repeats what is not there', () => {
    const good = frame([0x20, 65, 66]);
    const damaged: [string, Uint8Array][] = [
      ['nothing', new Uint8Array(0)],
      ['half a header', good.subarray(0, 6)],
      ['no end', good.subarray(0, good.length - 4)],
      ['half an end', good.subarray(0, good.length - 2)],
      ['half a block', good.subarray(0, 13)],
      ['bytes after the end', Buffer.concat([good, Uint8Array.of(1)])],
      ['another frame', Buffer.concat([good, good])],
      ['a repetition before anything', frame([0x00, 1, 0])],
      ['a distance of 0', frame([0x20, 65, 66, 0, 0])],
      ['a repetition of the block before, though blocks are independent', frame([0x20, 65, 66], [0x00, 1, 0])],
      ['a length without an end', frame([0xf0, 255, 255])],
      ['a repetition without an end', frame([0x1f, 65, 1, 0, 255])],
      ['literals that go on behind the end', frame([0x50, 65])],
      ['half a distance', frame([0x11, 65, 1])],
      ['a block over 64 KiB', frame([0x1f, 65, 1, 0, ...new Array(260).fill(255), 0])],
      [
        'a plain block over 64 KiB',
        Uint8Array.from([...HEADER, 1, 0, 1, 128, ...new Array(65_537).fill(0), 0, 0, 0, 0]),
      ],
    ];
    for (const [what, bytes] of damaged) {
      expect(() => lz4(bytes, MAX), what).toThrowError(failure('CORRUPT_MESSAGE'));
    }
    for (let end = 0; end < linked.length; end += 97) {
      expect(() => lz4(linked.subarray(0, end), MAX), `${end}`).toThrowError(failure('CORRUPT_MESSAGE'));
    }
  });
});
