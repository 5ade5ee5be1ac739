import { describe, expect, it } from 'vitest';
import { RowRing } from './ring.ts';
import { RowView } from './view.ts';

const even = (row: number): boolean => row % 2 === 0;
const never = (): boolean => false;
function filled(maxRows: number, count: number): RowRing<number> {
  const ring = new RowRing<number>({ maxRows, maxBytes: 1e9 }, () => 1);
  for (let row = 0; row < count; row += 1) ring.push(row);
  return ring;
}
const all = (view: RowView<number>): number[] =>
  Array.from({ length: view.length }, (_, index) => view.numberAt(index));

describe('RowView', () => {
  it('without a filter shows every row, and new ones at once', () => {
    const ring = filled(5, 7);
    const view = new RowView(ring);
    expect(all(view)).toEqual([2, 3, 4, 5, 6]);
    ring.push(7);
    expect(all(view)).toEqual([3, 4, 5, 6, 7]);
    expect(view.indexOf(5)).toBe(2);
  });
  it('finds what matches, also in rows that come later', () => {
    const ring = filled(100, 5);
    const view = new RowView(ring, even);
    expect(view.advance(never)).toBe(true);
    expect(all(view)).toEqual([0, 2, 4]);
    ring.push(5);
    ring.push(6);
    expect(view.pending).toBe(2);
    view.advance(never);
    expect(all(view)).toEqual([0, 2, 4, 6]);
  });
  it('stops when its time is over and goes on where it stopped', () => {
    const view = new RowView(filled(1000, 1000), even);
    let steps = 0;
    while (!view.advance(() => true)) steps += 1;
    expect(steps).toBeGreaterThan(10);
    expect(view.length).toBe(500);
    expect(view.pending).toBe(0);
  });
  it('lets matches go that have left the store', () => {
    const ring = filled(10, 10);
    const view = new RowView(ring, even);
    view.advance(never);
    for (let row = 10; row < 15; row += 1) ring.push(row);
    view.advance(never);
    expect(all(view)).toEqual([6, 8, 10, 12, 14]);
    expect(view.indexOf(7)).toBe(1);
    expect(view.indexOf(100)).toBe(5);
  });
  it('does not look for rows that left before it came to them', () => {
    const ring = filled(10, 10);
    const view = new RowView(ring, even);
    for (let row = 10; row < 1000; row += 1) ring.push(row);
    expect(view.pending).toBe(10);
    view.advance(never);
    expect(all(view)).toEqual([990, 992, 994, 996, 998]);
  });
  it('keeps its place over many evictions', () => {
    const ring = filled(100, 100);
    const view = new RowView(ring, even);
    for (let row = 100; row < 50_000; row += 1) {
      ring.push(row);
      if (row % 50 === 0) view.advance(never);
    }
    view.advance(never);
    expect(view.length).toBe(50);
    expect(view.numberAt(0)).toBe(49_900);
  });
  it('keeps what it found when it moves to a snapshot', () => {
    const ring = filled(10, 10);
    const view = new RowView(ring, even);
    view.advance(never);
    const still = view.over(ring.snapshot());
    for (let row = 10; row < 30; row += 1) ring.push(row);
    expect(still.length).toBe(5);
    expect(still.pending).toBe(0);
    still.advance(never);
    expect(all(still)).toEqual([0, 2, 4, 6, 8]);
    expect(still.rows.at(still.numberAt(4))).toBe(8);
  });
});
