// The clock that tests move by hand.
import { describe, expect, it } from 'vitest';
import { nextTask } from '../core/consumer-task.ts';
import { ManualClock } from './manual-clock.ts';

describe('a manual clock', () => {
  it('runs what falls due in the order of time, each at its own time, also what that sets', () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b ${clock.now()}`));
    clock.after(10, () => {
      seen.push(`a ${clock.now()}`);
      clock.after(5, () => seen.push(`c ${clock.now()}`));
    });
    const cancel = clock.after(12, () => seen.push('never'));
    cancel();
    clock.advance(30);
    expect(seen).toEqual(['a 10', 'c 15', 'b 20']);
    expect([clock.now(), clock.pending]).toEqual([30, 0]);
  });

  it('tick lets promises and tasks run between one timer and the next', async () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    const twice = async (): Promise<void> => {
      await new Promise<void>((resolve) => clock.after(10, resolve));
      await nextTask();
      seen.push(`first ${clock.now()}`);
      await new Promise<void>((resolve) => clock.after(10, resolve));
      seen.push(`second ${clock.now()}`);
    };
    const done = twice();
    clock.after(15, () => seen.push('between'));
    await clock.tick(19);
    expect(seen).toEqual(['first 10', 'between']);
    await clock.tick(1);
    expect(seen.at(-1)).toBe('second 20');
    await done;
  });

  it('until moves no further than it must, and says what it waits for in vain', async () => {
    const clock = new ManualClock(0);
    let count = 0;
    const again = (): void => {
      count++;
      clock.after(100, again);
    };
    again();
    await clock.until(() => count === 3);
    expect(clock.now()).toBe(200);
    await clock.until(() => true);
    expect(clock.now()).toBe(200);
    await expect(clock.until(() => false, 1_000)).rejects.toMatchObject({ code: 'TIMED_OUT' });
    expect(clock.now()).toBeLessThanOrEqual(1_200);
    await expect(new ManualClock().until(() => false)).rejects.toThrow(/no timer is left/);
  });

  it('run takes as much time as the work does, and passes its result or its error on', async () => {
    const clock = new ManualClock(0);
    const after = <T>(ms: number, result: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        clock.after(ms, () => {
          try {
            resolve(result());
          } catch (error) {
            reject(error);
          }
        });
      });
    expect(await clock.run(after(500, () => 'done'))).toBe('done');
    expect(clock.now()).toBe(500);
    const failing = after(1, () => {
      throw new Error('as it should');
    });
    await expect(clock.run(failing)).rejects.toThrow('as it should');
    await expect(clock.run(after(70_000, () => 0))).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });
});
