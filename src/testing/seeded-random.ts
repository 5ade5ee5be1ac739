// Chance that is the same every time. Knows nothing of what it is for.
import type { Random } from '../core/index.ts';

/** Numbers in [0, 1) that look like chance and are the same for the same seed (any number): mulberry32. */
export function seededRandom(seed: number): Random {
  let state = Math.floor(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
