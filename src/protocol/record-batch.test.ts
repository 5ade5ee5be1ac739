import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { int64Text, readInt64, readUtf8, readUuid, utf8Bytes, writeInt64, writeUtf8, writeUuid } from './bytes.ts';
import { LogError } from './errors.ts';
import { type BatchHeader, readBatchHeader, scanBatches, sealBatch, stampBatch, verifyBatch } from './record-batch.ts';
import { encodeBatch, type RecordToEncode } from './record-encoder.ts';
import { RecordReader } from './record-reader.ts';
import type { ConsumerRecord } from './types.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const field = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const record: fc.Arbitrary<RecordToEncode> = fc.record({
  key: field,
  value: field,
  timestamp: fc.oneof(fc.maxSafeNat(), fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }), fc.constant(-1)),
  headers: fc.option(
    fc.array(
      fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 40 }), value: field }, { noNullPrototype: true }),
      { maxLength: 5 },
    ),
    { nil: undefined },
  ),
});
const records = fc.array(record, { minLength: 1, maxLength: 80 });

function headerOf(bytes: Uint8Array, at = 0): BatchHeader {
  const header = readBatchHeader(bytes, at);
  if (header === undefined) throw new Error('a trailing partial batch');
  return header;
}
function decode(bytes: Uint8Array, at = 0, fromOffset = 0): ConsumerRecord[] {
  const header = headerOf(bytes, at);
  verifyBatch(bytes, at, header);
  const reader = new RecordReader('topic', 3, bytes, at, header);
  const all: ConsumerRecord[] = [];
  for (let next = reader.next(fromOffset); next !== undefined; next = reader.next(fromOffset)) all.push(next);
  return all;
}
/** A change of bytes that the CRC does not give away. */
function tampered(batch: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = new Uint8Array(batch);
  change(copy);
  sealBatch(copy);
  return copy;
}
const simple = (count: number, valueBytes = 10): RecordToEncode[] =>
  Array.from({ length: count }, (_, i) => ({
    key: utf8(`k${i}`),
    value: new Uint8Array(valueBytes).fill(i),
    timestamp: 1000 + i,
  }));

describe('records', () => {
  it('come back from a batch as they went in: nulls, empties, header order and duplicates, any timestamps', () => {
    fc.assert(
      fc.property(records, fc.maxSafeNat(), fc.nat(20), (input, base, at) => {
        const baseOffset = Math.min(base, Number.MAX_SAFE_INTEGER - 100);
        const batch = encodeBatch(input, { baseOffset, producerId: base, producerEpoch: 5, baseSequence: 9 });
        const bytes = new Uint8Array(at + batch.length + 5);
        bytes.set(batch, at);
        const header = headerOf(bytes, at);
        expect(header).toMatchObject({
          baseOffset,
          sizeInBytes: batch.length,
          lastOffset: baseOffset + input.length - 1,
          recordCount: input.length,
          baseTimestamp: input[0]?.timestamp,
          maxTimestamp: Math.max(...input.map((r) => r.timestamp)),
          producerId: base,
          producerEpoch: 5,
          baseSequence: 9,
          leaderEpoch: -1,
          attributes: 0,
        });
        const expected = input.map((r, i) => ({
          topic: 'topic',
          partition: 3,
          offset: baseOffset + i,
          timestamp: r.timestamp,
          timestampType: 'create',
          key: r.key,
          value: r.value,
          headers: r.headers ?? [],
          leaderEpoch: undefined,
        }));
        expect(decode(bytes, at)).toStrictEqual(expected);
      }),
    );
  });

  it('are plain objects with own data properties, whose bytes are plain views, also of a Node Buffer', () => {
    const batch = Buffer.from(
      encodeBatch([{ key: utf8('k'), value: utf8('v'), timestamp: 1, headers: [{ key: 'h', value: utf8('w') }] }]),
    );
    const [one] = decode(batch);
    if (one === undefined) throw new Error('no record');
    expect(Object.getPrototypeOf(one)).toBe(Object.prototype);
    expect(Object.keys(one)).toEqual([
      'topic',
      'partition',
      'offset',
      'timestamp',
      'timestampType',
      'key',
      'value',
      'headers',
      'leaderEpoch',
    ]);
    for (const view of [one.key, one.value, one.headers[0]?.value]) {
      expect(Object.getPrototypeOf(view)).toBe(Uint8Array.prototype);
      expect(view?.buffer).toBe(batch.buffer);
    }
  });

  it('without headers share one frozen empty array', () => {
    const [a, b] = decode(encodeBatch(simple(2)));
    expect(a?.headers).toBe(b?.headers);
    expect(Object.isFrozen(a?.headers)).toBe(true);
  });

  it('before the offset asked for are skipped', () => {
    const batch = encodeBatch(simple(20), { baseOffset: 100 });
    expect(decode(batch, 0, 117).map((r) => r.offset)).toEqual([117, 118, 119]);
    expect(decode(batch, 0, 120)).toEqual([]);
    expect(decode(batch, 0, 5)).toHaveLength(20);
  });

  it('of one batch with a leader epoch carry it', () => {
    const batch = encodeBatch(simple(1));
    stampBatch(batch, 0, 77, 4);
    expect(decode(batch)[0]).toMatchObject({ offset: 77, leaderEpoch: 4 });
  });

  it('take timestamps that a number cannot hold exactly without failing', () => {
    const batch = tampered(encodeBatch(simple(1)), (b) => b.fill(0x7f, 27, 35));
    expect(decode(batch)[0]?.timestamp).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });

  it('are refused by the encoder where no batch can hold them', () => {
    expect(() => encodeBatch([])).toThrowError(expect.objectContaining({ code: 'INVALID_REQUEST' }));
    for (const timestamp of [1.5, Number.NaN, -2, 2 ** 53]) {
      expect(() => encodeBatch([{ key: null, value: null, timestamp }])).toThrowError(
        expect.objectContaining({ code: 'INVALID_TIMESTAMP' }),
      );
    }
  });
});

describe('a batch', () => {
  it('that was cut anywhere is a trailing partial batch', () => {
    const batch = encodeBatch(simple(3));
    for (let end = 0; end < batch.length; end++) {
      expect(readBatchHeader(batch.subarray(0, end), 0)).toBeUndefined();
      expect(readBatchHeader(batch, 0, end)).toBeUndefined();
    }
    expect(readBatchHeader(batch, 0)).toBeDefined();
  });

  it('keeps its CRC when offset and leader epoch are stamped', () => {
    const batch = encodeBatch(simple(3));
    stampBatch(batch, 0, Number.MAX_SAFE_INTEGER - 10, 9);
    const header = headerOf(batch);
    verifyBatch(batch, 0, header);
    expect(header).toMatchObject({ baseOffset: Number.MAX_SAFE_INTEGER - 10, leaderEpoch: 9 });
  });

  it('with one bit flipped after the CRC field is CORRUPT_MESSAGE', () => {
    const batch = encodeBatch(simple(3), { baseOffset: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 27 * 8, max: batch.length * 8 - 1 }), (bit) => {
        const copy = new Uint8Array(batch);
        copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(() => verifyBatch(copy, 0, headerOf(batch))).toThrowError(
          expect.objectContaining({ code: 'CORRUPT_MESSAGE', offset: 12 }),
        );
      }),
    );
  });

  it('whose records lie about themselves never yields anything but records or a LogError, and ends', () => {
    fc.assert(
      fc.property(
        records,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (input, changes) => {
          const batch = tampered(encodeBatch(input), (b) => {
            for (const [at, byte] of changes) b[21 + (at % (b.length - 21))] = byte;
          });
          // Bytes around the batch, so that a view beyond it would show.
          const bytes = new Uint8Array(batch.length + 64).fill(0xaa);
          bytes.set(batch, 32);
          try {
            for (const { key, value } of decode(bytes, 32)) {
              for (const view of [key, value]) {
                if (view === null) continue;
                expect(view.byteOffset).toBeGreaterThanOrEqual(32 + 61);
                expect(view.byteOffset + view.length).toBeLessThanOrEqual(32 + batch.length);
              }
            }
          } catch (error) {
            if (!(error instanceof LogError)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('of random bytes is refused with a LogError or taken for a partial one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, magic2) => {
        if (magic2 && bytes.length > 16) bytes[16] = 2;
        try {
          const header = readBatchHeader(bytes, 0);
          if (header !== undefined) new RecordReader('t', 0, bytes, 0, header).next(0);
          scanBatches(bytes, 0, bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(LogError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('whose offsets do not grow is CORRUPT_MESSAGE: order within a partition is promised', () => {
    const batch = encodeBatch(simple(2, 0));
    // The last record: length, attributes, timestamp delta, offset delta 1, key "k1", value of 0 bytes, no headers.
    const at = batch.length - 6;
    expect(batch[at]).toBe(2);
    const repeated = tampered(batch, (b) => {
      b[at] = 0;
    });
    expect(() => decode(repeated)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE', partition: 3 }));
  });

  it('whose fields and lengths contradict each other is CORRUPT_MESSAGE, whatever stands behind the record', () => {
    const two = encodeBatch([
      { ...(simple(1, 3)[0] as RecordToEncode), headers: [{ key: 'h', value: null }] },
      ...simple(2),
    ]);
    // The first record: length, attributes, two deltas, key "k0" (3 bytes), value (1 + 3), number of headers, key length.
    const valueLength = 61 + 4 + 3;
    const keyLength = valueLength + 5;
    expect([two[valueLength], two[keyLength]]).toEqual([6, 2]);
    const withByte = (at: number, byte: number) =>
      tampered(two, (b) => {
        b[at] = byte;
      });
    expect(() => decode(withByte(keyLength, 40))).toThrowError('has a header key of 20 bytes');
    expect(() => decode(withByte(keyLength, 1))).toThrowError('has a header key of -1 bytes');
    // One byte less of value: its last byte, 0, then stands for "no headers", and bytes are left over.
    expect(() => decode(withByte(valueLength, 4))).toThrowError('whose fields and length differ');
  });

  it('that is compressed is not read as if it were not', () => {
    const gzipped = tampered(encodeBatch(simple(1)), (b) => {
      b[22] = 1;
    });
    expect(() => decode(gzipped)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }));
  });
});

describe('scanning', () => {
  it('counts whole batches from headers alone and stops at a partial one', () => {
    const parts = [encodeBatch(simple(3), { baseOffset: 10 }), encodeBatch(simple(2), { baseOffset: 20 })];
    const bytes = Buffer.concat([new Uint8Array(7), ...parts, encodeBatch(simple(9)).subarray(0, 70)]);
    const end = 7 + parts.reduce((sum, part) => sum + part.length, 0);
    expect(scanBatches(bytes, 7, bytes.length)).toEqual({ nextOffset: 22, end, count: 2 });
    expect(scanBatches(bytes, 7, end - 1)).toEqual({ nextOffset: 13, end: end - (parts[1]?.length ?? 0), count: 1 });
    expect(scanBatches(bytes, 7, 7)).toEqual({ nextOffset: -1, end: 7, count: 0 });
  });
});

describe('bytes', () => {
  it('hold every safe integer as int64, and show every digit of the others', () => {
    const bytes = new Uint8Array(8);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        writeInt64(bytes, 0, value);
        expect(readInt64(bytes, 0)).toBe(value);
        expect(int64Text(bytes, 0)).toBe(String(value));
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        new DataView(bytes.buffer).setBigInt64(0, value);
        expect(int64Text(bytes, 0)).toBe(value.toString());
        expect(Number.isSafeInteger(readInt64(bytes, 0))).toBe(Number.isSafeInteger(Number(value)));
      }),
    );
  });

  it('hold any text as UTF-8, lone surrogates as U+FFFD and a byte order mark as it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string(),
          fc.constant('\ufeffx'),
          fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
        ),
        (value) => {
          const expected = utf8(value);
          expect(utf8Bytes(value)).toBe(expected.length);
          const bytes = new Uint8Array(expected.length + 4);
          writeUtf8(bytes, 2, value, expected.length);
          expect(bytes.subarray(2, 2 + expected.length)).toEqual(expected);
          expect(readUtf8(bytes, 2, expected.length)).toBe(
            new TextDecoder('utf-8', { ignoreBOM: true }).decode(expected),
          );
        },
      ),
    );
  });

  it('hold a UUID, and refuse what is none', () => {
    const bytes = new Uint8Array(16);
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(writeUuid(bytes, 0, uuid)).toBe(true);
        expect(readUuid(bytes, 0)).toBe(uuid);
        expect(writeUuid(bytes, 0, uuid.toUpperCase())).toBe(true);
        expect(readUuid(bytes, 0)).toBe(uuid);
      }),
    );
    for (const wrong of [
      '',
      'x',
      '0123abcd-4567-89ab-cdef-0123456789a',
      '0123abcd-4567-89ab-cdef-0123456789ag',
      '0123abcd+4567-89ab-cdef-0123456789ab',
    ]) {
      expect(writeUuid(bytes, 0, wrong)).toBe(false);
    }
  });
});
