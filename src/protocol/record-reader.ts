// The records of one uncompressed RecordBatch v2, decoded as they are asked for. Knows nothing of frames, consumers or deserializers.
import { readUtf8 } from './bytes.ts';
import { BATCH_HEADER_BYTES, type BatchHeader, corrupt } from './record-batch.ts';
import type { ConsumerRecord, RecordHeader } from './types.ts';

// A record; a varint is zigzag, base 128, lowest bits first, and −1 as a length stands for null:
//   varint length (of what follows) · int8 attributes (unused) · varint64 timestamp delta · varint offset delta ·
//   varint key length · key · varint value length · value ·
//   varint number of headers · for each: varint key length · key (UTF-8, not null) · varint value length · value

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);
/** Seven one-byte fields: what a record takes at least. */
const MIN_RECORD_BYTES = 7;

/**
 * Walks the records of one uncompressed batch whose CRC was checked. Keys, values and header values are plain Uint8Array views into
 * `bytes`, which they keep alive. Records are plain objects of one hidden class with own data properties.
 * Under LogAppendTime every record has the batch's max timestamp.
 */
export class RecordReader {
  private readonly topic: string;
  private readonly partition: number;
  private readonly bytes: Uint8Array;
  private readonly header: BatchHeader;
  /** `undefined` where the record's own is right. */
  private readonly appendTime: number | undefined;
  private readonly leaderEpoch: number | undefined;
  private readonly end: number;
  /** Where the next record begins. */
  private position: number;
  private recordsLeft: number;
  private lastOffset: number;

  /** Throws CORRUPT_MESSAGE where `header` counts more records than the batch has room for. */
  constructor(topic: string, partition: number, bytes: Uint8Array, at: number, header: BatchHeader) {
    this.topic = topic;
    this.partition = partition;
    this.bytes = bytes;
    this.header = header;
    this.appendTime = header.timestampType === 'append' ? header.maxTimestamp : undefined;
    this.leaderEpoch = header.leaderEpoch >= 0 ? header.leaderEpoch : undefined;
    this.end = at + header.sizeInBytes;
    this.position = at + BATCH_HEADER_BYTES;
    this.recordsLeft = header.recordCount;
    this.lastOffset = header.baseOffset - 1;
    if (header.compression !== 'none') throw this.corrupt(`is compressed (${header.compression}); decompress it first`);
    if (header.recordCount * MIN_RECORD_BYTES > this.end - this.position) {
      throw this.corrupt(`counts ${header.recordCount} records in ${this.end - this.position} bytes`);
    }
  }

  /** The next record with offset ≥ fromOffset, or `undefined` at the end. Throws CORRUPT_MESSAGE. */
  next(fromOffset: number): ConsumerRecord | undefined {
    const { bytes } = this;
    for (;;) {
      if (this.recordsLeft === 0) {
        if (this.position !== this.end)
          throw this.corrupt(`has ${this.end - this.position} bytes after its last record`);
        return undefined;
      }
      const length = this.varint();
      const recordEnd = this.position + length;
      if (length < MIN_RECORD_BYTES - 1 || recordEnd > this.end) throw this.corrupt(`has a record of ${length} bytes`);
      this.recordsLeft--;
      this.position++;
      const timestamp = this.header.baseTimestamp + this.varint64();
      const offset = this.header.baseOffset + this.varint();
      if (offset <= this.lastOffset || offset > this.header.lastOffset) {
        throw this.corrupt(`has a record with offset ${offset}, after ${this.lastOffset}`);
      }
      this.lastOffset = offset;
      if (offset < fromOffset) {
        this.position = recordEnd;
        continue;
      }
      const key = this.view(this.varint(), recordEnd);
      const value = this.view(this.varint(), recordEnd);
      // One byte 0: no headers.
      let headers = NO_HEADERS;
      if (bytes[this.position] === 0) this.position++;
      else headers = this.headers(recordEnd);
      if (this.position !== recordEnd)
        throw this.corrupt(`has a record (offset ${offset}) whose fields and length differ`);
      return {
        topic: this.topic,
        partition: this.partition,
        offset,
        timestamp: this.appendTime ?? timestamp,
        timestampType: this.header.timestampType,
        key,
        value,
        headers,
        leaderEpoch: this.leaderEpoch,
      };
    }
  }

  private headers(recordEnd: number): readonly RecordHeader[] {
    const count = this.varint();
    if (count < 0) throw this.corrupt(`has a record with ${count} headers`);
    const headers: RecordHeader[] = [];
    // The count is not believed: every header takes two bytes or the loop ends in an error.
    for (let i = 0; i < count; i++) {
      const keyBytes = this.varint();
      if (keyBytes < 0 || this.position + keyBytes > recordEnd)
        throw this.corrupt(`has a header key of ${keyBytes} bytes`);
      const key = readUtf8(this.bytes, this.position, keyBytes);
      this.position += keyBytes;
      headers.push({ key, value: this.view(this.varint(), recordEnd) });
    }
    return headers;
  }

  /** A plain Uint8Array also where `bytes` is a subclass, such as Node's Buffer. */
  private view(length: number, recordEnd: number): Uint8Array | null {
    if (length === -1) return null;
    const at = this.position;
    if (length < 0 || at + length > recordEnd)
      throw this.corrupt(`has a field of ${length} bytes where ${recordEnd - at} are left`);
    this.position = at + length;
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + at, length);
  }

  private varint(): number {
    const { bytes } = this;
    const at = this.position;
    const first = bytes[at] as number;
    if (first < 0x80) {
      this.position = at + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    const second = bytes[at + 1] as number;
    if (second < 0x80) {
      this.position = at + 2;
      const raw = (first & 0x7f) | (second << 7);
      return (raw >>> 1) ^ -(raw & 1);
    }
    return this.longVarint();
  }

  private longVarint(): number {
    let raw = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
    throw this.corrupt('has a varint of more than 5 bytes');
  }

  private varint64(): number {
    const first = this.bytes[this.position] as number;
    if (first < 0x80) {
      this.position++;
      return (first >>> 1) ^ -(first & 1);
    }
    let odd = 0;
    let half = 0;
    // Adds up half of the unsigned number, whose lowest bit is the sign: exact as far as the result is.
    for (let i = 0, scale = 0.5; i < 10; i++, scale *= 128) {
      const byte = this.byte();
      if (i === 0) odd = byte & 1;
      half += (i === 0 ? byte & 0x7e : byte & 0x7f) * scale;
      if (byte < 0x80) return odd === 1 ? -half - 1 : half;
    }
    throw this.corrupt('has a varint of more than 10 bytes');
  }

  private byte(): number {
    if (this.position >= this.end) throw this.corrupt('ends inside a record');
    return this.bytes[this.position++] as number;
  }

  private corrupt(what: string) {
    return corrupt(what, this.header.baseOffset, { topic: this.topic, partition: this.partition });
  }
}
