import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commitKey,
  commitPrefix,
  keyAfter,
  numberedKey,
  numberOfKey,
  parseCommitKey,
  partitionKey,
  timestampKey,
  topicKey,
} from './keys.ts';

const u32 = fc.nat({ max: 2 ** 32 - 1 });
const at = fc.record({ topicNumber: u32, partition: u32 });
const sign = (n: number): number => Math.sign(n);

describe('the keys of the store', () => {
  it('order offsets as numbers within a partition, and partitions as numbers', () => {
    fc.assert(
      fc.property(at, fc.maxSafeNat(), fc.maxSafeNat(), (partition, a, b) => {
        expect(Buffer.compare(numberedKey(partition, a), numberedKey(partition, b))).toBe(sign(a - b));
        expect(numberOfKey(numberedKey(partition, a))).toBe(a);
      }),
    );
    fc.assert(
      fc.property(u32, u32, u32, fc.maxSafeNat(), fc.maxSafeNat(), (topicNumber, p, q, a, b) => {
        if (p === q) return;
        const [one, two] = [
          numberedKey({ topicNumber, partition: p }, a),
          numberedKey({ topicNumber, partition: q }, b),
        ];
        expect(Buffer.compare(one, two)).toBe(sign(p - q));
      }),
    );
  });

  it('order timestamps as numbers, negative ones too', () => {
    fc.assert(
      fc.property(at, fc.maxSafeInteger(), fc.maxSafeInteger(), (partition, a, b) => {
        expect(Buffer.compare(timestampKey(partition, a), timestampKey(partition, b))).toBe(sign(a - b));
      }),
    );
  });

  it('all that begins with a prefix lies before the key after it, and nothing else does', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 2 }), u32, fc.maxSafeNat(), (topicNumber, partition, offset) => {
        const end = keyAfter(topicKey(topicNumber));
        expect(Buffer.compare(numberedKey({ topicNumber, partition }, offset), end)).toBe(-1);
        expect(Buffer.compare(topicKey(topicNumber + 1), end)).toBe(0);
      }),
    );
    expect([...keyAfter(Buffer.from([1, 0xff, 0xff]))]).toEqual([2, 0, 0]);
    expect(Buffer.compare(partitionKey({ topicNumber: 1, partition: 2 }), topicKey(1))).toBe(1);
  });

  it('commits of a group lie together, whatever its name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), at, (groupId, partition) => {
        fc.pre(!groupId.includes('\0'));
        const key = commitKey(groupId, partition);
        expect(parseCommitKey(key)).toEqual({ groupId, ...partition });
        const prefix = commitPrefix(groupId);
        expect(Buffer.compare(key, prefix)).toBe(1);
        expect(Buffer.compare(key, keyAfter(prefix))).toBe(-1);
      }),
    );
  });
});
