// The conformance cases of the consumer, over real sockets and on the log on disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from 'distributedlog/core';
import { consumerCases } from 'distributedlog/testing';
import { describe, it, onTestFinished } from 'vitest';
import type { EmbeddedLog } from './backends/embedded/embedded-log.ts';
import { openInDirectory } from './backends/embedded/open.ts';
import { runOverSockets } from './test-conformance.ts';

describe('the consumer, over sockets and on disk', () => {
  for (const one of consumerCases) {
    it(`${one.rules.join(' ')}: ${one.name}`, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'dlog-conformance-'));
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
      const { autoCreateTopics } = one;
      let log: EmbeddedLog | undefined;
      await runOverSockets(one, {
        open: async () => {
          log = await openInDirectory({ dir, autoCreateTopics }, { clock: systemClock, random: Math.random });
          return log;
        },
        retain: async () => log?.maintain(),
      });
    });
  }
});
