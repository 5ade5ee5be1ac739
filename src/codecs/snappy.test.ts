import { snappyCompress } from '@platformatic/wasm-utils';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressible } from './sample.test-support.ts';
import { snappy } from './snappy.ts';

const MAX = 1 << 24;
const failure = (code: string) => expect.objectContaining({ name: 'LogError', code });
const pack = (plain: Uint8Array) => new Uint8Array(snappyCompress(Buffer.from(plain)));
const XERIAL_HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];
/** In the framing of Java's snappy, a block for each piece. */
function xerial(pieces: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.from(XERIAL_HEADER)];
  for (const piece of pieces) {
    const block = pack(piece);
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, block.length);
    parts.push(size, block);
  }
  return new Uint8Array(Buffer.concat(parts));
}

describe('snappy', () => {
  it('gives back what another one compressed, as one block or as several, wherever it stands', () => {
    fc.assert(
      fc.property(compressible, fc.array(compressible, { maxLength: 4 }), fc.nat(9), (plain, pieces, at) => {
        expect(Buffer.compare(snappy(pack(plain), plain.length), plain)).toBe(0);
        const whole = Buffer.concat(pieces);
        const framed = Buffer.concat([new Uint8Array(at), xerial(pieces)]).subarray(at);
        expect(Buffer.compare(snappy(framed, whole.length), whole)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('of nothing is nothing', () => {
    expect(snappy(Uint8Array.of(0), 0)).toEqual(new Uint8Array(0));
    expect(snappy(xerial([]), 0)).toEqual(new Uint8Array(0));
  });

  it('takes exactly the bound and refuses one byte less', () => {
    const plain = new Uint8Array(100_000);
    for (const packed of [pack(plain), xerial([plain.subarray(0, 60_000), plain.subarray(60_000)])]) {
      expect(snappy(packed, plain.length).length).toBe(plain.length);
      expect(() => snappy(packed, plain.length - 1)).toThrowError(failure('RECORD_TOO_LARGE'));
      expect(() => snappy(packed, 0)).toThrowError(failure('RECORD_TOO_LARGE'));
    }
  });

  it('reads literals and distances of every width', () => {
    const long = new Uint8Array(70_000).map((_, i) => i * 31);
    const literal = Buffer.concat([Uint8Array.of(0xf0 + 4 * 2, 0x6f, 0x11, 0x01), long]);
    // Seven bytes from 65,536 back, by a distance of four bytes; then four by one of two, and four by one of one.
    const repeats = Uint8Array.of((7 - 1) * 4 + 3, 0, 0, 1, 0, (4 - 1) * 4 + 2, 1, 0, 1, 3);
    const total = long.length + 15;
    const block = Buffer.concat([
      Uint8Array.of((total & 127) | 128, ((total >> 7) & 127) | 128, total >> 14),
      literal,
      repeats,
    ]);
    const plain = snappy(block, MAX);
    const last = long.length - 65_536;
    expect(Buffer.compare(plain.subarray(0, long.length), long)).toBe(0);
    expect(plain.subarray(long.length, long.length + 7)).toEqual(long.subarray(last, last + 7));
    expect(plain.subarray(-8, -4)).toEqual(new Uint8Array(4).fill(plain[long.length + 6] as number));
    expect(plain.subarray(-4)).toEqual(plain.subarray(-7, -3));
  });

  it('is CORRUPT_MESSAGE where it is cut, does not fill its length, or repeats what is not there', () => {
    const good = pack(new TextEncoder().encode('abcabcabcabcabcabcabc and so on and so on'));
    const framed = xerial([new Uint8Array(50).fill(3)]);
    const damaged: [string, Uint8Array][] = [
      ['nothing', new Uint8Array(0)],
      ['a length without an end', Uint8Array.of(255, 255, 255, 255, 255, 255)],
      ['a length only', Uint8Array.of(5)],
      ['more than so few bytes can be', Uint8Array.of(255, 255, 255, 7, 0, 65)],
      ['less than it says', Uint8Array.of(9, 4, 65, 66)],
      ['a repetition before anything', Uint8Array.of(4, 1, 1)],
      ['a repetition of the block before', Buffer.concat([framed, Uint8Array.of(0, 0, 0, 3, 4, 1, 1)])],
      ['a repetition from before the beginning', Uint8Array.of(6, 4, 65, 66, 1, 3)],
      ['a distance of 0', Uint8Array.of(6, 4, 65, 66, 1, 0)],
      ['a literal that goes on behind the end', Uint8Array.of(9, 32, 65, 66)],
      ['a literal longer than the whole', Uint8Array.of(1, 4, 65, 66)],
      ['a literal whose length is cut', Uint8Array.of(70, 0xfc, 1)],
      ['a distance that is cut', Uint8Array.of(9, 4, 65, 66, 0x1a, 1)],
      ['the last byte missing', good.subarray(0, good.length - 1)],
      ['a byte too many', Buffer.concat([good, Uint8Array.of(0)])],
      ['half a header', framed.subarray(0, 12)],
      ['half a size', framed.subarray(0, 18)],
      ['half a block', framed.subarray(0, framed.length - 1)],
      ['the size of another block', Buffer.concat([framed, Uint8Array.of(0, 0)])],
    ];
    for (const [what, bytes] of damaged) {
      expect(() => snappy(bytes, MAX), what).toThrowError(failure('CORRUPT_MESSAGE'));
    }
    // Before it has allocated what the block only says.
    expect(() => snappy(Uint8Array.of(255, 255, 255, 7, 0, 65), MAX)).toThrowError('cannot be');
  });
});
