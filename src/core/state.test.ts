// A value over time: what newcomers hear, and when.
import { describe, expect, it } from 'vitest';
import { State } from './state.ts';

describe('a state', () => {
  it('tells newcomers the latest, then every change, then its end', () => {
    const state = new State(1);
    state.next(2);
    const heard: unknown[] = [];
    state.value$.subscribe({ next: (value) => heard.push(value), complete: () => heard.push('end') });
    state.next(3);
    state.complete();
    expect(heard).toEqual([2, 3, 'end']);
  });

  it('tells the latest also after its end', () => {
    const state = new State(1);
    state.complete();
    const heard: unknown[] = [];
    state.value$.subscribe({ next: (value) => heard.push(value), complete: () => heard.push('end') });
    expect(heard).toEqual([1, 'end']);
  });

  it('tells a newcomer what it changed itself when it heard the first value', () => {
    const state = new State(1);
    const heard: number[] = [];
    state.value$.subscribe((value) => {
      heard.push(value);
      if (value === 1) state.next(2);
    });
    expect(heard).toEqual([1, 2]);
  });
});
