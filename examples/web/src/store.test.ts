import { describe, expect, it } from 'vitest';
import { createStore } from './store.ts';

describe('store', () => {
  it('renders at once, then once for all changes of a task', async () => {
    const store = createStore({ a: 1, b: 1 });
    const seen: number[] = [];
    store.watch(
      ({ a }) => a,
      (a) => seen.push(a),
    );
    store.set({ a: 2 });
    store.set({ a: 3 });
    expect(store.get().a).toBe(3);
    await Promise.resolve();
    expect(seen).toEqual([1, 3]);
  });
  it('does not render what did not change', async () => {
    const store = createStore({ a: 1, b: 1 });
    const seen: number[] = [];
    store.watch(
      ({ a }) => a,
      (a) => seen.push(a),
    );
    store.set({ b: 2 });
    await Promise.resolve();
    expect(seen).toEqual([1]);
  });
  it('carries on with what a view sets while it renders', async () => {
    const store = createStore({ a: 0, twice: 0 });
    store.watch(
      ({ a }) => a,
      (a) => store.set({ twice: a * 2 }),
    );
    const seen: number[] = [];
    store.watch(
      ({ twice }) => twice,
      (twice) => seen.push(twice),
    );
    store.set({ a: 4 });
    await Promise.resolve();
    await Promise.resolve();
    expect(seen.at(-1)).toBe(8);
  });
});
