import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogHarness, logCases, ManualClock } from 'distributedlog/testing';
import { describe, it } from 'vitest';
import type { EmbeddedLog } from './embedded-log.ts';
import { openInDirectory } from './open.ts';

describe('the embedded log, as every Log', () => {
  for (const { name, run } of logCases)
    it(name, async () => {
      const clock = new ManualClock();
      const open = new Map<EmbeddedLog, { dir: string; reopen: () => Promise<EmbeddedLog> }>();
      const find = (log: unknown) => {
        for (const [candidate, entry] of open) if (candidate === log) return { log: candidate, ...entry };
        throw new Error('not a log of this harness');
      };
      const harness: LogHarness = {
        clock,
        async create(options = {}) {
          const dir = mkdtempSync(join(tmpdir(), 'dlog-'));
          const reopen = async () => {
            const log = await openInDirectory({ dir, ...options }, { clock, random: Math.random });
            open.set(log, { dir, reopen });
            return log;
          };
          return reopen();
        },
        async reopen(log) {
          const entry = find(log);
          await log.close();
          return entry.reopen();
        },
        retain: (log) => find(log).log.maintain(),
      };
      try {
        await run(harness);
      } finally {
        for (const [log, { dir }] of open) {
          await log.close();
          rmSync(dir, { recursive: true, force: true });
        }
      }
    });
});
