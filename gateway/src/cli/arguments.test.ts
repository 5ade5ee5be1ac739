import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter, LineTooLong } from './lines.ts';
import { table } from './output.ts';
import { parseStartPosition } from './start-position.ts';

describe('parseStartPosition', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  it.each([
    ['earliest', { at: 'earliest' }],
    ['latest', { at: 'latest' }],
    ['0', { at: 'offset', offset: 0 }],
    ['42', { at: 'offset', offset: 42 }],
    ['-10', { at: 'tail', count: 10 }],
    ['90s', { at: 'time', timestamp: now - 90_000 }],
    ['5m', { at: 'time', timestamp: now - 300_000 }],
    ['2h', { at: 'time', timestamp: now - 7_200_000 }],
    ['1d', { at: 'time', timestamp: now - 86_400_000 }],
    ['@1700000000000', { at: 'time', timestamp: 1_700_000_000_000 }],
    ['2026-01-31T10:00:00Z', { at: 'time', timestamp: now - 7_200_000 }],
    ['2026-01-31', { at: 'time', timestamp: Date.parse('2026-01-31') }],
  ])('reads %s', (text, position) => {
    expect(parseStartPosition(text, now)).toEqual(position);
  });
  it.each(['', 'begin', '5 minutes', '1.5', '5y', '2026-13-45', '99999999999999999999', '@', '-', '1e3'])(
    'refuses %j, saying what is allowed',
    (text) => {
      expect(() => parseStartPosition(text, now)).toThrow(/must be earliest, latest, an offset/);
    },
  );
});

describe('LineSplitter', () => {
  it('finds the same lines however the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' })),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (texts, sizes) => {
          const bytes = Buffer.from(texts.join('\n'));
          const splitter = new LineSplitter(1_000_000);
          const lines: string[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            for (const line of splitter.push(bytes.subarray(at, at + size))) lines.push(Buffer.from(line).toString());
            at += size;
          }
          const last = splitter.end();
          if (last !== undefined) lines.push(Buffer.from(last).toString());
          const expected = bytes.toString().split('\n');
          if (expected.at(-1) === '') expected.pop();
          expect(lines).toEqual(expected);
        },
      ),
    );
  });
  it('refuses a line that is too long before holding all of it', () => {
    const splitter = new LineSplitter(10);
    expect(splitter.push(Buffer.from('0123456789\n01234'))).toHaveLength(1);
    expect(() => splitter.push(Buffer.from('567890'))).toThrow(LineTooLong);
  });
});

describe('table', () => {
  it('aligns text to the left and numbers to the right', () => {
    expect(
      table(
        ['NAME', 'N'],
        [
          ['a', 1],
          ['longer', 100],
        ],
      ),
    ).toBe('NAME      N\na         1\nlonger  100\n');
    expect(
      table(
        ['NAME', 'N'],
        [
          [null, 10],
          ['b', null],
        ],
      ),
    ).toBe('NAME   N\n-     10\nb      -\n');
    expect(table(['NAME', 'N'], [])).toBe('NAME  N\n');
  });
});
