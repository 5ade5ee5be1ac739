import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterWriting,
  type ProducerState,
  type SequencedBatch,
  sequenceAfter,
  writtenBefore,
} from './producer-state.ts';

const batch = (baseSequence: number, recordCount = 1, producerEpoch = 0): SequencedBatch => ({
  producerId: 7,
  producerEpoch,
  baseSequence,
  recordCount,
});

describe('what is remembered of a producer', () => {
  it('sequences wrap from 2^31 − 1 to 0', () => {
    const state: ProducerState = {
      epoch: 0,
      lastSeen: 0,
      batches: [{ baseSequence: 2 ** 31 - 2, lastSequence: 2 ** 31 - 1, baseOffset: 5 }],
    };
    expect(sequenceAfter(2 ** 31 - 1, 1)).toBe(0);
    expect(writtenBefore(state, batch(0))).toBeUndefined();
    expect(writtenBefore(state, batch(2 ** 31 - 2, 2))).toMatchObject({ baseOffset: 5 });
    const across = afterWriting(state, batch(0, 3), 7, 1);
    expect(writtenBefore(across, batch(3))).toBeUndefined();
    expect(() => writtenBefore(across, batch(4))).toThrow(
      expect.objectContaining({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }),
    );
  });

  it('an unknown producer begins with sequence 0, or an earlier batch of it that failed could never be written', () => {
    expect(writtenBefore(undefined, batch(0))).toBeUndefined();
    expect(() => writtenBefore(undefined, batch(1))).toThrow(expect.objectContaining({ code: 'UNKNOWN_PRODUCER_ID' }));
  });

  it('a batch with known sequences but cut otherwise is no duplicate', () => {
    const state = afterWriting(undefined, batch(0, 4), 0, 0);
    expect(() => writtenBefore(state, batch(0, 2))).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_SEQUENCE_NUMBER' }),
    );
    expect(() => writtenBefore(state, batch(2, 4))).toThrow(
      expect.objectContaining({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }),
    );
  });

  it('however batches are repeated and reordered, each is written once and in order', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat({ max: 29 }), { maxLength: 200 }), (counts, attempts) => {
        const batches: SequencedBatch[] = [];
        let sequence = 0;
        for (const count of counts) {
          batches.push(batch(sequence, count));
          sequence += count;
        }
        let state: ProducerState | undefined;
        const written: number[] = [];
        for (const attempt of attempts) {
          const one = batches[attempt % batches.length];
          if (one === undefined) continue;
          try {
            const known = writtenBefore(state, one);
            if (known === undefined) {
              state = afterWriting(state, one, written.length * 100, 0);
              written.push(one.baseSequence);
            } else expect(written[known.baseOffset / 100]).toBe(one.baseSequence);
          } catch (error) {
            expect(error).toMatchObject({ name: 'LogError' });
          }
        }
        expect(written).toEqual(batches.slice(0, written.length).map((b) => b.baseSequence));
        expect(state?.batches.length ?? 0).toBe(Math.min(5, written.length));
      }),
    );
  });
});
