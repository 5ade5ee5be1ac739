import { describe, expect, it } from 'vitest';
import { murmur2, partitionForKey } from './murmur2.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

describe('the partitioner', () => {
  it('hashes as Kafka’s own clients do', () => {
    expect(murmur2(utf8('21'))).toBe(-973932308);
    expect(murmur2(utf8('foobar'))).toBe(-790332482);
    expect(murmur2(utf8('a-little-bit-long-string'))).toBe(-985981536);
    expect(murmur2(utf8('a-little-bit-longer-string'))).toBe(-1486304829);
    expect(murmur2(utf8('lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8'))).toBe(-58897971);
    expect(murmur2(utf8('abc'))).toBe(479470107);
  });

  it('picks a partition that is never negative, also where the hash is', () => {
    expect(partitionForKey(utf8('foobar'), 7)).toBe((-790332482 & 0x7fffffff) % 7);
    for (let i = 0; i < 1000; i++) {
      const partition = partitionForKey(utf8(`key-${i}`), 12);
      expect(partition).toBeGreaterThanOrEqual(0);
      expect(partition).toBeLessThan(12);
    }
  });
});
