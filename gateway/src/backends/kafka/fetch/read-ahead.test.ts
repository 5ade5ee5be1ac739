import { encodeBatch } from 'distributedlog/protocol';
import { ManualClock } from 'distributedlog/testing';
import { describe, expect, it } from 'vitest';
import { ReadAhead } from './read-ahead.ts';

const ends = { logStart: 0, highWatermark: 100, lastStableOffset: 100, leaderEpoch: 5 };
/** Batches of one record each, from that offset on. */
function batches(first: number, count: number): Buffer {
  const value = new Uint8Array(100);
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      const batch = Buffer.from(encodeBatch([{ key: null, value, timestamp: 0 }]));
      batch.writeBigInt64BE(BigInt(first + i), 0);
      return batch;
    }),
  );
}
const ONE = batches(0, 1).length;
function setUp(maxBytes = 100_000) {
  const clock = new ManualClock();
  return { clock, ahead: new ReadAhead(clock, maxBytes) };
}

describe('ReadAhead', () => {
  it('gives what fits, and the rest to the next who asks where that ended', () => {
    const { ahead } = setUp();
    ahead.keep({ key: 'a/0', offset: 7, bytes: batches(7, 3), from: 0, ends });
    expect(ahead.take('a/0', 7, 5, 2 * ONE)).toMatchObject({ from: 0, to: 2 * ONE, nextOffset: 9, ends });
    expect(ahead.take('a/0', 7, 5, 2 * ONE)).toBeUndefined();
    expect(ahead.take('a/0', 9, 5, 1)).toMatchObject({ from: 2 * ONE, to: 3 * ONE, nextOffset: 10 });
    expect(ahead.bytes).toBe(0);
  });
  it('has nothing of another partition, another offset, another leader', () => {
    const { ahead } = setUp();
    const keep = () => ahead.keep({ key: 'a/0', offset: 7, bytes: batches(7, 1), from: 0, ends });
    keep();
    expect(ahead.take('a/1', 7, 5, 1_000)).toBeUndefined();
    expect(ahead.take('a/0', 8, 5, 1_000)).toBeUndefined();
    expect(ahead.take('a/0', 7, 6, 1_000)).toBeUndefined();
    expect(ahead.take('a/0', 7, 5, 1_000)).toBeUndefined();
    keep();
    expect(ahead.take('a/0', 7, 5, 1_000)).toBeDefined();
  });
  it('keeps no batch that is cut, nor what nobody asked for within a second', async () => {
    const { clock, ahead } = setUp();
    ahead.keep({ key: 'a/0', offset: 7, bytes: batches(7, 1).subarray(0, ONE - 1), from: 0, ends });
    expect(ahead.bytes).toBe(0);
    ahead.keep({ key: 'a/0', offset: 7, bytes: batches(7, 1), from: 0, ends });
    expect(ahead.bytes).toBe(ONE);
    await clock.tick(1_000);
    expect(ahead.bytes).toBe(0);
  });
  it('lets go of the oldest where there is no more room', () => {
    const { ahead } = setUp(2 * ONE);
    for (const key of ['a', 'b', 'c']) ahead.keep({ key, offset: 0, bytes: batches(0, 1), from: 0, ends });
    expect(ahead.bytes).toBe(2 * ONE);
    expect(ahead.take('a', 0, 5, 1)).toBeUndefined();
    expect(ahead.take('b', 0, 5, 1)).toBeDefined();
    expect(ahead.take('c', 0, 5, 1)).toBeDefined();
  });
});
