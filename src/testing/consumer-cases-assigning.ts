// Conformance cases of the consumer: assign and unsubscribe. Data only; asserts by throwing.
import {
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  nothing,
  numbered,
  offsetsOf,
  pause,
  valuesOf,
} from './consumer-case-kit.ts';

export const assigningCases: readonly ConsumerCase[] = [
  consumerCase(
    ['subscribing-14', 'subscribing-15'],
    'assign keeps position and pause of the partitions that stay',
    async (world) => {
      await world.topic('t', 3);
      for (const partition of [0, 1]) {
        await world.produce(
          't',
          numbered(4, partition * 10).map((value) => ({ value, partition })),
        );
      }
      const consumer = world.consumer({ maxPollRecords: 2 });
      await consumer.assign([at('t')]);
      await drain(consumer, 2);
      consumer.pause([at('t')]);
      await consumer.assign([at('t', 2), at('t', 0), at('t', 1)]);
      equal(consumer.paused(), [at('t')], 'paused');
      equal(await consumer.position(at('t')), 2, 'position');
      equal(valuesOf(await drain(consumer, 4)), numbered(4, 10), 'records of the added partition');
      consumer.resume();
      equal(valuesOf(await drain(consumer, 2)), ['v2', 'v3'], 'records of the one that stayed');
      await consumer.assign([at('t', 1)]);
      await consumer.assign([at('t', 0), at('t', 1)]);
      equal(consumer.paused(), [], 'a pause ends when its partition goes');
      equal(offsetsOf(await drain(consumer, 4)), [0, 1, 2, 3], 'a partition that comes back has no position');
    },
  ),
  consumerCase(
    ['subscribing-16', 'commits-5'],
    'assign commits the old positions first, with auto-commit on',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', numbered(3));
      const consumer = world.consumer({ groupId: 'g' });
      await consumer.assign([at('t')]);
      await drain(consumer, 3);
      await consumer.assign([at('t', 1)]);
      equal((await consumer.committed(at('t')))?.offset, 3, 'committed');
      await consumer.assign([at('t')]);
      await nothing(consumer);
      const manual = world.consumer({ groupId: 'manual', autoCommit: false });
      await manual.assign([at('t')]);
      await drain(manual, 3);
      await manual.assign([at('t', 1)]);
      equal(await manual.committed(at('t')), null, 'committed without auto-commit');
    },
  ),
  consumerCase('commits-2', 'assign commits nothing that an iterator has in hand', async (world) => {
    await world.topic('t', 2);
    await world.produce('t', numbered(3));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.assign([at('t')]);
    for await (const { offset } of consumer) {
      if (offset < 1) continue;
      await consumer.assign([at('t', 1)]);
      break;
    }
    equal((await consumer.committed(at('t')))?.offset, 1, 'committed');
  }),
  consumerCase('subscribing-16', 'what another committed meanwhile is committed over after assign', async (world) => {
    await world.topic('t', 2);
    await world.produce('t', numbered(3));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.assign([at('t')]);
    await drain(consumer, 3);
    await consumer.assign([at('t', 1)]);
    const other = world.consumer({ groupId: 'g' });
    await other.commit([{ ...at('t'), offset: 1 }]);
    await consumer.assign([at('t')]);
    equal(offsetsOf(await drain(consumer, 2)), [1, 2], 'read again');
    await consumer.close();
    equal((await other.committed(at('t')))?.offset, 3, 'committed');
  }),
  consumerCase(
    ['subscribing-17', 'subscribing-18'],
    'unsubscribe does not commit, and calls onPartitionsRevoked',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', numbered(3));
      const consumer = world.consumer({ groupId: 'g' });
      const calls: string[] = [];
      await consumer.subscribe('t', {
        listener: {
          onPartitionsRevoked: (gone) => void calls.push(`revoked ${gone.length}`),
          onPartitionsLost: () => void calls.push('lost'),
        },
      });
      await drain(consumer, 3);
      await consumer.poll({ timeoutMs: 0 });
      await consumer.unsubscribe();
      equal(calls, ['revoked 2'], 'calls');
      equal(await consumer.committed(at('t')), null, 'committed');
      equal([consumer.assignment(), consumer.subscription()], [[], []], 'assignment and subscription');
      await consumer.unsubscribe();
      equal(calls, ['revoked 2'], 'calls after the second unsubscribe');
    },
  ),
  ...[undefined, 'g'].map((groupId) =>
    consumerCase(
      'subscribing-18',
      `${groupId === undefined ? 'without a group' : 'in a group'}, what is called right after unsubscribe counts, while its listener is still at work`,
      async (world) => {
        await world.produce('t', numbered(3));
        const consumer = world.consumer({ groupId });
        const calls: string[] = [];
        let finish = (): void => undefined;
        const onPartitionsRevoked = (): Promise<void> =>
          new Promise((resolve) => {
            calls.push('revoked');
            finish = resolve;
          });
        await consumer.subscribe('t', { listener: { onPartitionsRevoked } });
        const leaving = consumer.unsubscribe();
        const onPartitionsAssigned = (): void => void calls.push('assigned');
        const joining = consumer.subscribe('t', { listener: { onPartitionsAssigned } });
        finish();
        await Promise.all([leaving, joining]);
        equal(calls, ['revoked', 'assigned'], 'calls');
        equal(offsetsOf(await drain(consumer, 3)), [0, 1, 2], 'offsets');
        const again = consumer.unsubscribe();
        await consumer.assign([at('t')]);
        await again;
        equal(consumer.assignment(), [at('t')], 'assignment');
        equal(offsetsOf(await drain(consumer, 3)), [0, 1, 2], 'offsets after assign');
      },
    ),
  ),
  consumerCase(
    'subscribing-17',
    'unsubscribe in the middle of a revocation commits nothing and tells once',
    async (world) => {
      for (const topic of ['t', 'u']) await world.produce(topic, numbered(3));
      const consumer = world.consumer({ groupId: 'g' });
      const calls: string[] = [];
      const listener = {
        onPartitionsRevoked: (gone: readonly { topic: string }[]) =>
          void calls.push(...gone.map(({ topic }) => `revoked ${topic}`)),
      };
      await consumer.subscribe(['t', 'u'], { listener });
      await drain(consumer, 6);
      await consumer.subscribe('t', { listener });
      await consumer.unsubscribe();
      await pause(20);
      equal(calls.sort(), ['revoked t', 'revoked u'], 'calls');
      equal([await consumer.committed(at('t')), await consumer.committed(at('u'))], [null, null], 'committed');
    },
  ),
  consumerCase('subscribing-25', 'assign resolves when start positions are fixed, without poll', async (world) => {
    await world.topic('t', 2);
    await world.produce('t', numbered(2));
    const consumer = world.consumer({ autoOffsetReset: 'latest' });
    await consumer.assign([at('t'), at('t', 1)]);
    await world.produce('t', ['new', { value: 'new too', partition: 1 }]);
    equal(valuesOf(await drain(consumer, 2)).sort(), ['new', 'new too'], 'records');
  }),
];
