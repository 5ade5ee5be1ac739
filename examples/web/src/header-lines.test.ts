import { describe, expect, it } from 'vitest';
import { parseHeaderLines } from './header-lines.ts';

const decode = (text: string): unknown => {
  const parsed = parseHeaderLines(text);
  return parsed.ok ? parsed.headers.map(({ key, value }) => [key, new TextDecoder().decode(value)]) : parsed.message;
};

describe('parseHeaderLines', () => {
  it('keeps order and duplicates, and passes over empty lines', () => {
    expect(decode('b: 1\n\na:2\nb:  3 ')).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ]);
  });
  it('lets a value hold colons, or nothing', () => {
    expect(decode('url: http://x:1\nempty:')).toEqual([
      ['url', 'http://x:1'],
      ['empty', ''],
    ]);
  });
  it('says which line is wrong', () => {
    expect(decode('a: 1\nnonsense')).toBe('Line 2 is not "name: value".');
    expect(decode(': 1')).toBe('Line 1 is not "name: value".');
  });
});
