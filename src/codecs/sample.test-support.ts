// What the fixtures hold: other software wrote them, from these very lines. And what is compressed anew. Knows nothing of codecs.
import fc from 'fast-check';

/** The same ones every time; some 150 KiB where there are 1,500. */
export function sampleLines(count = 1_500): string[] {
  let seed = 1;
  const below = (bound: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % bound;
  };
  return Array.from({ length: count }, (_, id) =>
    JSON.stringify({
      id,
      user: `user-${below(1_000)}`,
      note: 'again '.repeat(below(9)),
      token: below(2 ** 31).toString(36),
    }),
  );
}
/** The lines as one text, each with its end of line. */
export function sampleText(count?: number): Uint8Array {
  return new TextEncoder().encode(
    sampleLines(count)
      .map((line) => `${line}\n`)
      .join(''),
  );
}
/** Text, zeros, noise, and the text again: every kind of block there is. */
export function sampleMixture(): Uint8Array {
  const text = sampleText(300);
  const noise = new Uint8Array(2_000);
  let seed = 7;
  for (let i = 0; i < noise.length; i++) {
    seed = (seed * 48_271) % 2_147_483_647;
    noise[i] = seed & 255;
  }
  const all = new Uint8Array(2 * text.length + 300_000 + noise.length);
  all.set(text);
  all.set(noise, text.length + 300_000);
  all.set(text, all.length - text.length);
  return all;
}

/** Bytes that repeat themselves here and there, from near and from far; at least one. */
export const compressible: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.record({ bytes: fc.uint8Array({ maxLength: 80 }) }),
      fc.record({ back: fc.nat(100_000), count: fc.nat(400) }),
      fc.record({ byte: fc.nat(255), count: fc.nat(70_000) }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => {
    const bytes: number[] = [];
    for (const part of parts) {
      if ('bytes' in part) bytes.push(...part.bytes);
      else
        for (let i = 0; i < part.count; i++)
          bytes.push('byte' in part ? part.byte : (bytes.at(-1 - part.back) ?? i & 255));
    }
    return Uint8Array.from(bytes);
  })
  .filter((bytes) => bytes.length > 0);
