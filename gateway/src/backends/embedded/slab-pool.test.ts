import { describe, expect, it } from 'vitest';
import { SlabPool } from './slab-pool.ts';

describe('the slab pool', () => {
  it('hands a released slab out again, and never one that is still held', () => {
    const pool = new SlabPool(1024 * 1024);
    const one = pool.take(100_000);
    const two = pool.take(100_000);
    expect(two.buffer).not.toBe(one.buffer);
    one.release();
    expect(pool.take(100_000).buffer).toBe(one.buffer);
    expect(pool.take(100_000).buffer).not.toBe(two.buffer);
  });
  it('releasing twice does not hand a slab to two owners', () => {
    const pool = new SlabPool(1024 * 1024);
    const slab = pool.take(10);
    slab.release();
    slab.release();
    expect(pool.take(10).buffer).not.toBe(pool.take(10).buffer);
  });
  it('keeps no more than its bound', () => {
    const pool = new SlabPool(128 * 1024);
    const slabs = Array.from({ length: 4 }, () => pool.take(64 * 1024));
    for (const slab of slabs) slab.release();
    const again = Array.from({ length: 4 }, () => pool.take(64 * 1024).buffer);
    const kept = again.filter((buffer) => slabs.some((slab) => slab.buffer === buffer));
    expect(kept).toHaveLength(2);
  });
  it('a slab is at least as large as asked for', () => {
    const pool = new SlabPool(0);
    for (const bytes of [1, 65_536, 65_537, 3_000_000])
      expect(pool.take(bytes).buffer.length).toBeGreaterThanOrEqual(bytes);
  });
});
