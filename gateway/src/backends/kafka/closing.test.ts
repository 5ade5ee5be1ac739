import { systemClock } from 'distributedlog/core';
import { encodeBatch, LogError } from 'distributedlog/protocol';
import { expect, it } from 'vitest';
import { KafkaLog } from './kafka-log.ts';
import { parseKafkaLogOptions } from './options.ts';
import { brokers, describeWithKafka, unique } from './test-kafka.ts';

describeWithKafka('a log that is closed with work under way', () => {
  it.each([0, 1, 5, 20, 50])('settles all of it, with answers or errors of its own, after %i ms', async (delayMs) => {
    const settings = parseKafkaLogOptions({ brokers });
    const log = new KafkaLog({ settings, clock: systemClock, random: Math.random });
    await log.firstLook(5_000);
    const { topicId } = await log.createTopic({ name: unique('closing'), partitions: 2 });
    const at = (partition: number) => ({ topicId, partition });
    const batch = () => encodeBatch([{ key: null, value: new Uint8Array(10), timestamp: 1 }], {});
    const read = { isolation: 'read_uncommitted', maxBytes: 1_000, headroom: 16 } as const;
    const work: Promise<unknown>[] = [];
    for (const partition of [0, 1, 2]) {
      work.push(
        log.append(at(partition), batch()),
        log.append(at(partition), batch()),
        log.read({ ...at(partition), ...read, offset: 0, minBytes: 1, maxWaitMs: 30_000 }),
        log.read({ ...at(partition), ...read, offset: 9, minBytes: 0, maxWaitMs: 0 }),
        log.read({ ...at(partition), ...read, offset: 0, minBytes: 500, maxWaitMs: 30_000, leaderEpoch: 5 }),
        log.listOffsets([{ ...at(partition), at: 'latest' }], 'read_committed'),
      );
      log.ends(at(partition));
    }
    const name = unique('closing');
    work.push(log.topics(), log.topics([name]), log.initProducer(), log.createTopic({ name }), log.deleteTopic(name));
    work.push(log.groups.list(), log.groups.committed(name, [at(0)]), log.groups.delete(name));
    const settled = Promise.allSettled(work);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await log.close();
    const began = Date.now();
    for (const outcome of await settled) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(LogError);
    }
    expect(Date.now() - began).toBeLessThan(1_500);
    await expect(log.topics()).rejects.toBeInstanceOf(LogError);
    await expect(log.append(at(0), batch())).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(log.health()?.code).toBe('BROKER_NOT_AVAILABLE');
  });
});
