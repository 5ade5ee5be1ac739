import { describe, expect, it } from 'vitest';
import { ShareHistory } from './shares.ts';

describe('shares over time', () => {
  it('are bands that end now, stacked from the bottom in order of appearance', () => {
    const history = new ShareHistory(1000);
    history.add(0, 4, [['a', 4]]);
    history.add(500, 4, [
      ['a', 3],
      ['b', 1],
    ]);
    expect(history.bands(1000, 100, 40)).toEqual([
      { id: 'a', path: 'M0 40V0H50V40ZM50 40V10H100V40Z' },
      { id: 'b', path: 'M50 10V0H100V10Z' },
    ]);
  });
  it('move to the left as time goes on, and leave', () => {
    const history = new ShareHistory(1000);
    history.add(0, 1, [['a', 1]]);
    history.add(500, 1, [['b', 1]]);
    expect(history.bands(1250, 100, 10).map(({ path }) => path)).toEqual(['M0 10V0H25V10Z', 'M25 10V0H100V10Z']);
    expect(history.bands(1600, 100, 10)).toEqual([{ id: 'b', path: 'M0 10V0H100V10Z' }]);
  });
  it('leave out what nobody owned and what was not seen', () => {
    const history = new ShareHistory(1000);
    history.add(0, 2, [['a', 1]]);
    history.pause(500);
    expect(history.bands(1000, 100, 10)).toEqual([{ id: 'a', path: 'M0 10V5H50V10Z' }]);
  });
  it('cost nothing while nothing changes, and stay bounded while everything does', () => {
    const history = new ShareHistory(10_000);
    for (let at = 0; at < 1000; at += 1) history.add(at, 1, [['a', 1]]);
    expect(history.bands(1000, 10_000, 10)[0]?.path.match(/M/g)).toHaveLength(1);
    for (let at = 1000; at < 3000; at += 1) history.add(at, 1, [[at % 2 ? 'a' : 'b', 1]]);
    const steps = history.bands(3000, 10_000, 10).flatMap(({ path }) => path.match(/M/g) ?? []);
    expect(steps).toHaveLength(300);
  });
});
