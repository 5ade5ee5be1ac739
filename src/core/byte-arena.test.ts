import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteArena } from './byte-arena.ts';

describe('ByteArena', () => {
  it('keeps every copy as it was, whatever comes after it and becomes of the original', () => {
    const bytes = fc.uint8Array({ maxLength: 5_000, size: 'max' });
    const text = fc.string({ unit: 'binary', maxLength: 2_000, size: 'max' });
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes, text), { maxLength: 60 }), (values) => {
        const arena = new ByteArena();
        const copies = values.map((value) => {
          if (typeof value === 'string')
            return { expected: new TextEncoder().encode(value), copy: arena.encode(value) };
          const expected = value.slice();
          const copy = arena.copy(value);
          value.fill(0xee);
          return { expected, copy };
        });
        for (const { expected, copy } of copies) expect(Buffer.compare(copy, expected)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
  it('copies subclasses whose slice is a view', () => {
    const original = Buffer.from('x'.repeat(5_000));
    const copy = new ByteArena().copy(original);
    original.fill(0);
    expect(copy.every((byte) => byte === 120)).toBe(true);
  });
});
