// Decides how high a chart's axis reaches. Knows nothing of how it is drawn.
import type { Curves } from './rates.ts';

/**
 * Where the axis ends. One burst, as when a page catches up, must not flatten two minutes: if the few highest seconds
 * stand far above all others, they run out at the top and the peak is said in words.
 */
export function scaleOf(curves: Curves): { ceiling: number; peak: number; clipped: boolean } {
  const highs = curves.times.map((_, index) => Math.max(0, ...curves.values.map((values) => values[index] ?? 0)));
  const sorted = highs.toSorted((a, b) => b - a);
  const peak = sorted[0] ?? 0;
  const usual = sorted[Math.max(2, Math.floor(sorted.length * 0.06))] ?? peak;
  const clipped = usual > 0 && peak > usual * 4;
  return { ceiling: Math.max(4, (clipped ? usual * 1.5 : peak) * 1.12), peak, clipped };
}
