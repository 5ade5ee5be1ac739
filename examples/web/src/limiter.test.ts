import { describe, expect, it } from 'vitest';
import { RateLimiter } from './limiter.ts';

/** Records taken in so many ms by a reader that asks every `stepMs`. */
function taken(limiter: RateLimiter, fromMs: number, forMs: number, stepMs = 5): number {
  let total = 0;
  for (let now = fromMs; now <= fromMs + forMs; now += stepMs) {
    const records = limiter.allowance(now, 1000);
    limiter.spend(records);
    total += records;
  }
  return total;
}

describe('RateLimiter', () => {
  it('without a rate allows whatever is asked', () => {
    expect(new RateLimiter(null, 0).allowance(0, 1000)).toBe(1000);
  });
  it('keeps the rate on average', () => {
    for (const rate of [10, 100, 1000]) {
      expect(Math.abs(taken(new RateLimiter(rate, 0), 0, 10_000) - rate * 10)).toBeLessThanOrEqual(1);
    }
  });
  it('does not make up for a long silence at once', () => {
    const limiter = new RateLimiter(1000, 0);
    expect(limiter.allowance(60_000, 1000)).toBe(100);
  });
  it('says how long to wait for the next record', () => {
    const limiter = new RateLimiter(10, 0);
    expect(limiter.allowance(0, 1000)).toBe(0);
    expect(limiter.waitMs()).toBeCloseTo(100);
    expect(limiter.allowance(100, 1000)).toBe(1);
    expect(limiter.waitMs()).toBe(0);
  });
  it('takes a new rate at once', () => {
    const limiter = new RateLimiter(10, 0);
    limiter.setRate(null, 5);
    expect(limiter.allowance(5, 700)).toBe(700);
  });
});
