// The conformance cases of the Log port, on the log in memory.
import { describe, it } from 'vitest';
import type { Log } from '../server/index.ts';
import { type MemoryLog, memoryLog } from '../server/index.ts';
import { type LogHarness, logCases } from './log-cases.ts';
import { ManualClock } from './manual-clock.ts';

describe('the log in memory', () => {
  for (const { name, needs, run } of logCases) {
    // It keeps nothing to open again.
    it.skipIf(needs === 'reopen')(name, async () => {
      const clock = new ManualClock();
      const created = new Map<Log, MemoryLog>();
      const harness: LogHarness = {
        clock,
        create: async (options) => {
          const log = memoryLog({ clock, random: Math.random, ...options });
          created.set(log, log);
          return log;
        },
        retain: async (log) => created.get(log)?.retain(),
      };
      try {
        await run(harness);
      } finally {
        for (const log of created.values()) await log.close();
      }
    });
  }
});
