// Windows and limits: what may be sent, when it is raised, and by how much.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConsumerCredit, INITIAL_WINDOW_BYTES, PartitionWindow } from './credit.ts';

const MIB = 1024 * 1024;

describe("a partition's window", () => {
  it('returns credit once a quarter of it was taken', () => {
    const window = new PartitionWindow(16 * MIB);
    expect(window.open(0, 16 * MIB, 0)).toBe(INITIAL_WINDOW_BYTES);
    window.release(INITIAL_WINDOW_BYTES / 4 - 1);
    expect(window.grant(1_000, 1, 16 * MIB)).toBeUndefined();
    window.release(1);
    expect(window.grant(1_000, 1, 16 * MIB)).toBe(INITIAL_WINDOW_BYTES * 1.25);
  });
  it('doubles while it is used up within four round trips, to at most its share', () => {
    const window = new PartitionWindow(MIB);
    window.open(0, MIB, 0);
    for (let now = 10; now < 100; now += 10) {
      window.release(window.window);
      window.grant(now, 20, MIB);
    }
    expect(window.window).toBe(MIB);
  });
  it('holds at most two seconds of delivery', () => {
    const window = new PartitionWindow(64 * MIB);
    window.open(0, 64 * MIB, 0);
    // 100 KiB a second over a link with a round trip of five: never more than 200 KiB beyond what it began with.
    for (let now = 1_000; now < 60_000; now += 1_000) {
      window.release(100 * 1024);
      window.grant(now, 5_000, 64 * MIB);
    }
    expect(window.window).toBe(INITIAL_WINDOW_BYTES);
  });
  it('counts what waits from before against a new epoch', () => {
    const window = new PartitionWindow(MIB);
    expect(window.open(INITIAL_WINDOW_BYTES, MIB, 0)).toBe(0);
    window.release(INITIAL_WINDOW_BYTES);
    expect(window.grant(1_000, 1, MIB)).toBe(INITIAL_WINDOW_BYTES);
  });
  it('never lets more be on its way or waiting than the window, and its limit never falls', () => {
    const step = fc.record({
      receive: fc.nat(200_000),
      release: fc.nat(200_000),
      ms: fc.nat(50),
      share: fc.integer({ min: 50_000, max: MIB }),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const window = new PartitionWindow(MIB);
        let limit = window.open(0, MIB, 0);
        let sent = 0;
        let taken = 0;
        let now = 0;
        let largest = window.window;
        for (const { receive, release, ms, share } of steps) {
          sent += Math.min(receive, limit - sent);
          const done = Math.min(release, sent - taken);
          taken += done;
          window.release(done);
          now += ms;
          const raised = window.grant(now, 20, share);
          largest = Math.max(largest, window.window);
          if (raised !== undefined) {
            expect(raised).toBeGreaterThan(limit);
            limit = raised;
          }
          expect(limit - taken).toBeLessThanOrEqual(largest);
        }
      }),
    );
  });
});

describe("the consumer's credit", () => {
  it('never lets held and on-its-way bytes exceed the bound, but for one batch', () => {
    const step = fc.record({ receive: fc.nat(2_000), release: fc.nat(2_000), starving: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const credit = new ConsumerCredit(10_000, 10_000);
        let limit = credit.grant(false, true) ?? 0;
        let sent = 0;
        const batch = 500;
        for (const { receive, release, starving } of steps) {
          for (let left = receive; left > 0 && sent < limit; left -= batch) {
            sent += batch;
            credit.receive(batch);
          }
          credit.release(Math.min(release, credit.held));
          expect(credit.held).toBeLessThanOrEqual(10_000 + batch);
          limit = credit.grant(starving, false) ?? limit;
          expect(credit.held + Math.max(0, limit - sent)).toBeLessThanOrEqual(10_000 + batch);
        }
      }),
    );
  });
  it('lets one batch through for a partition that starves while others fill the bound', () => {
    const credit = new ConsumerCredit(1_000, 1_000);
    expect(credit.grant(false, true)).toBe(1_000);
    credit.receive(1_200);
    expect(credit.grant(false, true)).toBeUndefined();
    expect(credit.grant(true, false)).toBe(1_201);
    credit.receive(300);
    expect(credit.held).toBe(1_500);
    credit.release(300);
    expect(credit.grant(true, false)).toBe(1_501);
  });
  it('counts from zero on a new connection', () => {
    const credit = new ConsumerCredit(1_000, 1_000);
    credit.grant(false, true);
    credit.receive(400);
    credit.restart();
    expect(credit.grant(false, true)).toBe(600);
  });
});
