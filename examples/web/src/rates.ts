// The last two minutes of several named curves, one point a second, aligned in time for a chart. Knows nothing of charts.

/** Times in seconds, then one array of values for each name; null where the curve was not known. */
export interface Curves {
  readonly names: readonly string[];
  readonly times: readonly number[];
  readonly values: readonly (readonly (number | null)[])[];
}

export class CurveHistory {
  readonly points: number;
  #times: number[] = [];
  #values = new Map<string, (number | null)[]>();

  constructor(points = 120) {
    this.points = points;
  }

  /** Adds one point; names that are new get a past without values, names that are missing get none for this second. */
  add(timeSeconds: number, point: ReadonlyMap<string, number>): void {
    this.#times.push(timeSeconds);
    for (const name of point.keys()) {
      if (!this.#values.has(name)) this.#values.set(name, new Array<null>(this.#times.length - 1).fill(null));
    }
    for (const [name, values] of this.#values) values.push(point.get(name) ?? null);
    if (this.#times.length <= this.points) return;
    this.#times.shift();
    for (const [name, values] of this.#values) {
      values.shift();
      if (values.every((value) => value === null)) this.#values.delete(name);
    }
  }

  clear(): void {
    this.#times = [];
    this.#values.clear();
  }

  /** The curves in the order they appeared. Beyond `most`, the last one is the sum of all that did not fit. */
  curves(most: number): Curves {
    const names = [...this.#values.keys()];
    if (names.length <= most) return { names, times: this.#times, values: [...this.#values.values()] };
    const kept = names.slice(0, most - 1);
    const rest = names.slice(most - 1).map((name) => this.#values.get(name) ?? []);
    const sum = this.#times.map((_, index) =>
      rest.reduce<number | null>((total, values) => {
        const value = values[index] ?? null;
        return value === null ? total : (total ?? 0) + value;
      }, null),
    );
    return {
      names: [...kept, `${rest.length} others`],
      times: this.#times,
      values: [...kept.map((name) => this.#values.get(name) ?? []), sum],
    };
  }
}
