import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Choice, DEFAULT_START, formatChoice, parseChoice, parseStart, type Start } from './url-state.ts';

const nothing: Choice = {
  view: 'records',
  shown: null,
  topics: null,
  group: null,
  start: DEFAULT_START,
  filter: '',
  rate: null,
};

describe('url state', () => {
  it('is empty for the defaults', () => {
    expect(formatChoice(nothing)).toBe('');
    expect(parseChoice('')).toEqual(nothing);
  });
  it('reads a link', () => {
    expect(parseChoice('?view=groups&show=billing&group=ops&topics=a,b,a&from=15&q=cpu3&rate=100')).toEqual({
      view: 'groups',
      shown: 'billing',
      topics: ['a', 'b'],
      group: 'ops',
      start: { kind: 'minutes', minutes: 15 },
      filter: 'cpu3',
      rate: 100,
    });
  });
  it('tells "no topics" from "nothing chosen"', () => {
    expect(parseChoice('?topics=').topics).toEqual([]);
    expect(formatChoice({ ...nothing, topics: [] })).toBe('?topics=');
  });
  it('keeps topics and times readable', () => {
    const start: Start = { kind: 'at', timestamp: Date.UTC(2026, 4, 4, 12) };
    expect(formatChoice({ ...nothing, topics: ['a.b', 'c_d'], start })).toBe(
      '?topics=a.b,c_d&from=2026-05-04T12:00:00.000Z',
    );
  });
  it('knows every way to start', () => {
    expect(parseStart('earliest')).toEqual({ kind: 'earliest' });
    expect(parseStart('latest')).toEqual({ kind: 'latest' });
    expect(parseStart('0.5')).toEqual({ kind: 'minutes', minutes: 0.5 });
    expect(parseStart('last:500')).toEqual({ kind: 'last', count: 500 });
  });
  it('passes over what makes no sense', () => {
    for (const from of ['', 'yesterday', '-5', '0', 'NaN', 'last:x']) expect(parseStart(from)).toEqual(DEFAULT_START);
    expect(parseChoice('?rate=fast&group=%20&show=&view=maps&utm=1')).toEqual(nothing);
    expect(parseChoice('?rate=-1').rate).toBeNull();
  });
  it('gives back what it was given', () => {
    const start: fc.Arbitrary<Start> = fc.oneof(
      fc.constantFrom<Start>({ kind: 'earliest' }, { kind: 'latest' }),
      fc.integer({ min: 1, max: 100_000 }).map((minutes): Start => ({ kind: 'minutes', minutes })),
      fc.integer({ min: 1, max: 9_999_999 }).map((count): Start => ({ kind: 'last', count })),
      fc.integer({ min: 0, max: 4e12 }).map((timestamp): Start => ({ kind: 'at', timestamp })),
    );
    const name = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/);
    fc.assert(
      fc.property(
        fc.record({
          view: fc.constantFrom('records' as const, 'groups' as const),
          shown: fc.option(fc.string({ minLength: 1 }).filter((text) => text.trim() === text)),
          topics: fc.option(fc.uniqueArray(name, { maxLength: 4 })),
          group: fc.option(fc.string({ minLength: 1 }).filter((text) => text.trim() === text)),
          start,
          filter: fc.string(),
          rate: fc.option(fc.constantFrom(1000, 100, 10)),
        }),
        (choice) => {
          expect(parseChoice(formatChoice(choice))).toEqual(choice);
        },
      ),
    );
  });
});
