// How the partitions of a group were shared out over the last minutes, as bands to be drawn. Knows nothing of groups or elements.

/** From this time on each of these had so many. */
interface Step {
  readonly at: number;
  readonly total: number;
  readonly shares: readonly (readonly [id: string, count: number])[];
}

export interface Band {
  readonly id: string;
  /** An SVG path within width × height. */
  readonly path: string;
}

const MAX_STEPS = 300;

export class ShareHistory {
  readonly windowMs: number;
  #steps: Step[] = [];

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** Only what differs from the step before is kept. */
  add(at: number, total: number, shares: readonly (readonly [id: string, count: number])[]): void {
    const last = this.#steps.at(-1);
    if (last !== undefined && last.total === total && same(last.shares, shares)) return;
    this.#steps.push({ at, total, shares });
    this.#forget(at);
  }
  /** Nothing is known from now on, until the next `add`. */
  pause(at: number): void {
    if (this.#steps.length > 0) this.add(at, 0, []);
  }
  clear(): void {
    this.#steps = [];
  }

  /** What was known at the window's beginning reaches into it. */
  #forget(now: number): void {
    while (
      this.#steps.length > MAX_STEPS ||
      (this.#steps[1] !== undefined && this.#steps[1].at <= now - this.windowMs)
    ) {
      this.#steps.shift();
    }
  }

  /** Stacked in the order in which they appeared, the oldest at the bottom. Time runs from left to right and ends at `now`. */
  bands(now: number, width: number, height: number): Band[] {
    this.#forget(now);
    const order: string[] = [];
    for (const step of this.#steps) for (const [id] of step.shares) if (!order.includes(id)) order.push(id);
    const paths = new Map<string, string>();
    for (const [index, step] of this.#steps.entries()) {
      const x = (at: number): number => round(width * Math.max(0, Math.min(1, 1 - (now - at) / this.windowMs)));
      const left = x(step.at);
      const right = x(this.#steps[index + 1]?.at ?? now);
      if (right <= left || step.total === 0) continue;
      const counts = new Map(step.shares);
      let below = 0;
      for (const id of order) {
        const count = counts.get(id) ?? 0;
        if (count === 0) continue;
        const bottom = round(height * (1 - below / step.total));
        below += count;
        const top = round(height * (1 - below / step.total));
        paths.set(id, `${paths.get(id) ?? ''}M${left} ${bottom}V${top}H${right}V${bottom}Z`);
      }
    }
    return order.flatMap((id) => {
      const path = paths.get(id);
      return path === undefined ? [] : [{ id, path }];
    });
  }
}

const round = (value: number): number => Math.round(value * 10) / 10;
function same(a: Step['shares'], b: Step['shares']): boolean {
  return a.length === b.length && a.every(([id, count], index) => id === b[index]?.[0] && count === b[index]?.[1]);
}
