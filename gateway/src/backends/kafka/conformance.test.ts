// The conformance cases of the Log port on a real Kafka; skipped where KAFKA_BROKERS is not set.
import type { Log } from 'distributedlog/server';
import { type LogHarness, logCases } from 'distributedlog/testing';
import { expect, it, vi } from 'vitest';
import { KafkaLog } from './kafka-log.ts';
import { parseKafkaLogOptions } from './options.ts';
import { brokers, describeWithKafka, openCluster, unique } from './test-kafka.ts';
import { Namespace } from './test-namespace.ts';
import { SkippingClock } from './test-skipping-clock.ts';

/** What cannot hold on a cluster, by name, and why. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ...[
    'retention by size removes the oldest batches and never a newer one first',
    'lookups by time stay right after retention, with timestamps out of order',
  ].map((name) => [name, 'brokers apply retention.bytes to whole segments, in their own time'] as const),
  [
    'after the log was opened again a member whose client does not come back is gone in its sessionTimeoutMs',
    'its hold went with its gateway; then its session at the coordinator counts, and that is the brokers’',
  ],
  [
    'a producer that is not known begins at sequence 0, so that a batch that failed is never taken for written',
    'brokers let a producer they do not know begin anywhere; our clients do not depend on it',
  ],
]);

/** Where partitions begin is what the last look said, and the next one comes with time. */
async function startsAreKnown(log: Log): Promise<void> {
  const refs = (await log.topics()).flatMap(({ topicId, partitions }) =>
    partitions.map(({ partition }) => ({ topicId, partition })),
  );
  const starts = await log.listOffsets(
    refs.map((ref) => ({ ...ref, at: 'earliest' as const })),
    'read_uncommitted',
  );
  expect(refs.map((ref) => log.ends(ref)?.logStart)).toEqual(starts.map(({ offset }) => offset));
}

describeWithKafka('a Kafka cluster, as every Log', () => {
  for (const { name, run } of logCases) {
    const exception = EXCEPTIONS.get(name);
    it.skipIf(exception !== undefined)(exception === undefined ? name : `${name} (${exception})`, async () => {
      const clock = new SkippingClock();
      const startedAt = clock.now();
      const namespaces: Namespace[] = [];
      const open = new Map<Log, () => Promise<Log>>();
      const harness: LogHarness = {
        // Stands still but for what the case skips.
        clock: { now: () => startedAt + clock.skippedMs, advance: (ms) => clock.advance(ms) },
        async create(options = {}) {
          const namespace = new Namespace(unique('case'), await openCluster({}, clock));
          namespaces.push(namespace);
          const settings = parseKafkaLogOptions({
            brokers,
            autoCreateTopics: true,
            defaultPartitions: 1,
            resumeSecret: 'the same whenever it is opened again',
            ...options,
          });
          const reopen = async () => {
            const whole = new KafkaLog({ settings, clock, random: Math.random });
            await whole.firstLook(5_000);
            const log = namespace.within(whole);
            open.set(log, reopen);
            // As every client does first: what is asked without waiting is what was seen before.
            await log.topics();
            return log;
          };
          return reopen();
        },
        async reopen(log) {
          await log.close();
          const reopen = open.get(log);
          if (reopen === undefined) throw new Error('not a log of this harness');
          return reopen();
        },
        async retain(log) {
          for (const namespace of namespaces) await namespace.retain();
          await vi.waitFor(() => startsAreKnown(log), { timeout: 5_000 });
        },
      };
      try {
        await run(harness);
      } finally {
        for (const log of open.keys()) await log.close();
        for (const namespace of namespaces) await namespace.clear();
      }
    });
  }
});
