import type { Log } from 'distributedlog/server';
import { type LogHarness, logCases } from 'distributedlog/testing';
import { it } from 'vitest';
import { KafkaLog } from './kafka-log.ts';
import { parseKafkaLogOptions } from './options.ts';
import { brokers, describeWithKafka, unique } from './test-kafka.ts';
import { type OwnNames, OwnNamesOf, withOwnNames } from './test-own-names.ts';
import { SkippingClock } from './test-skipping-clock.ts';

describeWithKafka('a Kafka cluster, as every Log', () => {
  for (const { name, run, needs } of logCases) {
    it.skipIf(needs === 'retain')(name, async () => {
      const clock = new SkippingClock();
      const open = new Map<Log, { own: OwnNames; reopen: () => Promise<Log> }>();
      const startedAt = clock.now();
      const harness: LogHarness = {
        // Stands still but for what the case skips.
        clock: { now: () => startedAt + clock.skippedMs, advance: (ms) => clock.advance(ms) },
        async create(options = {}) {
          const names = new OwnNamesOf(unique('case'));
          const settings = parseKafkaLogOptions({ brokers, autoCreateTopics: true, defaultPartitions: 1, ...options });
          const reopen = async () => {
            const log = new KafkaLog({ settings, clock, random: Math.random });
            await log.firstLook(5_000);
            const own = withOwnNames(log, names);
            open.set(own.log, { own, reopen });
            // As every client does first: what is asked without waiting is what was seen before.
            await own.log.topics();
            return own.log;
          };
          return reopen();
        },
        async reopen(log) {
          await log.close();
          const entry = open.get(log);
          if (entry === undefined) throw new Error('not a log of this harness');
          return entry.reopen();
        },
      };
      await run(harness);
    });
  }
});
