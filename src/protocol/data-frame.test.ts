import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DataFrameHeader,
  dataFrameHeaderBytes,
  encodeProduceFrame,
  parseDataFrame,
  parseProduceFrame,
  readProduceId,
  writeDataFrameHeader,
} from './data-frame.ts';
import { LogError } from './errors.ts';

const TOPIC_ID = '0123abcd-4567-89ab-cdef-0123456789ab';
const offset = fc.maxSafeNat();
const header: fc.Arbitrary<DataFrameHeader> = fc.record(
  {
    stream: fc.nat(0xffff_ffff),
    topicId: fc.uuid(),
    partition: fc.nat(2 ** 31 - 1),
    logStart: offset,
    highWatermark: offset,
    lastStableOffset: offset,
    nextOffset: offset,
    aborted: fc.array(fc.record({ producerId: offset, firstOffset: offset }, { noNullPrototype: true }), {
      maxLength: 5,
    }),
  },
  { noNullPrototype: true },
);
function frameOf(of: DataFrameHeader, batches: Uint8Array): Uint8Array {
  const size = dataFrameHeaderBytes(of.aborted.length);
  const frame = new Uint8Array(size + batches.length);
  expect(writeDataFrameHeader(frame, size, of)).toBe(0);
  frame.set(batches, size);
  return frame;
}
const sample: DataFrameHeader = {
  stream: 1,
  topicId: TOPIC_ID,
  partition: 0,
  logStart: 0,
  highWatermark: 10,
  lastStableOffset: 10,
  nextOffset: 10,
  aborted: [{ producerId: 1, firstOffset: 2 }],
};
const invalid = (message: string | RegExp) =>
  expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringMatching(message) });

describe('a data frame', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(header, fc.uint8Array(), (of, batches) => {
        expect(parseDataFrame(frameOf(of, batches))).toEqual({ ...of, batches });
      }),
    );
  });

  it('is written backwards from where the batches begin, so that a batch is never moved', () => {
    const buffer = new Uint8Array(200).fill(9);
    const at = writeDataFrameHeader(buffer, 150, sample);
    expect(at).toBe(150 - dataFrameHeaderBytes(1));
    expect(buffer.subarray(0, at).every((byte) => byte === 9)).toBe(true);
    expect([...parseDataFrame(buffer.subarray(at)).batches]).toEqual(Array(50).fill(9));
  });

  it('of a Node Buffer gives its batches as a plain view', () => {
    const { batches } = parseDataFrame(Buffer.from(frameOf(sample, new Uint8Array(3))));
    expect(Object.getPrototypeOf(batches)).toBe(Uint8Array.prototype);
  });

  it('is refused with what is wrong and what is allowed', () => {
    const frame = frameOf(sample, new Uint8Array(4));
    const changed = (at: number, ...bytes: number[]) => {
      const copy = new Uint8Array(frame);
      copy.set(bytes, at);
      return copy;
    };
    for (const [bytes, message] of [
      [new Uint8Array(0), 'is empty; allowed here: 1'],
      [changed(0, 2), 'has type 2; allowed here: 1'],
      [frame.subarray(0, 63), 'has 63 bytes; its header needs 64'],
      [changed(1, 1), 'flags 1; allowed: 0'],
      [changed(2, 0, 63), 'header bytes 63; allowed: 64'],
      [changed(2, 255, 255), 'header bytes 65535'],
      [changed(60, 0, 0, 0, 2), 'counts 2 aborted transactions in a header of 80'],
      [changed(60, 255, 255, 255, 255), 'counts 4294967295 aborted'],
      [changed(24, 255), 'partition -\\d+ is negative'],
      [changed(52, 255), 'next offset is -\\d+; allowed: 0 to 2\\^53 − 1'],
      [changed(28, 0, 0x20), 'log start is 9007199254740992;'],
      [changed(64, 0x7f), 'aborted producer id'],
    ] as const) {
      expect(() => parseDataFrame(bytes), message).toThrowError(invalid(message));
    }
    expect(() => writeDataFrameHeader(new Uint8Array(100), 60, sample)).toThrowError(invalid('needs 80 bytes'));
    expect(() => writeDataFrameHeader(new Uint8Array(100), 90, { ...sample, topicId: 'orders' })).toThrowError(
      invalid('"orders" is not a UUID'),
    );
    const many = { ...sample, aborted: Array.from({ length: 4092 }, () => ({ producerId: 1, firstOffset: 1 })) };
    expect(() => writeDataFrameHeader(new Uint8Array(70_000), 69_000, many)).toThrowError(invalid('up to 4091'));
  });
});

describe('a produce frame', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 31 - 1),
        fc.uuid(),
        fc.nat(2 ** 31 - 1),
        fc.uint8Array({ minLength: 1 }),
        (id, topicId, partition, batches) => {
          const frame = encodeProduceFrame(id, topicId, partition, batches);
          expect(parseProduceFrame(frame)).toEqual({ id, topicId, partition, batches });
          expect(readProduceId(frame)).toBe(id);
        },
      ),
    );
  });

  it('is refused with what is wrong, by its id where it has one', () => {
    const frame = encodeProduceFrame(7, TOPIC_ID, 0, new Uint8Array(1));
    expect(() => parseProduceFrame(frame.subarray(0, 28))).toThrowError(invalid('holds no batch'));
    expect(() => parseProduceFrame(frame.subarray(0, 9))).toThrowError(invalid('has 9 bytes; its header needs 28'));
    expect(readProduceId(frame.subarray(0, 9))).toBe(7);
    expect(readProduceId(frame.subarray(0, 7))).toBeUndefined();
    const negative = new Uint8Array(frame).fill(255, 4, 5);
    expect(readProduceId(negative)).toBeUndefined();
    expect(() => parseProduceFrame(negative)).toThrowError(invalid('id of a produce frame is 0 to'));
    expect(readProduceId(frameOf(sample, new Uint8Array(0)))).toBeUndefined();
    expect(() => encodeProduceFrame(1, 'x', 0, frame)).toThrowError(invalid('"x" is not a UUID'));
  });
});

it('Any bytes are a frame or an INVALID_REQUEST, never anything else', () => {
  const mutated = fc
    .tuple(header, fc.uint8Array(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
    .map(([of, batches, changes]) => {
      const frame = frameOf(of, batches);
      for (const [at, byte] of changes) frame[at % Math.min(frame.length, 70)] = byte;
      return frame;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), fc.nat(100), (bytes, cut) => {
      const frame = bytes.subarray(0, Math.max(0, bytes.length - (cut > 60 ? cut : 0)));
      for (const parse of [parseDataFrame, parseProduceFrame]) {
        try {
          parse(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(LogError);
          expect(error).toMatchObject({ code: 'INVALID_REQUEST' });
        }
      }
      readProduceId(frame);
    }),
    { numRuns: 2000 },
  );
});
