import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter, includesAscii } from './filter.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const record = (topic: string, key: string | null, value: string | null) => ({
  topic,
  key: key === null ? null : bytes(key),
  value: value === null ? null : bytes(value),
});
const matches = (text: string, one: ReturnType<typeof record>): boolean => compileFilter(text)?.(one) ?? true;

describe('filter', () => {
  it('is none for an empty text', () => {
    expect(compileFilter('  ')).toBeUndefined();
  });
  it('looks at topic, key and value, whatever the case', () => {
    const one = record('Orders.eu', 'Key-7', '{"city":"Berlin"}');
    for (const text of ['orders', 'KEY-7', 'berlin', '"City":']) expect(matches(text, one)).toBe(true);
    expect(matches('paris', one)).toBe(false);
  });
  it('does not match across fields, and takes null for no text', () => {
    expect(matches('ab', record('t', 'a', 'b'))).toBe(false);
    expect(matches('null', record('t', null, null))).toBe(false);
  });
  it('finds text beyond ASCII in either case', () => {
    expect(matches('MÜNCHEN', record('t', null, 'nach münchen'))).toBe(true);
    expect(matches('日本', record('t', null, '今日本を読む'))).toBe(true);
  });
  it('agrees with comparing the text', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'A', 'b', 'é', '1', '"'), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (value, text) => {
        const wanted = text.trim().toLowerCase();
        expect(matches(text, record('', null, value))).toBe(value.toLowerCase().includes(wanted));
      }),
    );
  });
  it('finds a needle at both ends, and an empty one everywhere', () => {
    expect(includesAscii(bytes('abc'), bytes('bc'))).toBe(true);
    expect(includesAscii(bytes('abc'), bytes('ab'))).toBe(true);
    expect(includesAscii(bytes('ab'), bytes('abc'))).toBe(false);
    expect(includesAscii(bytes(''), bytes(''))).toBe(true);
  });
});
