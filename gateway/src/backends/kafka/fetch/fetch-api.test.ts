import { Reader, Writer } from '@platformatic/kafka';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FetchRequest, readFetchAnswer, writeFetchRequest } from './fetch-api.ts';

const TOPIC = '12345678-9abc-def0-1234-56789abcdef0';
const OTHER = '00000000-0000-0000-0000-000000000001';

/** Tags as brokers send them: who leads the partition now (KIP-951), a diverging epoch, brokers' addresses. */
function tags(writer: Writer, ...fields: Buffer[]): void {
  writer.appendUnsignedVarInt(fields.length);
  fields.forEach((field, tag) => {
    writer.appendUnsignedVarInt(tag).appendUnsignedVarInt(field.length).append(field);
  });
}
interface PartitionToWrite {
  partition: number;
  errorCode?: number;
  ends?: [bigint, bigint, bigint];
  aborted?: [bigint, bigint][] | null;
  records?: Buffer | null;
  tagged?: Buffer[];
}
function answerBytes(topics: [string, PartitionToWrite[]][], tagged: Buffer[] = []): Buffer {
  const writer = Writer.create();
  writer.appendInt32(12).appendInt16(0).appendInt32(99);
  writer.appendUnsignedVarInt(topics.length + 1);
  for (const [topicId, partitions] of topics) {
    writer.appendUUID(topicId).appendUnsignedVarInt(partitions.length + 1);
    for (const {
      partition,
      errorCode = 0,
      ends = [10n, 9n, 1n],
      aborted = [],
      records = null,
      tagged = [],
    } of partitions) {
      writer.appendInt32(partition).appendInt16(errorCode);
      for (const end of ends) writer.appendInt64(end);
      writer.appendUnsignedVarInt(aborted === null ? 0 : aborted.length + 1);
      for (const [producerId, firstOffset] of aborted ?? []) {
        writer.appendInt64(producerId).appendInt64(firstOffset);
        tags(writer, Buffer.from('??'));
      }
      writer.appendInt32(-1);
      writer.appendUnsignedVarInt(records === null ? 0 : records.length + 1);
      if (records !== null) writer.append(records);
      tags(writer, ...tagged);
    }
    tags(writer, Buffer.from('topic'));
  }
  tags(writer, ...tagged);
  return writer.buffer;
}
/** As a connection hands it over: in pieces, cut wherever the network cut them. */
function inPieces(bytes: Buffer, cuts: readonly number[]): Reader {
  const writer = Writer.create();
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (let i = 0; i + 1 < at.length; i++) writer.append(Buffer.from(bytes.subarray(at[i], at[i + 1])));
  return new Reader(writer.dynamicBuffer);
}

describe('the answer to a Fetch', () => {
  it('is read wherever it is cut into pieces, tagged fields passed over, each error with its partition', () => {
    const records = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256));
    const bytes = answerBytes(
      [
        [
          TOPIC,
          [
            {
              partition: 0,
              records,
              aborted: [
                [7n, 3n],
                [8n, 4n],
              ],
              tagged: [Buffer.alloc(12, 1)],
            },
          ],
        ],
        [
          OTHER,
          [
            {
              partition: 2,
              errorCode: 6,
              ends: [-1n, -1n, -1n],
              aborted: null,
              tagged: [Buffer.alloc(0), Buffer.alloc(200)],
            },
            { partition: 1, records: Buffer.from('x') },
          ],
        ],
      ],
      [Buffer.from('nodes and where they are')],
    );
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), fc.nat(40), (cuts, headroom) => {
        const reader = inPieces(bytes, cuts);
        const answer = readFetchAnswer(reader, headroom);
        expect(reader.remaining).toBe(0);
        expect(answer).toMatchObject({ throttleTimeMs: 12, errorCode: 0, sessionId: 99, recordBytes: 301 });
        const [first, second, third] = answer.partitions;
        expect(first).toMatchObject({
          topicId: TOPIC,
          partition: 0,
          errorCode: 0,
          highWatermark: 10,
          lastStableOffset: 9,
        });
        expect(first?.aborted).toEqual([
          { producerId: 7, firstOffset: 3 },
          { producerId: 8, firstOffset: 4 },
        ]);
        expect(
          Buffer.from(first?.buffer ?? [])
            .subarray(headroom)
            .equals(records),
        ).toBe(true);
        expect(second).toMatchObject({ topicId: OTHER, partition: 2, errorCode: 6, logStart: -1, buffer: undefined });
        expect(
          Buffer.from(third?.buffer ?? [])
            .subarray(headroom)
            .toString(),
        ).toBe('x');
      }),
    );
  });

  it('that ends before its records do is refused', () => {
    const bytes = answerBytes([[TOPIC, [{ partition: 0, records: Buffer.alloc(50) }]]]);
    expect(() => readFetchAnswer(inPieces(bytes.subarray(0, -30), []), 8)).toThrow(RangeError);
  });
});

describe('the request', () => {
  const request: FetchRequest = {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 1000,
    isolation: 'read_committed',
    sessionId: 3,
    sessionEpoch: 4,
    partitions: [
      { topicId: TOPIC, partition: 1, offset: 2 ** 40, maxBytes: 100, leaderEpoch: 5 },
      { topicId: OTHER, partition: 0, offset: 0, maxBytes: 100, leaderEpoch: -1 },
      { topicId: TOPIC, partition: 0, offset: 7, maxBytes: 100, leaderEpoch: 5 },
    ],
    forgotten: [{ topicId: OTHER, partition: 9 }],
    headroom: 0,
  };
  it('names each topic once, and who asks only where the version wants to know', () => {
    const newest = writeFetchRequest(17, request).buffer;
    const oldest = writeFetchRequest(13, request).buffer;
    expect(oldest.subarray(0, 4).readInt32BE()).toBe(-1);
    expect(oldest.subarray(4).equals(newest)).toBe(true);
    const count = (id: string) => newest.toString('hex').split(id.replaceAll('-', '')).length - 1;
    expect(count(TOPIC)).toBe(1);
    expect(count(OTHER)).toBe(2); // Wanted one, forgotten another.
  });
});
