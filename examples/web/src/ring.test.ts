import { describe, expect, it } from 'vitest';
import { RowRing } from './ring.ts';

const ring = (maxRows: number, maxBytes = 1e9) =>
  new RowRing<{ id: number; bytes: number }>({ maxRows, maxBytes }, (row) => row.bytes);
const fill = (target: ReturnType<typeof ring>, from: number, to: number, bytes = 1): void => {
  for (let id = from; id < to; id += 1) target.push({ id, bytes });
};

describe('RowRing', () => {
  it('gives each row a number that never changes', () => {
    const rows = ring(4);
    fill(rows, 0, 10);
    expect([rows.first, rows.next]).toEqual([6, 10]);
    for (let number = 6; number < 10; number += 1) expect(rows.at(number)?.id).toBe(number);
  });
  it('has nothing outside its bounds', () => {
    const rows = ring(4);
    fill(rows, 0, 10);
    expect(rows.at(5)).toBeUndefined();
    expect(rows.at(10)).toBeUndefined();
  });
  it('lets the oldest rows go while there are too many bytes, and counts what is left', () => {
    const rows = ring(100, 10);
    fill(rows, 0, 5, 4);
    expect(rows.next - rows.first).toBe(2);
    expect(rows.bytes).toBe(8);
  });
  it('keeps the newest row however large it is', () => {
    const rows = ring(100, 10);
    fill(rows, 0, 3, 4);
    rows.push({ id: 3, bytes: 1000 });
    expect([rows.first, rows.next, rows.bytes]).toEqual([3, 4, 1000]);
  });
  it('gives a snapshot that later rows and evictions do not touch', () => {
    const rows = ring(4);
    fill(rows, 0, 6);
    const snapshot = rows.snapshot();
    fill(rows, 6, 20);
    expect([snapshot.first, snapshot.next]).toEqual([2, 6]);
    expect([2, 3, 4, 5].map((number) => snapshot.at(number)?.id)).toEqual([2, 3, 4, 5]);
    expect(snapshot.at(6)).toBeUndefined();
    expect(snapshot.at(1)).toBeUndefined();
  });
  it('goes on counting after it was cleared, and holds nothing of before', () => {
    const rows = ring(4);
    fill(rows, 0, 6);
    rows.clear();
    expect([rows.first, rows.next, rows.bytes]).toEqual([6, 6, 0]);
    expect(rows.at(5)).toBeUndefined();
    fill(rows, 6, 8);
    expect(rows.at(7)?.id).toBe(7);
  });
});
