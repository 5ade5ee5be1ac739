import type { ConsumerRecord } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { UsageError } from './failure.ts';
import { jsonFormat, parseFormat } from './record-format.ts';

const record: ConsumerRecord = {
  topic: 'clicks',
  partition: 2,
  offset: 41,
  timestamp: 1_700_000_000_000,
  timestampType: 'create',
  key: Buffer.from('k'),
  value: Buffer.from('v%v'),
  headers: [
    { key: 'a', value: Buffer.from('1') },
    { key: 'a', value: null },
  ],
};
const binary = Uint8Array.of(0xff, 0xfe);
const print = (format: string, what = record) => Buffer.from(parseFormat(format)(what)).toString();

describe('parseFormat', () => {
  it('fills in every field', () => {
    expect(print('%t %p %o %T %k=%v [%h] %K %S %%\\n')).toBe('clicks 2 41 1700000000000 k=v%v [a=1,a=NULL] 1 3 %\n');
  });
  it('prints null as nothing, and its length as -1', () => {
    expect(print('<%k|%v|%K|%S>', { ...record, key: null, value: null })).toBe('<||-1|-1>');
  });
  it('knows escapes', () => {
    expect(print('\\t\\\\\\x41\\r')).toBe('\t\\A\r');
  });
  it('prints keys and values as the bytes they are', () => {
    expect([...parseFormat('%v')({ ...record, value: binary })]).toEqual([...binary]);
  });
  it('names a field or an escape that there is not', () => {
    expect(() => parseFormat('%x')).toThrow(UsageError);
    expect(() => parseFormat('%x')).toThrow(/unknown field %x; known: %t topic/);
    expect(() => parseFormat('100%')).toThrow(/unknown field %;/);
    expect(() => parseFormat('\\q')).toThrow(/unknown escape \\q/);
  });
});

describe('jsonFormat', () => {
  it('prints one object a line', () => {
    const line = Buffer.from(jsonFormat(record)).toString();
    expect(line.endsWith('}\n')).toBe(true);
    expect(JSON.parse(line)).toEqual({
      topic: 'clicks',
      partition: 2,
      offset: 41,
      timestamp: 1_700_000_000_000,
      timestampType: 'create',
      key: 'k',
      value: 'v%v',
      headers: [
        { key: 'a', value: '1' },
        { key: 'a', value: null },
      ],
    });
  });
  it('prints what is not UTF-8 as base64 and says so', () => {
    const line = jsonFormat({ ...record, key: binary, value: binary, headers: [{ key: 'h', value: binary }] });
    expect(JSON.parse(Buffer.from(line).toString())).toMatchObject({
      key: '//4=',
      keyEncoding: 'base64',
      value: '//4=',
      valueEncoding: 'base64',
      headers: [{ key: 'h', value: '//4=', encoding: 'base64' }],
    });
  });
  it('keeps null apart from an empty value', () => {
    const values = [null, new Uint8Array()].map((value) =>
      JSON.parse(Buffer.from(jsonFormat({ ...record, value })).toString()),
    );
    expect(values.map(({ value }) => value)).toEqual([null, '']);
  });
});
