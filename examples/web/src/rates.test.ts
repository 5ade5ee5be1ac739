import { describe, expect, it } from 'vitest';
import { CurveHistory } from './rates.ts';

const point = (values: Record<string, number>): Map<string, number> => new Map(Object.entries(values));

describe('CurveHistory', () => {
  it('gives a new curve a past without values', () => {
    const history = new CurveHistory(10);
    history.add(1, point({ a: 1 }));
    history.add(2, point({ a: 2, b: 5 }));
    expect(history.curves(8)).toEqual({
      names: ['a', 'b'],
      times: [1, 2],
      values: [
        [1, 2],
        [null, 5],
      ],
    });
  });
  it('keeps only so many points', () => {
    const history = new CurveHistory(3);
    for (let second = 1; second <= 5; second += 1) history.add(second, point({ a: second }));
    expect(history.curves(8)).toEqual({ names: ['a'], times: [3, 4, 5], values: [[3, 4, 5]] });
  });
  it('forgets a curve once all its values are gone', () => {
    const history = new CurveHistory(2);
    history.add(1, point({ gone: 1, stays: 1 }));
    history.add(2, point({ stays: 2 }));
    expect(history.curves(8).names).toEqual(['gone', 'stays']);
    history.add(3, point({ stays: 3 }));
    expect(history.curves(8).names).toEqual(['stays']);
  });
  it('sums up the curves for which there is no room', () => {
    const history = new CurveHistory(5);
    history.add(1, point({ a: 1, b: 2, c: 3, d: 4 }));
    history.add(2, point({ a: 1, c: 3 }));
    history.add(3, point({ a: 1 }));
    expect(history.curves(2)).toEqual({
      names: ['a', '3 others'],
      times: [1, 2, 3],
      values: [
        [1, 1, 1],
        [9, 3, null],
      ],
    });
  });
});
