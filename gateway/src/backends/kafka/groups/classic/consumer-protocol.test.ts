import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './consumer-protocol.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const TOPIC = '0008 676f6c64656e2d61'; // golden-a
const RACK = '0006 7261636b2d37';

/** What members of Kafka 4.1 for Java wrote, as their broker described them; client.rack=rack-7. */
const JAVA = {
  joins: bytes(`0003 00000001 ${TOPIC} 00000004 ffffffff 00000000 ffffffff ${RACK}`),
  joinsAgain: bytes(
    `0003 00000001 ${TOPIC} 00000004 00000002
    00000001 ${TOPIC} 00000002 00000000 00000001 00000002 ${RACK}`.replaceAll('\n', ''),
  ),
  joinsForRange: bytes(`0003 00000001 ${TOPIC} ffffffff 00000000 00000001 ${RACK}`),
  assignment: bytes(`0003 00000001 ${TOPIC} 00000003 00000000 00000001 00000002 ffffffff`),
};

const byTopic = fc
  .uniqueArray(fc.tuple(fc.string(), fc.array(fc.nat())), { selector: ([topic]) => topic })
  .map((entries) => new Map(entries));
const subscription = fc.record({
  topics: fc.array(fc.string()),
  owned: byTopic,
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
});

describe('the subscription of a classic member', () => {
  it('is read as Java wrote it', () => {
    const owned = new Map([['golden-a', [0, 1]]]);
    expect(decodeSubscription(JAVA.joins)).toEqual({ topics: ['golden-a'], owned: new Map(), generation: -1 });
    expect(decodeSubscription(JAVA.joinsAgain)).toEqual({ topics: ['golden-a'], owned, generation: 2 });
    expect(decodeSubscription(JAVA.joinsForRange)).toEqual({ topics: ['golden-a'], owned: new Map(), generation: 1 });
  });

  it('is written as Java writes it, the rack aside', () => {
    for (const java of [JAVA.joins, JAVA.joinsAgain]) {
      const ours = encodeSubscription(decodeSubscription(java));
      const withoutRack = Buffer.concat([java.subarray(0, java.length - bytes(RACK).length), bytes('ffff')]);
      expect(ours.toString('hex')).toBe(withoutRack.toString('hex'));
    }
  });

  it('is read in every version: before 1 nothing is owned, in 1 the generation is in what cooperative members add', () => {
    const v0 = bytes(`0000 00000001 ${TOPIC} ffffffff`);
    expect(decodeSubscription(v0)).toEqual({ topics: ['golden-a'], owned: new Map(), generation: -1 });
    const v1 = bytes(`0001 00000001 ${TOPIC} 00000004 00000007 00000001 ${TOPIC} 00000001 00000005`);
    const owned = new Map([['golden-a', [5]]]);
    expect(decodeSubscription(v1)).toEqual({ topics: ['golden-a'], owned, generation: 7 });
    const v2 = bytes(`0002 00000001 ${TOPIC} ffffffff 00000001 ${TOPIC} 00000001 00000005 00000009`);
    expect(decodeSubscription(v2)).toEqual({ topics: ['golden-a'], owned, generation: 9 });
    const later = Buffer.concat([bytes('0009'), JAVA.joinsAgain.subarray(2), bytes('00000000 ff')]);
    expect(decodeSubscription(later)).toEqual(decodeSubscription(JAVA.joinsAgain));
  });

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(subscription, (said) => {
        expect(decodeSubscription(encodeSubscription(said))).toEqual(said);
        const marked = { ...said, mark: '00ff00112233aa55' };
        expect(decodeSubscription(encodeSubscription(marked))).toEqual(marked);
      }),
    );
  });

  it('is refused where bytes are missing, and nothing but INVALID_REQUEST comes of any bytes', () => {
    for (let length = 0; length < JAVA.joinsAgain.length - bytes(RACK).length; length++) {
      const cut = JAVA.joinsAgain.subarray(0, length);
      expect(() => decodeSubscription(cut), `${length} bytes`).toThrow(
        expect.objectContaining({ code: 'INVALID_REQUEST' }),
      );
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
        for (const decode of [decodeSubscription, decodeAssignment]) {
          try {
            decode(any);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INVALID_REQUEST' });
          }
        }
      }),
    );
  });
});

describe('the assignment of a classic member', () => {
  it('is read and written as Java does', () => {
    const partitions = new Map([['golden-a', [0, 1, 2]]]);
    expect(decodeAssignment(JAVA.assignment)).toEqual(partitions);
    expect(encodeAssignment(partitions).toString('hex')).toBe(JAVA.assignment.toString('hex'));
  });

  it('of no bytes is nothing, as coordinators say it', () => {
    expect(decodeAssignment(Buffer.alloc(0))).toEqual(new Map());
  });

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(byTopic, (partitions) => {
        expect(decodeAssignment(encodeAssignment(partitions))).toEqual(partitions);
      }),
    );
  });
});
