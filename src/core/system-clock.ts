// The real clock and the real chance, for everything that is not a test.
import type { Clock, Random } from './clock.ts';

/** The longest delay a runtime's timer takes; it fires at once when asked for more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    let handle: ReturnType<typeof setTimeout>;
    const arm = (leftMs: number): void => {
      handle = setTimeout(
        () => (leftMs > MAX_TIMER_MS ? arm(leftMs - MAX_TIMER_MS) : callback()),
        Math.min(leftMs, MAX_TIMER_MS),
      );
    };
    arm(delayMs);
    return () => clearTimeout(handle);
  },
};

export const systemRandom: Random = () => Math.random();
