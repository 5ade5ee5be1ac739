import { describe, expect, it } from 'vitest';
import { classify, decodeText, hexDump, preview } from './payload.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('payload', () => {
  it('tells null, empty, JSON, text and binary apart', () => {
    expect(classify(null).kind).toBe('null');
    expect(classify(bytes('')).kind).toBe('empty');
    expect(classify(bytes('{"a":1}')).kind).toBe('json');
    expect(classify(bytes('17')).kind).toBe('json');
    expect(classify(bytes('{a:1}')).kind).toBe('text');
    expect(classify(new Uint8Array([0, 1, 2])).kind).toBe('binary');
    expect(classify(new Uint8Array([0xff, 0xfe, 0x41])).kind).toBe('binary');
  });
  it('does not try to parse what is huge', () => {
    expect(classify(bytes('[1,2]'), 4).kind).toBe('text');
  });
  it('takes tabs and newlines for text, other control characters not', () => {
    expect(decodeText(bytes('a\tb\r\nc'))).toBe('a\tb\r\nc');
    expect(decodeText(bytes('a\u0007'))).toBeUndefined();
  });
  it('previews on one line', () => {
    expect(preview(bytes('{\n  "a": 1\n}'))).toEqual({ kind: 'text', text: '{ "a": 1 }' });
    expect(preview(null).kind).toBe('null');
    expect(preview(bytes('')).kind).toBe('empty');
    expect(preview(new Uint8Array([0, 255]))).toEqual({ kind: 'binary', text: '00 ff' });
  });
  it('cuts a long value, also inside a character, without taking it for binary', () => {
    for (const pad of ['', 'x', 'xx', 'xxx']) {
      const { kind, text } = preview(bytes(`${pad}${'€'.repeat(500)}`));
      expect(kind).toBe('text');
      expect(text.endsWith('…')).toBe(true);
      expect(text).not.toContain('\ufffd');
    }
  });
  it('dumps bytes with their offsets and what can be printed', () => {
    expect(hexDump(bytes('Hello, world!\n 16+'))).toBe(
      [
        '000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 20 31  Hello, world!· 1',
        `000010  ${'36 2b'.padEnd(48)}  6+`,
      ].join('\n'),
    );
  });
  it('dumps no more than asked', () => {
    expect(hexDump(new Uint8Array(100), 32).split('\n')).toHaveLength(2);
  });
});
