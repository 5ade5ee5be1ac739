// Trying again what may succeed later. Knows nothing of what is tried.
import { LogError } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import { aborted } from './session-requests.ts';

/** Before a request that could not be done now is made again. Requests wait for the connection themselves, so there is little to wait here. */
export const RETRY_MS = 100;

/** Until it succeeds, fails for good, or `signal` fires. */
export async function persist<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    if (signal.aborted) throw aborted(signal);
    try {
      return await attempt();
    } catch (cause) {
      const error = LogError.from(cause);
      if (!error.retriable || signal.aborted) throw error;
      await pause(clock, RETRY_MS);
    }
  }
}
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
