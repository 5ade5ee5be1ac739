import type { StandardSchemaV1 as OfficialSchema } from '@standard-schema/spec';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { bytes, type Deserializer, json, type StandardSchemaV1, text } from './deserializers.ts';

const context = { topic: 't', partition: 0, headers: [] };
const utf8 = (value: string) => new TextEncoder().encode(value);

describe('bytes', () => {
  it('hands out the very bytes', () => {
    const value = utf8('x');
    expect(bytes()(value, context)).toBe(value);
  });
});
describe('text', () => {
  it('decodes UTF-8 and keeps a byte order mark', () => {
    expect(text()(utf8('naïve 🎈'), context)).toBe('naïve 🎈');
    expect(text()(utf8('\ufeffa'), context)).toBe('\ufeffa');
    expect(text()(new Uint8Array(), context)).toBe('');
  });
  it('fails on bytes that are not UTF-8', () => {
    expect(() => text()(Uint8Array.of(0xff, 0x41), context)).toThrow();
  });
});
describe('json', () => {
  it('parses, and fails on what is not JSON or not UTF-8', () => {
    expect(json()(utf8('\ufeff{"a":[1]}'), context)).toEqual({ a: [1] });
    expect(() => json()(utf8('{'), context)).toThrow();
    expect(() => json()(Uint8Array.of(0x22, 0xff, 0x22), context)).toThrow();
  });
  it('hands out what the schema makes of it', () => {
    const reading = json(z.object({ at: z.string().transform((s) => s.length), unit: z.string().default('C') }));
    expectTypeOf(reading).toEqualTypeOf<Deserializer<{ at: number; unit: string }>>();
    expect(reading(utf8('{"at":"now"}'), context)).toEqual({ at: 3, unit: 'C' });
  });
  it('says where a value does not fit the schema', () => {
    const reading = json(z.object({ a: z.object({ b: z.number() }) }));
    expect(() => reading(utf8('{"a":{"b":"x"}}'), context)).toThrow(
      expect.objectContaining({ code: 'DESERIALIZATION_FAILED', message: expect.stringMatching(/a\.b: /) }),
    );
  });
  it('says that an asynchronous schema cannot be used', async () => {
    const schema: StandardSchemaV1<unknown, number> = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
    };
    expect(() => json(schema)(utf8('1'), context)).toThrow(/asynchronous/);
  });
  it('refuses what is no schema at once', () => {
    // @ts-expect-error a plain object is no schema
    expect(() => json({})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
  it('takes whatever implements the published interface', () => {
    expectTypeOf<OfficialSchema<unknown, number>>().toExtend<StandardSchemaV1<unknown, number>>();
  });
});
