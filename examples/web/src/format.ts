// Numbers, sizes and times as people read them, in constant widths where they change often. Knows nothing of the page.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** 0 B, 999 B, 1.0 KiB, 15.9 MiB. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(value >= 99.95 ? 0 : 1)} ${UNITS[unit]}`;
}

/** 0, 12, 9 999, then 12.3k, 4.6M: at most five characters. */
export function formatCount(count: number): string {
  const value = Math.abs(count);
  if (value < 10) return Number.isInteger(count) ? String(count) : count.toFixed(1);
  if (value < 10_000) return String(Math.round(count));
  if (value < 999_950) return `${(count / 1000).toFixed(value < 99_950 ? 1 : 0)}k`;
  if (value < 999_950_000) return `${(count / 1e6).toFixed(value < 99_950_000 ? 1 : 0)}M`;
  return `${(count / 1e9).toFixed(1)}G`;
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));
const three = (value: number): string => (value < 10 ? `00${value}` : value < 100 ? `0${value}` : String(value));

/** 14:03:59.007 in the reader's time zone. */
export function formatTime(timestamp: number): string {
  const date = new Date(timestamp);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${three(date.getMilliseconds())}`;
}

/** 2026-05-04 14:03:59.007 in the reader's time zone. */
export function formatDateTime(timestamp: number): string {
  const date = new Date(timestamp);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatTime(timestamp)}`;
}

/** The value of an <input type="datetime-local"> in the reader's time zone, to the second. */
export function toLocalInput(timestamp: number): string {
  const date = new Date(timestamp);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Seconds for a countdown: 9.8, 0.0. */
export function formatSeconds(milliseconds: number): string {
  return (Math.max(0, milliseconds) / 1000).toFixed(1);
}

/** Digits in groups of three from the right: 1234567 → ['1', '234', '567']. */
export function digitGroups(value: number): string[] {
  const digits = String(Math.max(0, Math.round(value)));
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 3) groups.unshift(digits.slice(Math.max(0, end - 3), end));
  return groups;
}

/** '1 record', '2 records', '0 records'. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** What an error says of itself. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
