// The buffer of one partition: what is delivered, passed over and counted, whatever frames it came in.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressBatch, type DataFrame, decompressBatch, encodeBatch, type IsolationLevel } from '../protocol/index.ts';
import { ATTRIBUTES_AT, sealBatch } from '../protocol/record-batch.ts';
import { PartitionBuffer } from './buffer.ts';

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

function batchAt(baseOffset: number, count: number, attributes = 0, producerId = -1): Uint8Array {
  const records = Array.from({ length: count }, () => ({ key: null, value: new Uint8Array([1]), timestamp: 1_000 }));
  const batch = encodeBatch(records, { baseOffset, producerId, producerEpoch: 0, baseSequence: 0 });
  new DataView(batch.buffer).setInt16(ATTRIBUTES_AT, attributes);
  sealBatch(batch);
  return batch;
}
function frameOf(batches: readonly Uint8Array[], nextOffset: number, more: Partial<DataFrame> = {}): DataFrame {
  const bytes = new Uint8Array(batches.reduce((sum, batch) => sum + batch.length, 0));
  let at = 0;
  for (const batch of batches) {
    bytes.set(batch, at);
    at += batch.length;
  }
  const ends = { logStart: 0, highWatermark: nextOffset, lastStableOffset: nextOffset };
  return { stream: 1, topicId: 'id', partition: 0, ...ends, nextOffset, aborted: [], batches: bytes, ...more };
}
function bufferAt(offset: number, isolation: IsolationLevel = 'read_uncommitted'): PartitionBuffer {
  const buffer = new PartitionBuffer('t', 0, isolation);
  buffer.restart(offset);
  return buffer;
}
function drain(buffer: PartitionBuffer): number[] {
  const offsets: number[] = [];
  for (let record = buffer.peek(); record !== undefined; record = buffer.peek()) {
    offsets.push(record.offset);
    buffer.shift();
  }
  return offsets;
}

describe('a partition buffer', () => {
  it('passes over the leading records of a batch that begins before the position', () => {
    const buffer = bufferAt(7);
    buffer.push(frameOf([batchAt(5, 5)], 10));
    expect(drain(buffer)).toEqual([7, 8, 9]);
    expect(buffer.cursor).toBe(10);
  });
  it('moves past control batches and empty frames', () => {
    const buffer = bufferAt(0);
    buffer.push(frameOf([batchAt(0, 2), batchAt(2, 1, TRANSACTIONAL | CONTROL, 9)], 3));
    buffer.push(frameOf([], 20));
    expect(drain(buffer)).toEqual([0, 1]);
    expect(buffer.cursor).toBe(20);
    expect(buffer.held).toBe(0);
  });
  it('cuts a trailing partial batch off and releases its bytes', () => {
    const buffer = bufferAt(0);
    const whole = batchAt(0, 2);
    const frame = frameOf([whole, batchAt(2, 2).subarray(0, 70)], 2);
    buffer.push(frame);
    expect(drain(buffer)).toEqual([0, 1]);
    expect(buffer.takeWireDone()).toBe(frame.batches.length);
    expect(buffer.cursor).toBe(2);
  });
  it('verifies a batch before it is decoded, and names the offset of a damaged one', () => {
    const buffer = bufferAt(0);
    const damaged = batchAt(2, 2);
    damaged[damaged.length - 1] = 99;
    buffer.push(frameOf([batchAt(0, 2), damaged], 4));
    buffer.peek();
    buffer.shift();
    buffer.peek();
    buffer.shift();
    expect(() => buffer.peek()).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE', offset: 2 }));
    expect(() => buffer.peek()).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }));
    expect(buffer.cursor).toBe(2);
    buffer.restart(2);
    buffer.push(frameOf([batchAt(2, 2)], 4));
    expect(drain(buffer)).toEqual([2, 3]);
  });
  it('tells of what the log lost before it was read', () => {
    const buffer = bufferAt(3);
    buffer.push(frameOf([batchAt(10, 2)], 12, { logStart: 9 }));
    expect(drain(buffer)).toEqual([10, 11]);
    expect(buffer.takeLost()).toEqual({ from: 3, to: 9 });
    expect(buffer.takeLost()).toBeUndefined();
  });
  it('does not take a hole of compaction for a loss', () => {
    const buffer = bufferAt(3);
    buffer.push(frameOf([batchAt(10, 2)], 12, { logStart: 2 }));
    expect(drain(buffer)).toEqual([10, 11]);
    expect(buffer.takeLost()).toBeUndefined();
  });
  it('waits at a compressed batch until it is decompressed, and counts it as what it then is', async () => {
    const buffer = bufferAt(0);
    const plain = batchAt(0, 500);
    const frame = frameOf([await compressBatch(plain, 'gzip')], 500);
    buffer.push(frame);
    expect(buffer.held).toBe(frame.batches.length);
    expect(buffer.peek()).toBeUndefined();
    const waiting = buffer.compressed;
    if (waiting === undefined) throw new Error('no batch waits');
    const inflated = await decompressBatch(waiting.bytes, waiting.at, waiting.header, 1_000_000);
    expect(buffer.decompressed(waiting, inflated)).toBe(plain.length - frame.batches.length);
    expect(buffer.held).toBe(plain.length);
    expect(drain(buffer)).toHaveLength(500);
    expect([buffer.takeWireDone(), buffer.takeHeldDone(), buffer.held]).toEqual([
      frame.batches.length,
      plain.length,
      0,
    ]);
  });

  describe('under read_committed', () => {
    it('delivers nothing of an aborted transaction, also when its marker comes in a later frame', () => {
      const buffer = bufferAt(0, 'read_committed');
      const aborted = [{ producerId: 7, firstOffset: 0 }];
      buffer.push(frameOf([batchAt(0, 2, TRANSACTIONAL, 7), batchAt(2, 1, TRANSACTIONAL, 8)], 3, { aborted }));
      buffer.push(
        frameOf([batchAt(3, 2, TRANSACTIONAL, 7), batchAt(5, 1, TRANSACTIONAL | CONTROL, 7)], 6, { aborted }),
      );
      buffer.push(frameOf([batchAt(6, 2, TRANSACTIONAL, 7)], 8));
      expect(drain(buffer)).toEqual([2, 6, 7]);
    });
    it('delivers nothing of either when one producer aborts twice', () => {
      const buffer = bufferAt(0, 'read_committed');
      const aborted = [
        { producerId: 7, firstOffset: 0 },
        { producerId: 7, firstOffset: 6 },
      ];
      const batches = [
        batchAt(0, 1, TRANSACTIONAL, 7),
        batchAt(1, 1, TRANSACTIONAL | CONTROL, 7),
        batchAt(2, 3, TRANSACTIONAL, 7),
        batchAt(5, 1, TRANSACTIONAL | CONTROL, 7),
        batchAt(6, 2, TRANSACTIONAL, 7),
        batchAt(8, 1, TRANSACTIONAL | CONTROL, 7),
      ];
      buffer.push(frameOf(batches, 9, { aborted }));
      expect(drain(buffer)).toEqual([2, 3, 4]);
      expect(buffer.cursor).toBe(9);
    });
  });

  it('delivers every wanted record once, in order, and releases every byte, however the log is cut into frames', () => {
    const piece = fc.record({
      gap: fc.nat({ max: 3 }),
      count: fc.integer({ min: 1, max: 5 }),
      kind: fc.constantFrom('plain', 'control', 'committed', 'aborted'),
      producerId: fc.integer({ min: 1, max: 3 }),
      lastOfFrame: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.nat({ max: 20 }),
        fc.infiniteStream(fc.nat({ max: 4 })),
        (pieces, from, reads) => {
          const buffer = bufferAt(from, 'read_committed');
          const expected: number[] = [];
          let offset = 0;
          let wire = 0;
          let batches: Uint8Array[] = [];
          // As a broker lists them: the aborted transactions that overlap what is read.
          const aborted: { producerId: number; firstOffset: number; marker: number }[] = [];
          let frameFrom = 0;
          const got: number[] = [];
          const send = () => {
            const frame = frameOf(batches, offset, { aborted: aborted.filter(({ marker }) => marker >= frameFrom) });
            batches = [];
            frameFrom = offset;
            if (frame.nextOffset < buffer.end) return;
            wire += frame.batches.length;
            buffer.push(frame);
            for (let reading = reads.next().value ?? 0; reading > 0; reading--) {
              const record = buffer.peek();
              if (record === undefined) break;
              got.push(record.offset);
              buffer.shift();
            }
          };
          for (const { gap, count, kind, producerId, lastOfFrame } of pieces) {
            offset += gap;
            if (kind === 'aborted') {
              aborted.push({ producerId, firstOffset: offset, marker: offset + count });
              batches.push(batchAt(offset, count, TRANSACTIONAL, producerId));
              offset += count;
              if (lastOfFrame) send();
              batches.push(batchAt(offset, 1, TRANSACTIONAL | CONTROL, producerId));
              offset += 1;
            } else if (kind === 'control') {
              batches.push(batchAt(offset, 1, TRANSACTIONAL | CONTROL, producerId));
              offset += 1;
            } else {
              batches.push(
                batchAt(
                  offset,
                  count,
                  kind === 'committed' ? TRANSACTIONAL : 0,
                  kind === 'committed' ? producerId : -1,
                ),
              );
              for (let i = 0; i < count; i++) if (offset + i >= from) expected.push(offset + i);
              offset += count;
              if (kind === 'committed') {
                batches.push(batchAt(offset, 1, TRANSACTIONAL | CONTROL, producerId));
                offset += 1;
              }
            }
            if (lastOfFrame) send();
          }
          send();
          got.push(...drain(buffer));
          expect(got).toEqual(expected.filter((at) => at >= from));
          expect(buffer.held).toBe(0);
          expect(buffer.takeWireDone()).toBe(wire);
          expect(buffer.takeHeldDone()).toBe(wire);
          expect(buffer.cursor).toBe(Math.max(from, offset));
        },
      ),
    );
  });
});
