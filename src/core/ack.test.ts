// Acknowledgements in any order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckTracker } from './ack.ts';

describe('acknowledgements', () => {
  it('only the contiguous processed prefix counts', () => {
    const acks = new AckTracker();
    for (const offset of [3, 4, 8]) acks.handOut(offset, offset);
    acks.ack(4);
    expect(acks.first?.offset).toBe(3);
    acks.ack(3);
    expect([acks.first?.offset, acks.unacked, acks.first?.at]).toEqual([8, 1, 8]);
    acks.ack(8);
    expect(acks.first).toBeUndefined();
  });
  it('that are late, duplicate or of what was never handed out do nothing', () => {
    const acks = new AckTracker();
    acks.handOut(1, 0);
    expect([acks.ack(2), acks.ack(1), acks.ack(1)]).toEqual([false, true, false]);
    acks.handOut(2, 0);
    acks.clear();
    expect([acks.ack(2), acks.unacked, acks.first]).toEqual([false, 0, undefined]);
  });
  it('make the first one that is missing the processed offset, in whatever order they come', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(500), { maxLength: 200 }),
        fc.array(fc.nat(500), { maxLength: 300 }),
        (handed, acked) => {
          const acks = new AckTracker();
          const offsets = handed.sort((a, b) => a - b);
          for (const offset of offsets) acks.handOut(offset, 0);
          const done = new Set<number>();
          for (const offset of acked) {
            acks.ack(offset);
            done.add(offset);
            const missing = offsets.filter((one) => !done.has(one));
            expect(acks.first?.offset).toBe(missing[0]);
            expect(acks.unacked).toBe(missing.length);
          }
        },
      ),
    );
  });
});
