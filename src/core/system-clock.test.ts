import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from './system-clock.ts';

afterEach(() => {
  vi.useRealTimers();
});

const LONGEST_MS = 2 ** 31 - 1;

it('waits longer than a runtime’s timer can, and calls back once', () => {
  vi.useFakeTimers();
  const due: number[] = [];
  const start = systemClock.now();
  systemClock.after(2 * LONGEST_MS + 5, () => due.push(systemClock.now() - start));
  vi.advanceTimersByTime(2 * LONGEST_MS + 4);
  expect(due).toEqual([]);
  vi.advanceTimersByTime(LONGEST_MS);
  expect(due).toEqual([2 * LONGEST_MS + 5]);
  expect(vi.getTimerCount()).toBe(0);
});

it('is cancelled in any stretch of a long delay', () => {
  vi.useFakeTimers();
  const cancel = systemClock.after(2 * LONGEST_MS, () => expect.unreachable());
  vi.advanceTimersByTime(LONGEST_MS + 1);
  cancel();
  expect(vi.getTimerCount()).toBe(0);
});
