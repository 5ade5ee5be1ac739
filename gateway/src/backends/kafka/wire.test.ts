import { Reader } from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { readFetchAnswer } from './fetch/fetch-api.ts';
import { skipTaggedFields } from './wire.ts';

describe('lengths that cannot be', () => {
  it('of tagged fields do not lead backwards, for ever', () => {
    // 2^31 - 1 fields; the first says of itself that it ends where it begins.
    const bytes = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0xfa, 0xff, 0xff, 0xff, 0x0f]);
    expect(() => skipTaggedFields(Reader.from(bytes))).toThrow('Out of bounds');
  });

  it('of records take no memory', () => {
    const head = Buffer.alloc(4 + 2 + 4);
    const topic = Buffer.concat([Buffer.from([2]), Buffer.alloc(16), Buffer.from([2])]);
    const partition = Buffer.concat([Buffer.alloc(4 + 2 + 8 + 8 + 8), Buffer.from([0]), Buffer.alloc(4)]);
    const records = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3]);
    const before = process.memoryUsage().arrayBuffers;
    const all = Buffer.concat([head, topic, partition, records]);
    expect(() => readFetchAnswer(Reader.from(all), 16)).toThrow('before its records do');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});
