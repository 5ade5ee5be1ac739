import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatJson } from './json-format.ts';

const text = (json: string): string =>
  formatJson(json)
    .map((token) => token.text)
    .join('');

describe('formatJson', () => {
  it('indents as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const json = JSON.stringify(value);
        expect(text(json)).toBe(JSON.stringify(JSON.parse(json), null, 2));
      }),
    );
  });
  it('leaves numbers as they were written', () => {
    expect(text('{"id":9007199254740993,"x":1.0e5}')).toBe('{\n  "id": 9007199254740993,\n  "x": 1.0e5\n}');
  });
  it('keeps keys and values apart', () => {
    const kinds = formatJson('{"a":"b","c":[1,true,null]}').filter(({ kind }) => kind !== 'plain');
    expect(kinds).toEqual([
      { kind: 'key', text: '"a"' },
      { kind: 'string', text: '"b"' },
      { kind: 'key', text: '"c"' },
      { kind: 'number', text: '1' },
      { kind: 'literal', text: 'true' },
      { kind: 'literal', text: 'null' },
    ]);
  });
  it('keeps empty objects and arrays on one line, whatever stood inside them', () => {
    expect(text('{ "a" : { }, "b": [\n] }')).toBe('{\n  "a": {},\n  "b": []\n}');
  });
  it('is not misled by brackets in strings', () => {
    expect(text('"a{[,:]}\\"b"')).toBe('"a{[,:]}\\"b"');
  });
});
