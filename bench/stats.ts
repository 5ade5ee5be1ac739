// Alternating runs and their medians. Knows nothing of what is measured.

/** One side of a comparison: a run returns its figure, in the unit of the row. */
export interface Contestant {
  readonly name: string;
  run(): Promise<number>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Runs the contestants in turn, `rounds` times after one unmeasured round, so that a noisy moment hits all of them. */
export async function alternate(
  contestants: readonly Contestant[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const contestant of contestants) {
      progress(round === 0 ? `warming up: ${contestant.name}` : `round ${round} of ${rounds}: ${contestant.name}`);
      const figure = await contestant.run();
      if (round > 0) figures.get(contestant.name)?.push(figure);
    }
  }
  return figures;
}
