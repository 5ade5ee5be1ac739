// Conformance cases of the consumer: subscribe. Data only; asserts by throwing.
import { type ConsumerRecord, LogError } from '../protocol/index.ts';
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  eventsOf,
  nothing,
  numbered,
  offsetsOf,
  pause,
  rejects,
  type TextConsumer,
  until,
  valuesOf,
} from './consumer-case-kit.ts';

const topicsOf = (consumer: TextConsumer): string[] => [
  ...new Set(
    consumer
      .assignment()
      .map(({ topic }) => topic)
      .sort(),
  ),
];
/** Until both topics have something buffered here. */
async function buffered(consumer: TextConsumer): Promise<void> {
  await until('both topics are buffered', () => consumer.assignment().every((one) => consumer.currentLag(one) === 3));
  await pause(20);
}

export const subscribingCases: readonly ConsumerCase[] = [
  ...[undefined, 'g'].flatMap((groupId): ConsumerCase[] => {
    const who = groupId === undefined ? 'without a group' : 'in a group';
    return [
      consumerCase(
        ['subscribing-1', 'subscribing-3'],
        `${who}, subscribe replaces; buffered records of dropped topics are not delivered`,
        async (world) => {
          await world.topic('t');
          await world.topic('u');
          await world.produce('t', numbered(3));
          await world.produce('u', numbered(3, 10));
          const consumer = world.consumer({ groupId });
          await consumer.subscribe(['t', 'u']);
          await buffered(consumer);
          const replacing = consumer.subscribe('u');
          const records = await drain(consumer, 3);
          await replacing;
          equal(valuesOf(records), numbered(3, 10), 'records');
          equal([...consumer.subscription()], ['u'], 'subscription');
          await nothing(consumer);
          await until('t has gone', () => topicsOf(consumer).join() === 'u');
        },
      ),
      consumerCase(
        'subscribing-1',
        `${who}, a pattern replaces names, and names a pattern; what matches no more is not delivered`,
        async (world) => {
          await world.topic('t-1');
          await world.topic('u-1');
          await world.produce('t-1', numbered(3));
          await world.produce('u-1', numbered(3, 10));
          const consumer = world.consumer({ groupId });
          await consumer.subscribe(['t-1', 'u-1']);
          await buffered(consumer);
          await consumer.subscribe(/u-.*/);
          equal([...consumer.subscription()], ['u-1'], 'subscription by pattern');
          equal(valuesOf(await drain(consumer, 3)), numbered(3, 10), 'records by pattern');
          await nothing(consumer);
          await until('the other has gone', () => topicsOf(consumer).join() === 'u-1');
          await consumer.subscribe('t-1');
          equal(valuesOf(await drain(consumer, 3)), numbered(3), 'records by name');
          await nothing(consumer);
          await until('the other has gone', () => topicsOf(consumer).join() === 't-1');
        },
      ),
      consumerCase('subscribing-1', `${who}, a topic that stays keeps its position`, async (world) => {
        await world.topic('t');
        await world.topic('u');
        await world.produce('t', numbered(4));
        const consumer = world.consumer({ groupId, maxPollRecords: 2 });
        await consumer.subscribe('t');
        await drain(consumer, 2);
        await consumer.subscribe(['t', 'u']);
        equal(await consumer.position(at('t')), 2, 'position');
        equal(offsetsOf(await drain(consumer, 2)), [2, 3], 'offsets');
      }),
      consumerCase('subscribing-1', `${who}, the last of several subscribe calls counts`, async (world) => {
        await world.topic('t');
        await world.topic('u');
        const consumer = world.consumer({ groupId });
        await consumer.subscribe(['t', 'u']);
        await Promise.all([consumer.subscribe('t'), consumer.subscribe(['t', 'u'])]);
        await until('both are assigned', () => topicsOf(consumer).length === 2);
        await world.produce('t', ['t']);
        await world.produce('u', ['u']);
        equal(valuesOf(await drain(consumer, 2)).sort(), ['t', 'u'], 'records');
      }),
      consumerCase(
        ['subscribing-4', 'subscribing-5', 'subscribing-6'],
        `${who}, a pattern matches whole names, never internal topics, and topics created later`,
        async (world) => {
          for (const name of ['a-1', 'xa-2', 'a-3x', '__a-4']) await world.produce(name, [name]);
          const consumer = world.consumer({ groupId, autoOffsetReset: 'earliest' });
          await consumer.subscribe(/(__)?a-\d|never/g);
          equal([...consumer.subscription()], ['a-1'], 'subscription');
          equal(valuesOf(await drain(consumer, 1)), ['a-1'], 'records');
          await world.topic('a-5', 2);
          await world.produce('a-5', [{ value: 'later', partition: 1 }]);
          await world.produce('xa-6', ['not this']);
          equal(valuesOf(await drain(consumer, 1)), ['later'], 'records of the topic created later');
          await nothing(consumer);
          equal([...consumer.subscription()].sort(), ['a-1', 'a-5'], 'subscription at the end');
        },
      ),
      consumerCase(
        'subscribing-30',
        `${who}, topics found later start at the earliest offset, also with 'latest'`,
        async (world) => {
          await world.topic('a-1');
          await world.produce('a-1', ['old']);
          const consumer = world.consumer({ groupId, autoOffsetReset: 'latest' });
          await consumer.subscribe(/a-\d/);
          await world.produce('a-2', numbered(3));
          equal(valuesOf(await drain(consumer, 3)), numbered(3), 'records');
        },
      ),
      consumerCase(
        'subscribing-26',
        `${who}, what is produced after subscribe resolved is delivered, also with 'latest'`,
        async (world) => {
          await world.topic('t', 3);
          await world.produce('t', ['old']);
          const consumer = world.consumer({ groupId, autoOffsetReset: 'latest' });
          await consumer.subscribe('t');
          await world.produce(
            't',
            [0, 1, 2].map((partition) => ({ value: `new ${partition}`, partition })),
          );
          equal(valuesOf(await drain(consumer, 3)).sort(), ['new 0', 'new 1', 'new 2'], 'records');
        },
      ),
      consumerCase('subscribing-27', `${who}, subscribe needs no poll to make progress`, async (world) => {
        await world.topic('t', 2);
        const consumer = world.consumer({ groupId });
        await consumer.subscribe('t');
        equal(consumer.assignment().length, 2, 'partitions');
        equal(await consumer.position(at('t')), 0, 'position');
        await world.topic('t2');
        await consumer.subscribe(['t', 't2']);
        equal(consumer.assignment().length, 3, 'partitions');
      }),
      consumerCase(
        'subscribing-29',
        `${who}, an unreachable gateway is retried until the timeout, the signal or close`,
        async (world) => {
          await world.topic('t');
          await world.harness.stop();
          const consumer = world.consumer({ groupId });
          await rejects(consumer.subscribe('t', { timeoutMs: 30 }), 'TIMED_OUT');
          const abort = new AbortController();
          const waiting = consumer.subscribe('t', { signal: abort.signal });
          abort.abort();
          await rejects(waiting, 'ABORTED');
          const closed = world.consumer({ groupId });
          const ended = rejects(closed.subscribe('t'), 'CLOSED');
          await closed.close();
          await ended;
          const patient = consumer.subscribe('t');
          await world.harness.start();
          await patient;
          await world.produce('t', ['a']);
          equal(valuesOf(await drain(consumer, 1)), ['a'], 'records');
        },
      ),
    ];
  }),
  consumerCase('subscribing-2', 'subscribe([]) is unsubscribe', async (world) => {
    await world.topic('t');
    const consumer = world.consumer({ groupId: 'g' });
    const calls: number[] = [];
    await consumer.subscribe('t', { listener: { onPartitionsRevoked: (gone) => void calls.push(gone.length) } });
    await consumer.subscribe([]);
    equal(calls, [1], 'revocations');
    equal([consumer.assignment(), consumer.subscription()], [[], []], 'assignment and subscription');
    await rejects(consumer.poll(), 'ILLEGAL_STATE');
    await consumer.assign([at('t')]);
    await consumer.assign([]);
    await consumer.subscribe('t');
  }),
  consumerCase('subscribing-7', 'subscribe and assign exclude each other until unsubscribe', async (world) => {
    await world.topic('t');
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    const error = await rejects(consumer.assign([at('t')]), 'ILLEGAL_STATE');
    assert(error.message.includes('unsubscribe'), `what is allowed is not named: ${error.message}`);
    equal(consumer.assignment(), [at('t')], 'what was assigned stays');
    await consumer.unsubscribe();
    await consumer.assign([at('t')]);
    await rejects(consumer.subscribe('t'), 'ILLEGAL_STATE');
    await rejects(consumer.subscribe(/t/), 'ILLEGAL_STATE');
    await consumer.unsubscribe();
    await consumer.subscribe('t');
  }),
  consumerCase(
    ['subscribing-8', 'subscribing-9'],
    'commit and committed need a groupId; assign, seek and poll do not',
    async (world) => {
      await world.produce('t', numbered(3));
      const consumer = world.consumer();
      await consumer.assign([at('t')]);
      consumer.seek(at('t'), 1);
      equal(valuesOf(await drain(consumer, 2)), ['v1', 'v2'], 'records');
      await rejects(consumer.commit(), 'INVALID_GROUP_ID');
      await rejects(consumer.commit([{ ...at('t'), offset: 1 }]), 'INVALID_GROUP_ID');
      await rejects(consumer.committed(at('t')), 'INVALID_GROUP_ID');
      equal(consumer.groupMetadata(), null, 'groupMetadata');
    },
  ),
  consumerCase(
    ['subscribing-10', 'subscribing-11'],
    'subscribe without a groupId reads all partitions, each consumer for itself, and commits nothing',
    async (world) => {
      await world.topic('t', 3);
      await world.produce(
        't',
        [0, 1, 2].map((partition) => ({ value: `${partition}`, partition })),
      );
      for (let round = 0; round < 2; round++) {
        const consumer = world.consumer();
        const events = eventsOf(consumer);
        await consumer.subscribe('t');
        equal(consumer.assignment().length, 3, 'partitions');
        equal(valuesOf(await drain(consumer, 3)).sort(), ['0', '1', '2'], 'records');
        await consumer.close();
        equal(
          events.filter(({ type }) => type === 'commit'),
          [],
          'commits',
        );
      }
      equal(await world.admin.listGroups(), [], 'groups');
    },
  ),
  consumerCase('subscribing-19', 'an unknown topic is created by the embedded log', async (world) => {
    for (const groupId of [undefined, 'g']) {
      const consumer = world.consumer({ groupId, autoOffsetReset: 'latest' });
      const topic = `new-${groupId}`;
      await consumer.subscribe(topic);
      equal(consumer.assignment(), [at(topic)], 'assignment');
      await world.produce(topic, ['a']);
      equal(valuesOf(await drain(consumer, 1)), ['a'], 'records');
    }
  }),
  consumerCase(
    ['subscribing-20', 'subscribing-21', 'subscribing-22', 'api-7'],
    'without auto-creation subscribe resolves, an error event names the topic, and it is read once it appears',
    async (world) => {
      await world.topic('there');
      for (const groupId of [undefined, 'g']) {
        const consumer = world.consumer({ groupId, autoOffsetReset: 'latest' });
        const events = eventsOf(consumer);
        const topic = `new-${groupId}`;
        await consumer.subscribe(['there', topic]);
        equal(
          events.flatMap((event) => (event.type === 'error' ? [event.error.code, event.error.topic] : [])),
          ['UNKNOWN_TOPIC_OR_PARTITION', topic],
          'error events',
        );
        await world.produce('there', ['there']);
        equal(valuesOf(await drain(consumer, 1)), ['there'], 'records');
        await world.topic(topic);
        await world.produce(topic, numbered(2));
        equal(valuesOf(await drain(consumer, 2)), numbered(2), 'records of the new topic');
        await consumer.close();
      }
    },
    { autoCreateTopics: false },
  ),
  consumerCase(
    'subscribing-24',
    'subscribe in a group resolves with an empty assignment where there is nothing to assign',
    async (world) => {
      const consumer = world.consumer({ groupId: 'g', sessionTimeoutMs: 450 });
      await consumer.subscribe('none', { timeoutMs: 5_000 });
      equal(consumer.assignment(), [], 'assignment');
      await nothing(consumer);
    },
    { autoCreateTopics: false },
  ),
  consumerCase(
    'subscribing-28',
    'subscribe rejects what only the caller can mend, and says what is allowed',
    async (world) => {
      const consumer = world.consumer();
      for (const name of ['', 'with space', '.', '..', 'ä', 'x'.repeat(250)]) {
        await rejects(consumer.subscribe(name), 'INVALID_TOPIC_EXCEPTION');
        await rejects(consumer.subscribe(['fine', name]), 'INVALID_TOPIC_EXCEPTION');
        await rejects(consumer.assign([at(name)]), 'INVALID_TOPIC_EXCEPTION');
      }
      for (const partition of [-1, 0.5, Number.NaN, 2 ** 31]) {
        await rejects(consumer.assign([at('t', partition)]), 'INVALID_REQUEST');
      }
      equal(consumer.subscription(), [], 'nothing was subscribed');
      await rejects(consumer.poll(), 'ILLEGAL_STATE');
    },
  ),
  consumerCase('subscribing-1', 'a call that was replaced while it waited just ends', async (world) => {
    await world.topic('t');
    await world.topic('u');
    await world.harness.stop();
    const consumer = world.consumer({ groupId: 'g' });
    const first = consumer.subscribe('t');
    const second = consumer.subscribe('u');
    await first;
    await world.harness.start();
    await second;
    await until('u is assigned', () => topicsOf(consumer).join() === 'u');
  }),
  consumerCase('subscribing-1', 'the listener of the last subscribe is the one that is called', async (world) => {
    await world.topic('t');
    await world.topic('u');
    const consumer = world.consumer({ groupId: 'g' });
    const calls: string[] = [];
    const listener = (name: string) => ({
      onPartitionsAssigned: (partitions: readonly { topic: string }[]) =>
        void calls.push(`${name}+${partitions.map(({ topic }) => topic).join()}`),
      onPartitionsRevoked: (partitions: readonly { topic: string }[]) =>
        void calls.push(`${name}-${partitions.map(({ topic }) => topic).join()}`),
    });
    await consumer.subscribe('t', { listener: listener('a') });
    await consumer.subscribe(['t', 'u'], { listener: listener('b') });
    await until('u was announced', () => calls.includes('b+u'));
    await consumer.close();
    equal(calls.slice(0, 2), ['a+t', 'b+u'], 'assigned');
    equal(calls.slice(2).join().replaceAll('b-', '').split(',').sort(), ['t', 'u'], 'revoked');
  }),
  consumerCase(
    'groups-16',
    'nothing of a partition is delivered before onPartitionsAssigned resolves',
    async (world) => {
      await world.produce('t', numbered(3));
      for (const groupId of [undefined, 'g']) {
        const consumer = world.consumer({ groupId });
        let finish = (): void => undefined;
        let called = false;
        const subscribing = consumer.subscribe('t', {
          listener: {
            onPartitionsAssigned: () =>
              new Promise<void>((resolve) => {
                called = true;
                finish = resolve;
              }),
          },
        });
        await until('the listener was called', () => called);
        await nothing(consumer);
        let records: ConsumerRecord<string, string>[] | undefined;
        const polling = drain(consumer, 3).then((some) => {
          records = some;
        });
        await pause(20);
        assert(records === undefined, 'records came before the listener was done');
        finish();
        await Promise.all([polling, subscribing]);
        equal(valuesOf(records ?? []), numbered(3), 'records');
      }
    },
  ),
  consumerCase(
    'groups-17',
    'a listener that throws surfaces at the next poll; the assignment stands',
    async (world) => {
      await world.produce('t', ['a']);
      const consumer = world.consumer({ groupId: 'g' });
      const mine = new Error('mine');
      await consumer.subscribe('t', { listener: { onPartitionsAssigned: () => Promise.reject(mine) } });
      let thrown: unknown;
      try {
        await consumer.poll();
      } catch (error) {
        thrown = error;
      }
      assert(thrown === mine || (thrown instanceof LogError && thrown.cause === mine), `thrown: ${String(thrown)}`);
      equal(valuesOf(await drain(consumer, 1)), ['a'], 'records');
    },
  ),
];
