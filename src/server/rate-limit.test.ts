// The token bucket, and the queue that keeps to it.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.ts';
import { TokenBucket } from './rate-limit.ts';
import { RequestQueue, type RequestTask } from './request-queue.ts';

describe('TokenBucket', () => {
  it('never gives more than the burst plus the rate allows in any stretch of time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.nat(200), { minLength: 1, maxLength: 300 }),
        (perSecond, burst, pauses) => {
          const bucket = new TokenBucket(perSecond, burst, 0);
          const taken: number[] = [];
          let now = 0;
          for (const pause of pauses) {
            now += pause;
            if (bucket.take(now) === 0) taken.push(now);
          }
          for (let from = 0; from < taken.length; from++) {
            for (let to = from; to < taken.length; to++) {
              const allowed = burst + ((taken[to] ?? 0) - (taken[from] ?? 0)) * (perSecond / 1000);
              expect(to - from + 1).toBeLessThanOrEqual(allowed + 1e-3);
            }
          }
        },
      ),
    );
  });

  it('has a token after exactly the delay it named', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 20 }), (perSecond, burst) => {
        const bucket = new TokenBucket(perSecond, burst, 0);
        let now = 0;
        for (let i = 0; i < burst + 20; i++) {
          const delay = bucket.take(now);
          if (delay === 0) continue;
          now += delay;
          expect(bucket.take(now)).toBe(0);
        }
      }),
    );
  });

  it('takes no tokens away when the clock is set back', () => {
    const bucket = new TokenBucket(10, 2, 1_000);
    expect(bucket.take(1_000)).toBe(0);
    expect(bucket.take(0)).toBe(0);
    expect(bucket.take(0)).toBe(100);
  });
});

describe('RequestQueue', () => {
  function setUp(limits: { requestsPerSecond: number; requestBurst: number; maxDelayedRequests: number }) {
    const clock = new ManualClock();
    const ran: string[] = [];
    const throttled: number[] = [];
    let floods = 0;
    let room = true;
    const queue = new RequestQueue({
      clock,
      limits,
      hasRoom: () => room,
      onThrottled: (delayMs) => throttled.push(delayMs),
      onFlood: () => floods++,
    });
    const task = (name: string): RequestTask => ({ run: () => void ran.push(name) });
    return { clock, queue, ran, throttled, task, floods: () => floods, setRoom: (on: boolean) => (room = on) };
  }

  it('delays what exceeds the rate, keeps its order, and says so at most once a second', () => {
    const { clock, queue, ran, throttled, task } = setUp({
      requestsPerSecond: 10,
      requestBurst: 2,
      maxDelayedRequests: 100,
    });
    for (const name of ['a', 'b', 'c', 'd', 'e']) queue.submit(task(name));
    expect(ran).toEqual(['a', 'b']);
    expect(throttled).toEqual([100]);
    clock.advance(100);
    expect(ran).toEqual(['a', 'b', 'c']);
    clock.advance(200);
    expect(ran).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(throttled).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it('runs nothing while answers cannot be sent', () => {
    const { queue, ran, task, setRoom } = setUp({ requestsPerSecond: 10, requestBurst: 2, maxDelayedRequests: 100 });
    setRoom(false);
    queue.submit(task('a'));
    expect(ran).toEqual([]);
    setRoom(true);
    queue.resume();
    expect(ran).toEqual(['a']);
  });

  it('runs at most requestBurst at once', async () => {
    const { queue, clock } = setUp({ requestsPerSecond: 1_000, requestBurst: 2, maxDelayedRequests: 100 });
    const finish: (() => void)[] = [];
    for (let i = 0; i < 4; i++) queue.submit({ run: () => new Promise<void>((resolve) => finish.push(resolve)) });
    clock.advance(1_000);
    expect(finish).toHaveLength(2);
    finish[0]?.();
    await Promise.resolve();
    await Promise.resolve();
    expect(finish).toHaveLength(3);
  });

  it('reports a flood when more than maxDelayedRequests wait', () => {
    const { queue, task, floods } = setUp({ requestsPerSecond: 1, requestBurst: 1, maxDelayedRequests: 3 });
    for (let i = 0; i < 4; i++) queue.submit(task(String(i)));
    expect(floods()).toBe(0);
    queue.submit(task('one too many'));
    expect(floods()).toBe(1);
  });

  it('counts what was absorbed until it ran', () => {
    const { clock, queue, task } = setUp({ requestsPerSecond: 10, requestBurst: 1, maxDelayedRequests: 100 });
    queue.submit(task('first'));
    const keyed = (): RequestTask => ({ key: 'k', run: () => undefined, absorb: () => true });
    queue.submit(keyed());
    queue.submit(keyed());
    queue.submit(keyed());
    expect(queue.waiting).toBe(3);
    clock.advance(100);
    expect(queue.waiting).toBe(0);
  });
});
