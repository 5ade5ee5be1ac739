// What a test asks e2e/pages/reader.ts: how much arrived, and whether each offset came once and in order.
import { expect, type Page } from '@playwright/test';

export const total = (page: Page): Promise<number> => page.evaluate(() => window.seen.total);
export const waitForTotal = (page: Page, count: number): Promise<void> =>
  expect.poll(() => total(page), { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
export const waitUntilLive = (page: Page): Promise<unknown> => page.waitForFunction(() => window.seen.live);

/** Offsets 0…count−1 of partition 0, each exactly once and in order. */
export async function expectEachOnce(page: Page, count: number): Promise<void> {
  const result = await page.evaluate((expected) => {
    const counts = window.seen.offsets[0] ?? {};
    const wrong = Array.from({ length: expected }, (_, offset) => [offset, counts[offset] ?? 0]).filter(
      ([, times]) => times !== 1,
    );
    return {
      wrong: wrong.slice(0, 5),
      distinct: Object.keys(counts).length,
      outOfOrder: window.seen.outOfOrder,
      error: window.seen.error,
    };
  }, count);
  expect(result).toEqual({ wrong: [], distinct: count, outOfOrder: 0, error: null });
}
