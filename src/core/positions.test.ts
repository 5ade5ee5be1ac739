// Decisions about one partition's position.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionPosition } from './positions.ts';

const fresh = () => new PartitionPosition('t', 0, { type: 'committed' });

describe('a position', () => {
  it('is what the lookup found', () => {
    const at = fresh();
    expect(at.settled).toBe(false);
    expect(at.found(at.beginLookup(), 5)).toBeNull();
    expect([at.position, at.processed, at.settled]).toEqual([5, 5, true]);
  });
  it('goes on with autoOffsetReset where nothing was committed', () => {
    const at = fresh();
    at.beginLookup();
    at.reset('latest');
    expect(at.start).toEqual({ type: 'reset' });
    expect(at.needsLookup).toBe(true);
  });
  it('begins a partition younger than the subscription at its beginning, whatever autoOffsetReset says', () => {
    const at = new PartitionPosition('t', 0, { type: 'committed', fresh: true });
    at.beginLookup();
    at.reset('none');
    expect(at.start).toEqual({ type: 'earliest' });
    expect(at.error).toBeUndefined();
  });
  it("fails with 'none' until a seek", () => {
    const at = fresh();
    const decision = at.beginLookup();
    at.reset('none');
    expect(at.error).toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION' });
    at.seek(3);
    expect([at.error, at.position]).toEqual([undefined, 3]);
    expect(at.found(decision, 9)).toBeUndefined();
    expect(at.position).toBe(3);
  });
  it.each([
    ['retention', 'below the log', 2, 10, 20],
    ['reset', 'where a seek pointed above the end', 30, 10, 20],
  ])('calls it %s %s', (cause, _, offset, logStart, logEnd) => {
    const at = fresh();
    at.seek(offset);
    at.outOfRange(offset, logStart, logEnd, 'earliest');
    expect(at.found(at.beginLookup(), logStart)).toEqual({ from: offset, to: logStart, cause });
  });
  it('calls it truncation where a position of the log itself is beyond the end', () => {
    for (const consumed of [true, false]) {
      const at = fresh();
      at.found(at.beginLookup(), 30);
      if (consumed) at.consumed();
      at.outOfRange(30, 10, 20, 'latest');
      expect(at.found(at.beginLookup(), 20)).toEqual({ from: 30, to: 20, cause: 'truncation' });
    }
  });
  it('a seek takes back a gap that was about to be told', () => {
    const at = fresh();
    at.seek(30);
    at.outOfRange(30, 10, 20, 'earliest');
    at.seek({ type: 'latest' });
    expect(at.found(at.beginLookup(), 20)).toBeNull();
  });
  it('of a topic that was recreated is its beginning, even with latest', () => {
    const at = fresh();
    at.topicId = 'old';
    at.found(at.beginLookup(), 7);
    at.recreated('new', 'latest');
    expect(at.start).toEqual({ type: 'earliest' });
    expect(at.found(at.beginLookup(), 0)).toEqual({ from: 7, to: 0, cause: 'recreated' });
  });

  it('is always that of the last decision, whatever answers come in whatever order', () => {
    const act = fc.oneof(
      fc.record({ do: fc.constant('seek' as const), offset: fc.nat() }),
      fc.record({ do: fc.constant('lookup' as const) }),
      fc.record({ do: fc.constant('begin' as const) }),
      fc.record({ do: fc.constant('answer' as const), which: fc.nat({ max: 10 }), offset: fc.nat() }),
      fc.record({ do: fc.constant('fail' as const), which: fc.nat({ max: 10 }) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const at = fresh();
        const lookups: number[] = [];
        let expected: number | undefined;
        for (const one of acts) {
          if (one.do === 'seek') {
            at.seek(one.offset);
            expected = one.offset;
          } else if (one.do === 'lookup') {
            at.seek({ type: 'latest' });
            expected = undefined;
          } else if (one.do === 'begin') {
            if (at.needsLookup) lookups.push(at.beginLookup());
          } else {
            const decision = lookups[one.which % Math.max(1, lookups.length)];
            if (decision === undefined) continue;
            if (one.do === 'fail') at.lookupFailed(decision);
            else if (at.found(decision, one.offset) !== undefined) {
              expect(decision).toBe(at.decision);
              expect(expected).toBeUndefined();
              expected = one.offset;
            }
          }
          expect(at.position).toBe(expected);
          expect(at.settled).toBe(expected !== undefined);
        }
      }),
    );
  });
});
