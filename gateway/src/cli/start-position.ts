// Reads --from: where consuming begins. Knows nothing of consumers.
import { InvalidArgumentError } from 'commander';

export type StartPosition =
  | { readonly at: 'earliest' | 'latest' }
  | { readonly at: 'offset'; readonly offset: number }
  /** The last `count` records of each partition. */
  | { readonly at: 'tail'; readonly count: number }
  | { readonly at: 'time'; readonly timestamp: number };

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const START_POSITIONS =
  'earliest, latest, an offset (42), the last N records (-100), an age (90s, 5m, 2h, 1d), a date (2026-01-31, 2026-01-31T10:00Z) or @ms since the epoch';

/** `now`: ms since the epoch. Throws InvalidArgumentError saying what is allowed. */
export function parseStartPosition(text: string, now: number): StartPosition {
  if (text === 'earliest' || text === 'latest') return { at: text };
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return { at: 'offset', offset: number };
  if (/^-\d+$/.test(text) && Number.isSafeInteger(number)) return { at: 'tail', count: -number };
  const epoch = /^@(\d{1,15})$/.exec(text)?.[1];
  if (epoch !== undefined) return { at: 'time', timestamp: Number(epoch) };
  const age = /^(\d{1,9})([smhd])$/.exec(text);
  if (age !== null) {
    return { at: 'time', timestamp: Math.max(0, now - Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0)) };
  }
  const timestamp = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (timestamp >= 0) return { at: 'time', timestamp };
  throw new InvalidArgumentError(`must be ${START_POSITIONS}.`);
}
