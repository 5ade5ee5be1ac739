// Credit windows: cumulative limits that may be overdrawn once.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CreditWindow } from './credit.ts';

describe('CreditWindow', () => {
  it('never lets more than one batch beyond any limit that was ever granted', () => {
    const step = fc.oneof(
      fc.record({ raise: fc.nat(10_000) }),
      fc.record({ batch: fc.integer({ min: 1, max: 3_000 }) }),
    );
    fc.assert(
      fc.property(fc.nat(5_000), fc.array(step, { maxLength: 100 }), (first, steps) => {
        const window = new CreditWindow(first);
        let highest = first;
        let sent = 0;
        let beforeLast = 0;
        for (const one of steps) {
          if ('raise' in one) {
            window.raise(one.raise);
            highest = Math.max(highest, one.raise);
          } else if (window.remaining > 0) {
            window.spend(one.batch);
            beforeLast = sent;
            sent += one.batch;
          } else {
            // Nothing may be held back either: it stops only when all is spent.
            expect(sent).toBeGreaterThanOrEqual(highest);
          }
          if (sent > 0) expect(beforeLast).toBeLessThan(highest);
          expect(window.remaining).toBe(highest - sent);
        }
      }),
    );
  });

  it('ignores limits that are not higher', () => {
    const window = new CreditWindow(100);
    expect(window.raise(100)).toBe(false);
    expect(window.raise(5)).toBe(false);
    expect(window.remaining).toBe(100);
    expect(window.raise(101)).toBe(true);
    expect(window.remaining).toBe(101);
  });

  it('sets aside what reads under way have asked for, and gives it back', () => {
    const window = new CreditWindow(100);
    window.reserve(80);
    expect(window.available).toBe(20);
    expect(window.remaining).toBe(100);
    window.spend(30);
    window.unreserve(80);
    expect(window.available).toBe(70);
  });
});
