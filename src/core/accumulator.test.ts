import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Accumulator } from './accumulator.ts';

const entry = (size: number, deadline = Number.POSITIVE_INFINITY) => ({ size, deadline });

describe('Accumulator', () => {
  it('is ready once the linger of its oldest batch has passed', () => {
    const queue = new Accumulator({ batchBytes: 100, lingerMs: 5 });
    expect(queue.readyAt).toBeUndefined();
    expect(queue.append(entry(10), 1_000)).toBe(true);
    expect(queue.append(entry(10), 1_003)).toBe(false);
    expect(queue.readyAt).toBe(1_005);
  });
  it('is ready at once when a batch is full or another is behind it', () => {
    const full = new Accumulator({ batchBytes: 100, lingerMs: 5 });
    full.append(entry(100), 0);
    expect(full.readyAt).toBe(Number.NEGATIVE_INFINITY);
    const followed = new Accumulator({ batchBytes: 100, lingerMs: 5 });
    followed.append(entry(60), 0);
    expect(followed.append(entry(60), 0)).toBe(true);
    expect(followed.readyAt).toBe(Number.NEGATIVE_INFINITY);
  });
  it('gives an entry larger than a batch one of its own', () => {
    const queue = new Accumulator({ batchBytes: 100, lingerMs: 5 });
    const [small, large, next] = [entry(1), entry(500), entry(1)];
    for (const each of [small, large, next]) queue.append(each, 0);
    expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([[small], [large], [next], []]);
  });
  it('removes what is past its deadline, and with its last entry the batch', () => {
    const queue = new Accumulator({ batchBytes: 10, lingerMs: 0 });
    const [a, b, c] = [entry(5, 100), entry(5, 50), entry(5, 50)];
    for (const each of [a, b, c]) queue.append(each, 0);
    expect(queue.deadline).toBe(50);
    expect(queue.expire(50)).toEqual([b, c]);
    expect(queue.deadline).toBe(100);
    expect(queue.fits(entry(5))).toBe(true);
    expect(queue.take()).toEqual([a]);
    expect([queue.readyAt, queue.deadline]).toEqual([undefined, Number.POSITIVE_INFINITY]);
  });
  it('keeps every entry, in order, in batches within the bound', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 150 })), (sizes) => {
        const queue = new Accumulator({ batchBytes: 100, lingerMs: 5 });
        const entries = sizes.map((size) => entry(size));
        for (const each of entries) queue.append(each, 0);
        const taken: { size: number }[] = [];
        while (queue.readyAt !== undefined) {
          const batch = queue.take();
          const bytes = batch.reduce((sum, { size }) => sum + size, 0);
          expect(batch.length === 1 || bytes <= 100).toBe(true);
          taken.push(...batch);
        }
        expect(taken).toEqual(entries);
      }),
    );
  });
});
