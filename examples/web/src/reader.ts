// Takes records from a consumer in short slices, as fast as a limit allows, so that the page always has its turn. Knows nothing of what becomes of them.
import type { Consumer, ConsumerRecord } from 'distributedlog';
import type { RateLimiter } from './limiter.ts';
import { sleep } from './sleep.ts';

/** The longest stretch of work before the page gets its turn, ms. */
const SLICE_MS = 6;
const MAX_RECORDS = 1000;

const channel = new MessageChannel();
const turns: (() => void)[] = [];
channel.port1.onmessage = () => turns.shift()?.();

/** Resolves after whatever else waits: input, painting, sockets. Unlike a timer, not slowed down in a hidden page. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });
}

/** Reads until the signal fires; rejects as `poll` does. */
export async function readRecords(
  consumer: Consumer,
  limiter: RateLimiter,
  signal: AbortSignal,
  onRecords: (records: readonly ConsumerRecord[]) => void,
): Promise<void> {
  let sliceEnd = performance.now() + SLICE_MS;
  while (!signal.aborted) {
    const maxRecords = limiter.allowance(performance.now(), MAX_RECORDS);
    if (maxRecords === 0) {
      // Short enough that a new limit is felt at once.
      await sleep(Math.min(Math.max(limiter.waitMs(), 4), 250), signal);
      continue;
    }
    const records = await consumer.poll({ maxRecords, timeoutMs: 1000, signal });
    limiter.spend(records.length);
    if (records.length > 0) onRecords(records);
    if (performance.now() >= sliceEnd) {
      await nextTurn();
      sliceEnd = performance.now() + SLICE_MS;
    }
  }
}
