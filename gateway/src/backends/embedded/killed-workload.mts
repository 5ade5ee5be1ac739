// What the killed process writes, so that the test can say what every record must be.
import type { RecordToEncode } from 'distributedlog/protocol';

export interface Command {
  readonly dir: string;
  readonly topic: string;
  readonly partitions: number;
  /** `next`: number of the first batch that is not acknowledged. */
  readonly producers: readonly { readonly producerId: number | undefined; readonly next: number }[];
}
export type Report =
  | { readonly type: 'started' }
  | { readonly type: 'producer'; readonly index: number; readonly producerId: number }
  | { readonly type: 'acknowledged'; readonly index: number; readonly number: number; readonly baseOffset: number }
  | { readonly type: 'failed'; readonly message: string };

/** Batches have 1, 2, 3, 1, 2, 3, … records. */
export const recordCount = (number: number): number => 1 + (number % 3);
export const sequenceOfBatch = (number: number): number => Math.floor(number / 3) * 6 + ([0, 1, 3][number % 3] ?? 0);

const encoder = new TextEncoder();
/** Small ones, which share a value of the store, and now and then one that has its own. */
export function recordsOfBatch(producer: number, number: number): RecordToEncode[] {
  return Array.from({ length: recordCount(number) }, (_, i) => ({
    key: encoder.encode(`producer-${producer}`),
    value: encoder.encode(
      `${producer}:${number}:${i}:${'x'.repeat(number % 17 === 0 ? 20_000 : (number * 37) % 1_500)}`,
    ),
    timestamp: 1_700_000_000_000 + number,
  }));
}
