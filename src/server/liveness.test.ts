// Signs of life, on a clock moved by hand.
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/index.ts';
import { Liveness } from './liveness.ts';

function watched(intervalMs: number) {
  const clock = new ManualClock(0);
  const asked: number[] = [];
  const seen = { progress: 0, dead: 0 };
  const liveness = new Liveness({
    clock,
    intervalMs,
    timeoutMs: 800,
    ask: () => {
      asked.push(clock.now());
      return true;
    },
    progress: () => seen.progress,
    onDead: () => {
      seen.dead++;
    },
  });
  return { clock, asked, seen, liveness };
}

describe('liveness', () => {
  it('asks at its interval also where that is shorter than the time an answer may take', () => {
    const { clock, asked, seen, liveness } = watched(100);
    for (let i = 0; i < 50; i++) {
      clock.advance(10);
      liveness.heard();
    }
    expect(asked).toEqual([100, 200, 300, 400, 500]);
    expect(seen.dead).toBe(0);
  });
  it('gives up when nothing was heard in time, unless the peer takes what it is sent', () => {
    const { clock, asked, seen } = watched(100);
    clock.advance(500);
    seen.progress++;
    clock.advance(500);
    expect(seen.dead).toBe(0);
    expect(asked).toEqual([100, 900]);
    clock.advance(1_000);
    expect(seen.dead).toBe(1);
  });
  it('asks no more once it is stopped, whatever is heard', () => {
    const { clock, asked, seen, liveness } = watched(100);
    clock.advance(100);
    liveness.stop();
    liveness.heard();
    clock.advance(5_000);
    expect([asked, seen.dead]).toEqual([[100], 0]);
  });
});
