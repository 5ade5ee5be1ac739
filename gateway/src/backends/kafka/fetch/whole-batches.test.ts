import { encodeBatch } from 'distributedlog/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholeBatches } from './whole-batches.ts';

const HEADROOM = 7;
function batch(baseOffset: number, records: number): Uint8Array {
  const record = { key: null, value: new Uint8Array(20), timestamp: 0 };
  return encodeBatch(new Array<typeof record>(records).fill(record), { baseOffset });
}

describe('batches that a broker answered', () => {
  it('are taken whole, as many as fit and at least one, wherever the answer is cut', () => {
    const sizes = [1, 3, 2, 5];
    const all: Uint8Array[] = [];
    let offset = 100;
    for (const size of sizes) {
      all.push(batch(offset, size));
      offset += size + 10; // A hole, as compaction leaves them.
    }
    const bytes = Buffer.concat([new Uint8Array(HEADROOM), ...all]);
    fc.assert(
      fc.property(fc.nat(bytes.length - HEADROOM), fc.nat(bytes.length), (length, maxBytes) => {
        const found = wholeBatches(bytes.subarray(0, HEADROOM + length), HEADROOM, maxBytes);
        let end = HEADROOM;
        let nextOffset = -1;
        let at = 100;
        for (const [i, one] of all.entries()) {
          const after = end + one.length;
          if (after > HEADROOM + length || (i > 0 && after - HEADROOM > maxBytes)) break;
          end = after;
          nextOffset = at + (sizes[i] ?? 0);
          at = nextOffset + 10;
        }
        expect(found).toEqual({ end, nextOffset });
      }),
    );
  });

  it('that are of an old format are left to who looks at them', () => {
    const bytes = Buffer.concat([new Uint8Array(HEADROOM), batch(0, 2)]);
    bytes.writeInt8(1, HEADROOM + 16);
    expect(wholeBatches(bytes, HEADROOM, 10)).toEqual({ end: bytes.length, nextOffset: -1 });
  });
});
