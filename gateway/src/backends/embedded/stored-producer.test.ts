import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeProducerState, encodeProducerState } from './stored-producer.ts';

const sequence = fc.nat({ max: 2 ** 31 - 1 });
const batch = fc.record({ baseSequence: sequence, lastSequence: sequence, baseOffset: fc.maxSafeNat() });
const state = fc.record({
  epoch: fc.integer({ min: 0, max: 32_767 }),
  lastSeen: fc.nat(),
  batches: fc.array(batch, { minLength: 1, maxLength: 5 }),
});

describe('the stored state of a producer', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(state, (one) => {
        expect(decodeProducerState(encodeProducerState(one))).toEqual(one);
      }),
    );
  });
  it('that is cut short is refused', () => {
    fc.assert(
      fc.property(state, fc.nat(), (one, cut) => {
        const bytes = encodeProducerState(one);
        const length = cut % bytes.length;
        fc.pre(length < 26 || (length - 10) % 16 !== 0);
        expect(() => decodeProducerState(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'KAFKA_STORAGE_ERROR' }),
        );
      }),
    );
  });
});
