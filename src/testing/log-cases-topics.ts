// Conformance cases of the Log port: topics and their ends. Data only; asserts by throwing.
import { append, assert, at, endsOf, equal, type LogCase, readOf, rejects, valuesOf } from './log-case-kit.ts';

export const topicCases: readonly LogCase[] = [
  {
    name: 'a new topic has the partitions asked for, all empty, and an id of its own',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 'orders', partitions: 3 });
      equal(topic.name, 'orders', 'name');
      equal(
        topic.partitions.map((p) => [p.partition, p.logStart, p.highWatermark, p.lastStableOffset]),
        [
          [0, 0, 0, 0],
          [1, 0, 0, 0],
          [2, 0, 0, 0],
        ],
        'partitions',
      );
      assert(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(topic.topicId), `not a UUID: ${topic.topicId}`);
      const other = await log.createTopic({ name: 'payments' });
      assert(other.topicId !== topic.topicId, 'two topics share an id');
      equal(other.partitions.length, 1, 'default partitions');
    },
  },
  {
    name: 'the number of partitions defaults to what the log was opened with',
    async run({ create }) {
      const log = await create({ defaultPartitions: 4 });
      equal((await log.createTopic({ name: 'orders' })).partitions.length, 4, 'partitions');
    },
  },
  {
    name: 'topics lists all of them, or those of the names that exist',
    async run({ create }) {
      const log = await create();
      await log.createTopic({ name: 'a' });
      await log.createTopic({ name: 'b' });
      equal((await log.topics()).map((t) => t.name).sort(), ['a', 'b'], 'all');
      equal(
        (await log.topics(['b', 'nowhere'])).map((t) => t.name),
        ['b'],
        'by name',
      );
    },
  },
  {
    name: 'names that begin with two underscores are internal',
    async run({ create }) {
      const log = await create();
      equal((await log.createTopic({ name: '__state' })).internal, true, '__state');
      equal((await log.createTopic({ name: '_state' })).internal, false, '_state');
    },
  },
  {
    name: 'a name that exists is refused, also while it is being created',
    async run({ create }) {
      const log = await create();
      const first = log.createTopic({ name: 'orders' });
      await rejects(log.createTopic({ name: 'orders' }), 'TOPIC_ALREADY_EXISTS');
      await first;
      await rejects(log.createTopic({ name: 'orders' }), 'TOPIC_ALREADY_EXISTS');
    },
  },
  {
    name: 'wrong names, partition counts, replication factors and configs are refused by name',
    async run({ create }) {
      const log = await create();
      for (const name of ['', '.', '..', 'a b', 'ä', 'a/b', 'x'.repeat(250)])
        await rejects(log.createTopic({ name }), 'INVALID_TOPIC_EXCEPTION');
      for (const partitions of [0, -1, 1.5, 1_000_000])
        await rejects(log.createTopic({ name: 't', partitions }), 'INVALID_PARTITIONS');
      await rejects(log.createTopic({ name: 't', replicationFactor: 1_000 }), 'INVALID_REPLICATION_FACTOR');
      const unknown = await rejects(
        log.createTopic({ name: 't', config: { 'no.such.key': 'compact' } }),
        'INVALID_REQUEST',
      );
      assert(unknown.message.includes('no.such.key'), `the message does not name the key: ${unknown.message}`);
      await rejects(log.createTopic({ name: 't', config: { 'retention.ms': 'soon' } }), 'INVALID_REQUEST');
      equal((await log.topics()).length, 0, 'topics');
      for (const replicationFactor of [1, -1])
        await log.createTopic({ name: `ok${replicationFactor}`, replicationFactor });
      await log.createTopic({ name: 'x'.repeat(249) });
    },
  },
  {
    name: 'a deleted topic is gone: its name is free, its id unknown, its records unreachable',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 'orders' });
      await append(log, at(topic), 'a');
      await log.deleteTopic('orders');
      equal(await log.topics(), [], 'topics');
      equal(log.ends(at(topic)), undefined, 'ends');
      await rejects(log.read(readOf(at(topic), 0)), 'UNKNOWN_TOPIC_ID');
      await rejects(append(log, at(topic), 'b'), 'UNKNOWN_TOPIC_ID');
      await rejects(log.deleteTopic('orders'), 'UNKNOWN_TOPIC_OR_PARTITION');
      const again = await log.createTopic({ name: 'orders' });
      assert(again.topicId !== topic.topicId, 'the id came back');
      equal(endsOf(log, at(again)).highWatermark, 0, 'high watermark of the new topic');
      equal(await valuesOf(log, at(again)), [], 'records of the new topic');
    },
  },
  {
    name: 'a read that waits on a topic fails when the topic is deleted',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 'orders' });
      const waiting = log.read(readOf(at(topic), 0, { maxWaitMs: 60_000 }));
      const refused = rejects(waiting, 'UNKNOWN_TOPIC_ID');
      await log.deleteTopic('orders');
      await refused;
    },
  },
  {
    name: 'creations and deletions are announced until the listener leaves',
    async run({ create }) {
      const log = await create();
      const seen: string[] = [];
      const stop = log.onTopicsChanged(({ changed, deleted }) => {
        seen.push(...changed.map((topic) => `+${topic.name}`), ...deleted.map((name) => `-${name}`));
      });
      await log.createTopic({ name: 'a' });
      await log.deleteTopic('a');
      stop();
      await log.createTopic({ name: 'b' });
      equal(seen, ['+a', '-a'], 'announcements');
    },
  },
  {
    name: 'unknown topics and partitions are told apart',
    async run({ create }) {
      const log = await create();
      const topic = await log.createTopic({ name: 'orders', partitions: 2 });
      const nowhere = { topicId: '00000000-0000-4000-8000-000000000000', partition: 0 };
      await rejects(log.read(readOf(nowhere, 0)), 'UNKNOWN_TOPIC_ID');
      await rejects(append(log, nowhere, 'a'), 'UNKNOWN_TOPIC_ID');
      await rejects(log.read(readOf(at(topic, 2), 0)), 'UNKNOWN_TOPIC_OR_PARTITION');
      await rejects(append(log, at(topic, 2), 'a'), 'UNKNOWN_TOPIC_OR_PARTITION');
      equal(log.ends(nowhere), undefined, 'ends');
      equal(log.ends(at(topic, 2)), undefined, 'ends');
    },
  },
  {
    name: 'whether topics are created on demand is what the log was opened with',
    async run({ create }) {
      equal((await create()).autoCreateTopics, true, 'default');
      equal((await create({ autoCreateTopics: false })).autoCreateTopics, false, 'switched off');
    },
  },
];
