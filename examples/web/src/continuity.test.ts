import { describe, expect, it } from 'vitest';
import { Continuity } from './continuity.ts';

const offsets = (continuity: Continuity, ...list: number[]): void => {
  for (const offset of list) continuity.count('t', 0, offset, 10);
};

describe('Continuity', () => {
  it('finds nothing wrong with offsets that follow each other', () => {
    const continuity = new Continuity();
    offsets(continuity, 5, 6, 7);
    continuity.count('t', 1, 0, 10);
    continuity.count('u', 0, 100, 10);
    offsets(continuity, 8);
    expect([continuity.records, continuity.repeated, continuity.skipped]).toEqual([6, 0, 0]);
  });
  it('counts each record that comes again', () => {
    const continuity = new Continuity();
    offsets(continuity, 0, 1, 2, 1, 2, 3);
    expect([continuity.repeated, continuity.skipped]).toEqual([2, 0]);
  });
  it('counts each offset passed over', () => {
    const continuity = new Continuity();
    offsets(continuity, 0, 4, 5);
    expect([continuity.repeated, continuity.skipped]).toEqual([0, 3]);
  });
  it('takes any offset after a seek of that partition only', () => {
    const continuity = new Continuity();
    offsets(continuity, 10, 11);
    continuity.count('t', 1, 10, 10);
    continuity.expectAny('t', 0);
    offsets(continuity, 0, 1);
    continuity.count('t', 1, 9, 10);
    expect([continuity.repeated, continuity.skipped]).toEqual([1, 0]);
  });
  it('counts records and bytes by partition', () => {
    const continuity = new Continuity();
    offsets(continuity, 0, 1);
    continuity.count('t', 1, 0, 7);
    expect([...continuity.counts()].map(({ partition, records, bytes }) => [partition, records, bytes])).toEqual([
      [0, 2, 20],
      [1, 1, 7],
    ]);
  });
});
