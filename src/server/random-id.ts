// Identifiers out of an injected source of chance. Knows nothing of what they name.
import type { Random } from '../core/index.ts';

const DIGITS = '0123456789abcdef';

/** 128 bits as 32 hexadecimal digits. */
export function randomHex(random: Random): string {
  let text = '';
  for (let i = 0; i < 32; i++) text += DIGITS[Math.floor(random() * 16)];
  return text;
}

/** A UUID of version 4. */
export function randomUuid(random: Random): string {
  const hex = randomHex(random);
  const variant = DIGITS[8 + Math.floor(random() * 4)];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/**
 * Where a log begins to number its producers: anywhere, so that what a producer still knows from another log, or from an earlier life of
 * this one, is nobody else's id here, and no batch of one passes for a repetition of another's.
 */
export function firstProducerId(random: Random): number {
  return Math.floor(random() * 2 ** 52);
}
