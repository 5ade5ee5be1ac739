// The backoff's bounds.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

it('is uniform from nothing to the bound, which doubles up to the maximum', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.nat(5_000),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (baseMs, failures, chance) => {
        const delay = backoffMs({ baseMs, maxMs: 60_000 }, failures, () => chance);
        expect(delay).toBe(chance * Math.min(60_000, baseMs * 2 ** Math.min(failures, 40)));
      },
    ),
  );
});
