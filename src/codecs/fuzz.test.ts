// Damaged bytes of every kind: nothing hangs, nothing comes out beyond the bound, nothing but a LogError is thrown.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BATCH_HEADER_BYTES, LogError } from '../protocol/index.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { type Decompress, decompressors } from './index.ts';

const folder = new URL('./fixtures/', import.meta.url);
const codecOf = (name: string): Decompress | undefined =>
  Object.entries({ ...decompressors, zst: decompressors.zstd }).find(([codec]) => name.includes(codec))?.[1];
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 150);
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1e9));

/** Bits flipped, bytes replaced by telling ones, cut, repeated, taken from elsewhere. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (bound: number) => Math.floor(random() * bound);
  let copy = bytes.slice(0, random() < 0.2 ? below(bytes.length) : bytes.length);
  // Mostly near the beginning, where headers and tables are.
  const place = () => below(random() < 0.5 ? Math.min(64, copy.length) : copy.length);
  for (let i = below(6); i >= 0 && copy.length > 0; i--) {
    const kind = below(5);
    const at = place();
    if (kind === 0) copy[at] = (copy[at] as number) ^ (1 << below(8));
    else if (kind === 1) copy[at] = [0, 1, 127, 128, 255][below(5)] as number;
    else if (kind === 2) copy[at] = below(256);
    else if (kind === 3) copy.copyWithin(at, place(), place());
    else copy = new Uint8Array(Buffer.concat([copy.subarray(0, at), copy.subarray(place())]));
  }
  return copy;
}

it.each(readdirSync(folder).filter((name) => codecOf(name) !== undefined))('%s, damaged', (name) => {
  const decompress = codecOf(name) as Decompress;
  const file = new Uint8Array(readFileSync(new URL(name, folder)));
  const whole = name.endsWith('.batch') ? file.subarray(BATCH_HEADER_BYTES) : file;
  const random = seededRandom(SEED);
  const outcomes = { plain: 0, refused: 0 };
  let longestMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutate(whole, random);
    const maxBytes = Math.floor(random() * 400_000);
    const what = `${name}, seed ${SEED}, round ${round}`;
    const startedAt = performance.now();
    try {
      const plain = decompress(bytes, maxBytes) as Uint8Array;
      expect(plain.length, what).toBeLessThanOrEqual(maxBytes);
      outcomes.plain++;
    } catch (error) {
      if (!(error instanceof LogError)) throw new Error(`${what}: ${String(error)}`, { cause: error });
      expect(['CORRUPT_MESSAGE', 'RECORD_TOO_LARGE'], what).toContain(error.code);
      outcomes.refused++;
    }
    longestMs = Math.max(longestMs, performance.now() - startedAt);
  }
  expect(outcomes.refused).toBeGreaterThan(0);
  expect(longestMs, `seed ${SEED}`).toBeLessThan(2_000);
});
