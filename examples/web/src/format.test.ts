import { describe, expect, it } from 'vitest';
import { digitGroups, formatBytes, formatCount, formatSeconds, formatTime, plural, toLocalInput } from './format.ts';

describe('format', () => {
  it('says sizes in powers of 1024', () => {
    expect([0, 999, 1023, 1024, 1536, 16 * 1024 * 1024, 1024 * 1024 - 1].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '16.0 MiB',
      '1.0 MiB',
    ]);
  });
  it('says counts in at most five characters', () => {
    expect([0, 0.5, 12.4, 9999, 12_345, 99_950, 123_456, 999_949, 999_950, 12_345_678, 3e9].map(formatCount)).toEqual([
      '0',
      '0.5',
      '12',
      '9999',
      '12.3k',
      '100k',
      '123k',
      '1000k',
      '1.0M',
      '12.3M',
      '3.0G',
    ]);
  });
  it('pads times, so that columns stay straight', () => {
    const at = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();
    expect(formatTime(at)).toBe('03:04:05.006');
    expect(toLocalInput(at)).toBe('2026-01-02T03:04:05');
  });
  it('never counts down below zero', () => {
    expect(formatSeconds(-50)).toBe('0.0');
    expect(formatSeconds(9840)).toBe('9.8');
  });
  it('groups digits from the right', () => {
    expect(digitGroups(1_234_567)).toEqual(['1', '234', '567']);
    expect(digitGroups(999)).toEqual(['999']);
    expect(digitGroups(0)).toEqual(['0']);
  });
  it('counts in words', () => {
    expect([plural(0, 'record'), plural(1, 'record'), plural(2, 'record')]).toEqual([
      '0 records',
      '1 record',
      '2 records',
    ]);
  });
});
