import { describe, expect, it } from 'vitest';
import { scaleOf } from './chart-scale.ts';

const curves = (...values: (number | null)[][]) => ({
  names: values.map((_, index) => String(index)),
  times: (values[0] ?? []).map((_, index) => index),
  values,
});

describe('scaleOf', () => {
  it('has room above the highest value', () => {
    const { ceiling, clipped } = scaleOf(curves([10, 30, 20], [5, null, 1]));
    expect(ceiling).toBeGreaterThan(30);
    expect(clipped).toBe(false);
  });
  it('never collapses, also without values', () => {
    expect(scaleOf(curves()).ceiling).toBe(4);
    expect(scaleOf(curves([null, 0])).ceiling).toBe(4);
  });
  it('lets one burst run out at the top, and says how high it was', () => {
    const { ceiling, peak, clipped } = scaleOf(curves([9000, ...new Array<number>(60).fill(100)]));
    expect([peak, clipped]).toEqual([9000, true]);
    expect(ceiling).toBeGreaterThan(100);
    expect(ceiling).toBeLessThan(400);
  });
  it('shows a load that lasts as high as it is', () => {
    const { ceiling, clipped } = scaleOf(
      curves([...new Array<number>(30).fill(9000), ...new Array<number>(60).fill(100)]),
    );
    expect(clipped).toBe(false);
    expect(ceiling).toBeGreaterThan(9000);
  });
});
