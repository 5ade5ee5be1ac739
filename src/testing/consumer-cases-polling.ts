// Conformance cases of the consumer: poll. Data only; asserts by throwing.
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
  range,
  rejects,
  throws,
  until,
  utf8,
  valuesOf,
} from './consumer-case-kit.ts';

export const pollingCases: readonly ConsumerCase[] = [
  consumerCase(
    ['polling-1', 'polling-2'],
    'poll resolves at once with what is buffered, else when something comes',
    async (world) => {
      await world.topic('t');
      const consumer = world.consumer();
      await consumer.subscribe('t');
      const waiting = consumer.poll({ timeoutMs: 60_000 });
      await world.produce('t', ['a']);
      equal(valuesOf(await waiting), ['a'], 'records');
      await world.produce('t', ['b']);
      await until('b is buffered', () => consumer.metrics().bufferedBytes > 0);
      equal(valuesOf(await consumer.poll({ timeoutMs: 0 })), ['b'], 'buffered records');
    },
  ),
  consumerCase('polling-3', 'poll resolves with [] when none came in time', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    await consumer.subscribe('t');
    equal(await consumer.poll({ timeoutMs: 0 }), [], 'without waiting');
    equal(await consumer.poll({ timeoutMs: 20 }), [], 'after waiting');
  }),
  consumerCase('polling-4', 'without subscription or assignment poll is ILLEGAL_STATE', async (world) => {
    const consumer = world.consumer();
    const error = await rejects(consumer.poll(), 'ILLEGAL_STATE');
    assert(/subscribe|assign/.test(error.message), `what is allowed is not named: ${error.message}`);
  }),
  consumerCase('polling-5', 'two polls at once: the second is ILLEGAL_STATE, the first goes on', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const first = consumer.poll({ timeoutMs: 60_000 });
    await rejects(consumer.poll(), 'ILLEGAL_STATE');
    await world.produce('t', ['a']);
    equal(valuesOf(await first), ['a'], 'records');
    equal(await consumer.poll({ timeoutMs: 0 }), [], 'the next poll');
  }),
  consumerCase('polling-6', 'at most maxPollRecords, sliced from the buffer without fetching again', async (world) => {
    await world.produce('t', numbered(25));
    const consumer = world.consumer({ maxPollRecords: 10 });
    await consumer.subscribe('t');
    equal(offsetsOf(await consumer.poll()), range(10), 'first slice');
    await until('all is buffered', () => consumer.currentLag(at('t')) === 15);
    const received = consumer.metrics().bytesConsumed;
    await world.harness.stop();
    equal(offsetsOf(await consumer.poll({ timeoutMs: 0 })), range(10, 10), 'second slice');
    equal(offsetsOf(await consumer.poll({ maxRecords: 2 })), range(2, 20), 'a slice of its own size');
    equal(offsetsOf(await consumer.poll()), range(3, 22), 'the rest');
    equal(consumer.metrics().bytesConsumed, received, 'bytes received');
  }),
  consumerCase('polling-7', 'records of one partition are in offset order, over many batches', async (world) => {
    await world.topic('t', 3);
    for (let round = 0; round < 10; round++) {
      for (const partition of [0, 1, 2]) {
        await world.produce(
          't',
          numbered(7, round * 7).map((value) => ({ value, partition })),
        );
      }
    }
    const consumer = world.consumer({ maxPollRecords: 8 });
    await consumer.subscribe('t');
    const records = await drain(consumer, 210);
    for (const partition of [0, 1, 2]) {
      const mine = records.filter((record) => record.partition === partition);
      equal(offsetsOf(mine), range(70), `offsets of partition ${partition}`);
      equal(valuesOf(mine), numbered(70), `values of partition ${partition}`);
    }
  }),
  consumerCase('polling-8', 'partitions take turns: a busy one does not starve the others', async (world) => {
    await world.topic('t', 3);
    await world.produce('t', numbered(400));
    await world.produce('t', [
      { value: 'quiet 1', partition: 1 },
      { value: 'quiet 2', partition: 2 },
    ]);
    const consumer = world.consumer({ maxPollRecords: 20 });
    await consumer.subscribe('t');
    await until('all is here', () =>
      consumer.assignment().every((one) => consumer.currentLag(one) === (one.partition === 0 ? 400 : 1)),
    );
    await pause(30);
    const seen = [...(await consumer.poll()), ...(await consumer.poll())];
    equal(
      valuesOf(seen.filter(({ partition }) => partition > 0)).sort(),
      ['quiet 1', 'quiet 2'],
      'records of the quiet partitions among the first 40',
    );
    equal(seen.length, 40, 'slices are filled up');
  }),
  consumerCase(
    'polling-9',
    'while reconnecting poll waits and then returns []; afterwards nothing is missing',
    async (world) => {
      await world.produce('t', numbered(2));
      const consumer = world.consumer();
      await consumer.subscribe('t');
      await drain(consumer, 2);
      await world.harness.stop();
      equal(await consumer.poll({ timeoutMs: 40 }), [], 'records while there is no gateway');
      const waiting = consumer.poll({ timeoutMs: 60_000 });
      await world.harness.start();
      await world.produce('t', ['after']);
      equal(offsetsOf(await waiting), [2], 'offsets afterwards');
    },
  ),
  consumerCase('polling-11', 'records are own data properties', async (world) => {
    await world.produce('t', [{ value: 'v', key: 'k', timestamp: 1_234, headers: [{ key: 'h', value: utf8('x') }] }]);
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const [record] = await drain(consumer, 1);
    assert(record !== undefined, 'no record');
    const { leaderEpoch, ...copy } = { ...record };
    equal(
      copy,
      {
        topic: 't',
        partition: 0,
        offset: 0,
        timestamp: 1_234,
        timestampType: 'create',
        key: 'k',
        value: 'v',
        headers: [{ key: 'h', value: utf8('x') }],
      },
      'a copy of the record',
    );
    assert(leaderEpoch === undefined || Number.isInteger(leaderEpoch), `leaderEpoch: ${leaderEpoch}`);
    equal(JSON.parse(JSON.stringify(record)).value, 'v', 'as JSON');
  }),
  consumerCase(
    'polling-12',
    'keys and values are decoded inside poll, each with its topic, partition and headers',
    async (world) => {
      await world.produce('t', [{ value: '1', key: 'k', headers: [{ key: 'h', value: null }] }, { value: null }]);
      const calls: unknown[] = [];
      const consumer = world.consumer({
        value: (bytes, { topic, partition, headers }) => {
          calls.push({ topic, partition, headers });
          return `<${new TextDecoder().decode(bytes)}>`;
        },
      });
      await consumer.subscribe('t');
      await until('both are here', () => consumer.currentLag(at('t')) === 2);
      await pause(20);
      equal(calls, [], 'calls before poll');
      equal(valuesOf(await drain(consumer, 2)), ['<1>', null], 'values');
      equal(calls, [{ topic: 't', partition: 0, headers: [{ key: 'h', value: null }] }], 'calls');
    },
  ),
  consumerCase(
    'polling-14',
    'positions advance when records are returned, not when they are received',
    async (world) => {
      await world.produce('t', numbered(5));
      const consumer = world.consumer({ maxPollRecords: 2 });
      await consumer.subscribe('t');
      await until('all is here', () => consumer.currentLag(at('t')) === 5);
      equal(await consumer.position(at('t')), 0, 'before poll');
      await consumer.poll();
      equal(await consumer.position(at('t')), 2, 'after poll');
    },
  ),
  consumerCase(
    ['polling-17', 'polling-18'],
    'an abort before or during poll rejects with ABORTED and loses no record',
    async (world) => {
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ maxPollRecords: 2 });
      await consumer.subscribe('t');
      await until('all is here', () => consumer.currentLag(at('t')) === 4);
      const early = new AbortController();
      early.abort();
      await rejects(consumer.poll({ signal: early.signal }), 'ABORTED');
      equal(await consumer.position(at('t')), 0, 'position after an abort');
      equal(offsetsOf(await drain(consumer, 4)), range(4), 'offsets');
      for (let round = 0; round < 10; round++) {
        const abort = new AbortController();
        const seen: number[] = [];
        const polling = consumer.poll({ timeoutMs: 60_000, signal: abort.signal }).then(
          (records) => seen.push(...offsetsOf(records)),
          () => undefined,
        );
        const producing = world.produce('t', ['next']);
        for (let turn = 0; turn < round * 7; turn++) await Promise.resolve();
        abort.abort();
        await Promise.all([polling, producing]);
        if (seen.length === 0) seen.push(...offsetsOf(await drain(consumer, 1)));
        equal(seen, [4 + round], `offsets of round ${round}`);
      }
    },
  ),
  consumerCase('polling-17', 'an abort after poll has resolved changes nothing', async (world) => {
    await world.produce('t', numbered(2));
    const consumer = world.consumer({ maxPollRecords: 1 });
    await consumer.subscribe('t');
    const abort = new AbortController();
    equal(offsetsOf(await consumer.poll({ timeoutMs: 5_000, signal: abort.signal })), [0], 'records');
    abort.abort();
    equal(offsetsOf(await consumer.poll()), [1], 'the next record');
  }),
  consumerCase(
    ['polling-41', 'polling-42'],
    "a poison record, 'throw': those before it first, then every poll fails until a seek past it",
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', ['1', '2', 'x', '4']);
      const parse = (bytes: Uint8Array): string => JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)));
      const consumer = world.consumer({ groupId: 'g', value: parse });
      await consumer.subscribe('t');
      equal(valuesOf(await drain(consumer, 2)), ['1', '2'], 'records before it');
      for (let round = 0; round < 2; round++) {
        const error = await rejects(consumer.poll(), 'DESERIALIZATION_FAILED');
        equal([error.topic, error.partition, error.offset], ['t', 0, 2], 'where');
        equal(error.record?.value, utf8('x'), 'the raw record');
        equal(error.retriable, false, 'retriable');
      }
      equal(await consumer.position(at('t')), 2, 'position');
      await consumer.commit();
      equal((await consumer.committed(at('t')))?.offset, 2, 'committed');
      consumer.seek(at('t'), 3);
      equal(valuesOf(await drain(consumer, 1)), ['4'], 'records after the seek');
      consumer.seek(at('t'), 2);
      await rejects(consumer.poll({ timeoutMs: 5_000 }), 'DESERIALIZATION_FAILED');
      consumer.pause([at('t')]);
      await world.produce('t', [{ value: '7', partition: 1 }]);
      equal(valuesOf(await drain(consumer, 1)), ['7'], 'records of another partition while the failed one is paused');
    },
  ),
  consumerCase(
    'polling-43',
    "a poison record, 'skip': it is passed over with a poison event, and the position behind it",
    async (world) => {
      await world.produce('t', ['1', 'x', 'y']);
      const parse = (bytes: Uint8Array): string => JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)));
      const consumer = world.consumer({ value: parse, onPoisonRecord: 'skip' });
      const events = eventsOf(consumer);
      await consumer.subscribe('t');
      equal(valuesOf(await drain(consumer, 1)), ['1'], 'records');
      await nothing(consumer);
      equal(
        events.flatMap((event) => (event.type === 'poison' ? [event.record.offset, event.record.field] : [])),
        [1, 'value', 2, 'value'],
        'poison events',
      );
      equal(await consumer.position(at('t')), 3, 'position');
      equal(consumer.metrics().poisonRecords, 2, 'metrics');
    },
  ),
  consumerCase(
    'polling-43',
    'a poison record, a handler: it is called once, and what follows waits for it',
    async (world) => {
      await world.produce('t', [{ value: '1' }, { value: '2', key: 'x' }, { value: '3' }]);
      const key = (): string => {
        throw new Error('no keys please');
      };
      const handled: unknown[] = [];
      let finish = (): void => undefined;
      const consumer = world.consumer({
        key,
        onPoisonRecord: async ({ offset, field, error }) => {
          handled.push([offset, field, error instanceof Error ? error.message : error]);
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
        },
      });
      await consumer.subscribe('t');
      equal(valuesOf(await drain(consumer, 1)), ['1'], 'records before it');
      await nothing(consumer);
      equal(await consumer.position(at('t')), 1, 'position while the handler is at work');
      finish();
      equal(valuesOf(await drain(consumer, 1)), ['3'], 'records behind it');
      equal(handled, [[1, 'key', 'no keys please']], 'calls');
    },
  ),
  consumerCase('polling-42', 'a poison handler that throws fails every poll until a seek', async (world) => {
    await world.produce('t', ['1', '2']);
    const consumer = world.consumer({
      value: () => {
        throw new Error('never');
      },
      onPoisonRecord: () => {
        throw new Error('mine');
      },
    });
    await consumer.subscribe('t');
    await rejects(consumer.poll({ timeoutMs: 5_000 }), 'DESERIALIZATION_FAILED');
    await rejects(consumer.poll({ timeoutMs: 5_000 }), 'DESERIALIZATION_FAILED');
  }),
  consumerCase(
    ['polling-44', 'polling-50'],
    'maxPollIntervalMs: who is late is lost to the group, hears of it at the next poll, and rejoins',
    async (world) => {
      await world.produce('t', numbered(2));
      const calls: string[] = [];
      const config = { groupId: 'g', maxPollIntervalMs: 60, sessionTimeoutMs: 1_500 } as const;
      const consumer = world.consumer({ ...config, maxPollRecords: 1 });
      await consumer.subscribe('t', {
        listener: {
          onPartitionsAssigned: () => void calls.push('assigned'),
          onPartitionsRevoked: () => void calls.push('revoked'),
          onPartitionsLost: () => void calls.push('lost'),
        },
      });
      await drain(consumer, 1);
      await until('the member is out', async () =>
        (await world.admin.listGroups()).every(({ members }) => members === 0),
      );
      await pause(20);
      equal(calls, ['assigned'], 'calls before the next poll');
      equal(offsetsOf(await drain(consumer, 2)), [0, 1], 'what had not been committed comes again');
      equal(calls, ['assigned', 'lost', 'assigned'], 'calls');
    },
  ),
  consumerCase(
    'polling-48',
    'maxPollIntervalMs: who waits in poll, or does not read at all, is never late',
    async (world) => {
      await world.topic('t');
      const config = { maxPollIntervalMs: 40, sessionTimeoutMs: 1_500 } as const;
      const consumer = world.consumer({ ...config, groupId: 'g' });
      const calls: string[] = [];
      await consumer.subscribe('t', { listener: { onPartitionsLost: () => void calls.push('lost') } });
      const waiting = consumer.poll({ timeoutMs: 60_000 });
      await pause(1_050); // Two heartbeats, and many times the interval.
      await world.produce('t', ['a']);
      await waiting;
      const idle = world.consumer({ ...config, groupId: 'idle' });
      await idle.subscribe('t', { listener: { onPartitionsLost: () => void calls.push('idle lost') } });
      await pause(1_050);
      await idle.poll({ timeoutMs: 0 });
      equal(
        calls.filter((call) => call === 'idle lost'),
        [],
        'calls of the idle one',
      );
    },
  ),
  consumerCase('api-9', 'poll names wrong and unknown options', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const wrong: [object, string][] = [
      [{ maxRecords: 0 }, 'maxRecords'],
      [{ maxRecords: 1.5 }, 'maxRecords'],
      [{ timeoutMs: -1 }, 'timeoutMs'],
      [{ timeoutMs: Number.NaN }, 'timeoutMs'],
      [{ timeout: 5 }, 'timeout'],
      [{ signal: 5 }, 'signal'],
    ];
    for (const [options, named] of wrong) {
      const error = await rejects(consumer.poll(options), 'INVALID_REQUEST');
      assert(error.message.includes(named), `${named} is not named: ${error.message}`);
    }
    const options: object = { manual: true };
    throws(() => consumer.stream(options), 'INVALID_REQUEST');
    throws(() => consumer.batches(options), 'INVALID_REQUEST');
    await rejects(
      consumer.forEach(() => undefined, options),
      'INVALID_REQUEST',
    );
    await rejects(consumer.close(options), 'INVALID_REQUEST');
  }),
];
