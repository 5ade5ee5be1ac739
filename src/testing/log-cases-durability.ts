// Conformance cases of the Log port for backends that keep their data: what is the same after closing and opening again. Data only; asserts by throwing.
import type { Log } from '../server/index.ts';
import {
  append,
  assert,
  at,
  batchOf,
  endsOf,
  equal,
  type LogCase,
  type LogHarness,
  readAll,
  rejects,
  valuesOf,
} from './log-case-kit.ts';

function reopened(harness: LogHarness, log: Log): Promise<Log> {
  assert(harness.reopen !== undefined, 'the harness cannot reopen');
  return harness.reopen(log);
}

export const durabilityCases: readonly LogCase[] = [
  {
    name: 'records, topics and their ids, and the identity of the log outlive a restart',
    needs: 'reopen',
    async run(harness) {
      const first = await harness.create();
      const topic = await first.createTopic({ name: 't', partitions: 2 });
      await append(first, at(topic, 0), 'a', 'b');
      await append(first, at(topic, 1), 'c');
      const [before, records] = [await first.topics(), await readAll(first, at(topic, 0))];
      const second = await reopened(harness, first);
      equal(second.logId, first.logId, 'log id');
      equal(await second.topics(), before, 'topics');
      equal(await readAll(second, at(topic, 0)), records, 'records');
      equal((await append(second, at(topic, 0), 'd')).baseOffset, 2, 'next offset');
      equal(await valuesOf(second, at(topic, 0)), ['a', 'b', 'd'], 'values');
    },
  },
  {
    name: 'a batch that was written before a restart is recognised after it',
    needs: 'reopen',
    async run(harness) {
      const first = await harness.create();
      const topic = await first.createTopic({ name: 't' });
      const { producerId } = await first.initProducer();
      const send = (log: Log, n: number) =>
        log.append(at(topic), batchOf([`${n}`], { sequence: { producerId, producerEpoch: 0, baseSequence: n } }));
      await send(first, 0);
      await send(first, 1);
      const second = await reopened(harness, first);
      equal((await send(second, 1)).baseOffset, 1, 'again');
      await rejects(send(second, 3), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
      equal((await send(second, 2)).baseOffset, 2, 'the next');
      assert((await second.initProducer()).producerId !== producerId, 'a producer id was given twice');
    },
  },
  {
    name: 'committed offsets outlive a restart',
    needs: 'reopen',
    async run(harness) {
      const first = await harness.create();
      const topic = await first.createTopic({ name: 't' });
      await first.groups.commit('g', undefined, [{ ...at(topic), offset: 7, metadata: 'm', leaderEpoch: 1 }]);
      const second = await reopened(harness, first);
      const [committed] = await second.groups.committed('g', [at(topic)]);
      equal([committed?.offset, committed?.metadata, committed?.leaderEpoch], [7, 'm', 1], 'committed');
      equal(
        (await second.groups.list()).map((g) => g.groupId),
        ['g'],
        'groups',
      );
    },
  },
  {
    name: 'lookups by time, and where retention left the log, outlive a restart',
    needs: 'reopen',
    async run(harness) {
      const first = await harness.create();
      const topic = await first.createTopic({ name: 't', config: { 'retention.ms': '1000' } });
      const start = harness.clock.now();
      await first.append(at(topic), batchOf(['old'], { timestamps: [start] }));
      harness.clock.advance(5_000);
      await harness.retain?.(first);
      const begins = endsOf(first, at(topic)).logStart;
      const second = await reopened(harness, first);
      equal(endsOf(second, at(topic)).logStart, begins, 'log start');
      equal(endsOf(second, at(topic)).highWatermark, 1, 'high watermark');
      const timestamps = [start + 5_000, start + 4_900, start + 5_100];
      equal((await second.append(at(topic), batchOf(['a', 'b', 'c'], { timestamps }))).baseOffset, 1, 'next offset');
      const third = await reopened(harness, second);
      const [found] = await third.listOffsets([{ ...at(topic), at: start + 5_050 }], 'read_uncommitted');
      equal([found?.offset, found?.timestamp], [3, start + 5_100], 'found by time');
    },
  },
  {
    name: 'a deleted topic stays deleted after a restart, its config and its neighbours stay',
    needs: 'reopen',
    async run(harness) {
      const first = await harness.create();
      const gone = await first.createTopic({ name: 'gone' });
      const kept = await first.createTopic({ name: 'kept' });
      await append(first, at(gone), 'a');
      await append(first, at(kept), 'b');
      await first.deleteTopic('gone');
      const second = await reopened(harness, first);
      equal(
        (await second.topics()).map((t) => t.name),
        ['kept'],
        'topics',
      );
      equal(await valuesOf(second, at(kept)), ['b'], 'values');
      const again = await second.createTopic({ name: 'gone' });
      equal(await valuesOf(second, at(again)), [], 'values of the new topic');
    },
  },
];
