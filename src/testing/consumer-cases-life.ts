// Conformance cases of the consumer: what it shows of itself, its end, and faults on the way. Data only; asserts by throwing.
import type { ConsumerRecord } from '../protocol/index.ts';
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  eventsOf,
  gapsOf,
  numbered,
  offsetsOf,
  pause,
  range,
  rejects,
  throws,
  until,
  type World,
} from './consumer-case-kit.ts';

const T = at('t');
/** Produces 0 to `count`, one after the other, while `disturb` is called now and then. */
async function underFaults(
  world: World,
  count: number,
  every: number,
  disturb: () => Promise<void> | void,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i % every === every - 1) await disturb();
    await world.produce('t', [`${i}`]);
  }
}
type Disturbance = readonly [string, (world: World) => Promise<void> | void];
const disturbances: readonly Disturbance[] = [
  ['connections drop', (world) => world.harness.dropConnections()],
  [
    'the gateway restarts',
    async (world) => {
      await world.harness.stop();
      await world.harness.start();
    },
  ],
];

export const lifeCases: readonly ConsumerCase[] = [
  consumerCase(
    ['polling-39', 'polling-40'],
    'status$ and assignment$ replay the latest; all observables complete on close and never error',
    async (world) => {
      await world.topic('t');
      const consumer = world.consumer();
      const seen: string[] = [];
      const log = (name: string) => ({
        complete: () => void seen.push(`${name} completed`),
        error: () => void seen.push(`${name} failed`),
      });
      consumer.status$.subscribe(log('status'));
      consumer.assignment$.subscribe(log('assignment'));
      consumer.lag$.subscribe(log('lag'));
      consumer.events$.subscribe(log('events'));
      await consumer.subscribe('t');
      const latest: unknown[] = [];
      consumer.status$.subscribe(({ type }) => latest.push(type)).unsubscribe();
      consumer.assignment$.subscribe((partitions) => latest.push(partitions)).unsubscribe();
      equal(latest, ['live', [T]], 'the latest');
      await consumer.close();
      equal(seen.sort(), ['assignment completed', 'events completed', 'lag completed', 'status completed'], 'ends');
      consumer.status$.subscribe(({ type }) => latest.push(type));
      equal(latest.at(-1), 'closed', 'status after close');
    },
  ),
  consumerCase('api-1', 'status$ follows a reconnect', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    const seen: string[] = [];
    consumer.status$.subscribe(({ type }) => seen.push(type));
    equal(seen, ['connecting'], 'before the first use');
    await consumer.subscribe('t');
    world.harness.dropConnections();
    await until('it is live again', () => seen.filter((type) => type === 'live').length === 2);
    assert(seen.includes('reconnecting'), `statuses: ${seen.join()}`);
    equal(consumer.metrics().reconnects, 1, 'metrics');
  }),
  consumerCase(
    'api-2',
    'currentLag is null, then a number that falls to 0; lag$ and metrics() agree',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ maxPollRecords: 3, groupId: 'g' });
      const lags: unknown[] = [];
      consumer.lag$.subscribe((lag) => lags.push(lag));
      const assigning = consumer.assign([T]);
      equal(consumer.currentLag(T), null, 'before anything is known');
      equal(consumer.metrics().lag, null, 'metrics before anything is known');
      await assigning;
      await drain(consumer, 3);
      equal(consumer.currentLag(T), 1, 'in between');
      await drain(consumer, 1);
      equal(consumer.currentLag(T), 0, 'at the end');
      await until(
        'lag$ says so',
        () => JSON.stringify(lags.at(-1)) === JSON.stringify([{ ...T, lag: 0, endOffset: 4 }]),
      );
      const { bytesConsumed, bufferedBytes, ...rest } = consumer.metrics();
      assert(bytesConsumed > 0 && bufferedBytes === 0, `bytes: ${bytesConsumed}, ${bufferedBytes}`);
      equal(
        rest,
        {
          groupId: 'g',
          subscriptions: [],
          assignmentCount: 1,
          closed: false,
          recordsConsumed: 4,
          lag: 0,
          reconnects: 0,
          gaps: 0,
          commits: 0,
          commitFailures: 0,
          poisonRecords: 0,
        },
        'metrics',
      );
      await world.produce('t', numbered(2));
      await until('lag grows without a poll', () => consumer.currentLag(T) === 2);
    },
  ),
  consumerCase(
    'api-3',
    'caughtUp comes once all that the log had was delivered, and again after a seek',
    async (world) => {
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ maxPollRecords: 2 });
      const events = eventsOf(consumer);
      const caughtUp = (): number => events.filter(({ type }) => type === 'caughtUp').length;
      await consumer.subscribe('t');
      await drain(consumer, 2);
      await pause(20);
      equal(caughtUp(), 0, 'half way');
      await drain(consumer, 2);
      await until('it is told', () => caughtUp() === 1);
      await world.produce('t', numbered(2));
      await drain(consumer, 2);
      equal(caughtUp(), 1, 'told once');
      consumer.seekToBeginning();
      await drain(consumer, 6);
      await until('it is told again', () => caughtUp() === 2);
      const empty = world.consumer({ autoOffsetReset: 'latest' });
      const others = eventsOf(empty);
      await empty.subscribe('t');
      await until('it is told where there was nothing to read', () => others.some(({ type }) => type === 'caughtUp'));
    },
  ),
  consumerCase('api-8', 'the constructor names every wrong and unknown key and dials nothing', async (world) => {
    const config: object = {
      ...world.clientConfig,
      groupid: 'g',
      maxPollRecords: 0,
      autoOffsetReset: 'now',
      isolationLevel: 'none',
      onPoisonRecord: 5,
      key: 'text',
    };
    const error = throws(() => new world.harness.sdk.Consumer(config), 'INVALID_CONFIG');
    for (const key of [
      'groupid',
      'groupId',
      'maxPollRecords',
      'autoOffsetReset',
      'isolationLevel',
      'onPoisonRecord',
      'key must',
    ]) {
      assert(error.message.includes(key), `${key} is not named: ${error.message}`);
    }
    new world.harness.sdk.Consumer({
      ...world.clientConfig,
      groupId: undefined,
      autoCommit: undefined,
      key: undefined,
    });
  }),
  consumerCase(
    'api-10',
    'close is idempotent; whatever is called afterwards, or waits then, is CLOSED',
    async (world) => {
      await world.produce('t', numbered(2));
      const consumer = world.consumer({ groupId: 'g' });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      const waiting = rejects(consumer.poll({ timeoutMs: 60_000 }), 'CLOSED');
      await Promise.all([consumer.close(), consumer.close(), waiting]);
      await consumer.close();
      await consumer[Symbol.asyncDispose]();
      for (const call of [
        () => consumer.poll(),
        () => consumer.subscribe('t'),
        () => consumer.unsubscribe(),
        () => consumer.assign([T]),
        () => consumer.commit(),
        () => consumer.committed(T),
        () => consumer.position(T),
        () => consumer.seekToTimestamp(0),
        () => consumer.beginningOffsets([T]),
        () => consumer.endOffsets([T]),
        () => consumer.offsetsForTimes([]),
        () => consumer.listTopics(),
        () => consumer.partitionsFor('t'),
        () => consumer.forEach(() => undefined),
        () => consumer[Symbol.asyncIterator]().next(),
      ]) {
        await rejects(call(), 'CLOSED');
      }
      for (const call of [
        () => consumer.seek(T, 0),
        () => consumer.seekToBeginning(),
        () => consumer.seekToEnd(),
        () => consumer.seekToTail(1),
        () => consumer.pause(),
        () => consumer.resume(),
        () => consumer.currentLag(T),
      ]) {
        throws(call, 'CLOSED');
      }
      equal(
        [consumer.assignment(), consumer.metrics().closed, consumer.groupMetadata()],
        [[], true, null],
        'what is left',
      );
    },
  ),
  consumerCase('api-11', 'close ends also while there is no gateway', async (world) => {
    await world.produce('t', numbered(2));
    const consumer = world.consumer({ groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    await drain(consumer, 2);
    await world.harness.stop();
    await consumer.close({ timeoutMs: 50 });
    equal(consumer.metrics().closed, true, 'closed');
    await world.harness.start();
  }),
  consumerCase('api-12', 'listTopics and partitionsFor describe; what is not there is named', async (world) => {
    await world.topic('t', 3);
    const consumer = world.consumer();
    equal(
      (await consumer.listTopics()).map(({ name, internal, partitions }) => [name, internal, partitions.length]),
      [['t', false, 3]],
      'listTopics',
    );
    equal(
      (await consumer.partitionsFor('t')).map(({ topic, partition }) => ({ topic, partition })),
      [0, 1, 2].map((partition) => at('t', partition)),
      'partitionsFor',
    );
    const error = await rejects(consumer.partitionsFor('none'), 'UNKNOWN_TOPIC_OR_PARTITION');
    equal(error.topic, 'none', 'topic');
  }),
  consumerCase(
    'api-13',
    'consumers, producer and admin of one client share it, each with its own positions',
    async (world) => {
      await using client = new world.harness.sdk.Client(world.clientConfig);
      await client.admin().createTopic({ name: 't' });
      const producer = client.producer();
      await Promise.all(numbered(3).map((value) => producer.send({ topic: 't', value })));
      const [one, two] = [
        client.consumer({ autoOffsetReset: 'earliest' }),
        client.consumer({ autoOffsetReset: 'earliest' }),
      ];
      await Promise.all([one.subscribe('t'), two.subscribe('t')]);
      equal([offsetsOf(await drain(one, 3)), offsetsOf(await drain(two, 3))], [range(3), range(3)], 'offsets');
      one.seek(T, 1);
      await two.close();
      equal(offsetsOf(await drain(one, 2)), [1, 2], 'offsets after the other closed');
      await client.close();
      await rejects(one.poll(), 'CLOSED');
    },
  ),
  consumerCase(
    'groups-36',
    'a member that is thrown out while the application is at work and leaves does not come back',
    async (world) => {
      await world.produce('t', numbered(2));
      for (const how of ['close', 'unsubscribe'] as const) {
        const consumer = world.consumer({
          groupId: how,
          maxPollIntervalMs: 30,
          sessionTimeoutMs: 1_500,
          autoCommit: false,
        });
        const events = eventsOf(consumer);
        await consumer.subscribe('t');
        await drain(consumer, 2);
        await until('the member is out', async () =>
          (await world.admin.listGroups()).every(({ members }) => members === 0),
        );
        await consumer[how]();
        await pause(30);
        // What was on its way in is let out again.
        await until(`no member is left after ${how}`, async () =>
          (await world.admin.listGroups()).every(({ members }) => members === 0),
        );
        equal(
          events.filter(({ type }) => type === 'error'),
          [],
          'errors',
        );
      }
    },
  ),
  consumerCase(
    ['groups-36', 'subscribing-18'],
    'unsubscribe while subscribe is under way leaves no member behind',
    async (world) => {
      await world.topic('t');
      for (const turns of range(30)) {
        const consumer = world.consumer({ groupId: `g${turns}` });
        await consumer.listTopics();
        const joining = consumer.subscribe('t');
        if (turns < 20) for (let turn = 0; turn < turns * 2; turn++) await Promise.resolve();
        else await pause(turns - 20);
        await consumer.unsubscribe();
        await joining;
        equal(consumer.assignment(), [], 'assignment');
      }
      await until('no group has a member', async () =>
        (await world.admin.listGroups()).every(({ members }) => members === 0),
      );
    },
  ),
  consumerCase('api-14', 'groupMetadata, describeGroup and listGroups tell of the member', async (world) => {
    await world.topic('t');
    const consumer = world.consumer({ groupId: 'g' });
    equal(consumer.groupMetadata(), null, 'before it joined');
    await consumer.subscribe('t');
    const me = consumer.groupMetadata();
    assert(me !== null && me.groupId === 'g' && me.memberId.length > 0 && me.epoch > 0, `me: ${JSON.stringify(me)}`);
    const { members } = await world.admin.describeGroup('g');
    equal(
      members.map(({ memberId }) => memberId),
      [me.memberId],
      'members',
    );
    await consumer.unsubscribe();
    equal(consumer.groupMetadata(), null, 'after it left');
  }),

  ...disturbances.flatMap(([what, disturb]): ConsumerCase[] => [
    ...[undefined, 'g'].map((groupId) =>
      consumerCase(
        'promise-3',
        `poll ${groupId === undefined ? 'without' : 'in'} a group: every offset exactly once while ${what}`,
        async (world) => {
          await world.topic('t');
          const consumer = world.consumer({ groupId, maxPollRecords: 3 });
          const events = eventsOf(consumer);
          await consumer.subscribe('t');
          const producing = underFaults(world, 60, 12, () => disturb(world));
          equal(offsetsOf(await drain(consumer, 60)), range(60), 'offsets');
          await producing;
          equal(gapsOf(events), [], 'gaps');
        },
      ),
    ),
    consumerCase('promise-3', `for await: every offset exactly once while ${what}`, async (world) => {
      await world.topic('t');
      const consumer = world.consumer({ maxPollRecords: 3 });
      await consumer.subscribe('t');
      const producing = underFaults(world, 60, 12, () => disturb(world));
      const seen: number[] = [];
      for await (const { offset } of consumer) if (seen.push(offset) === 60) break;
      equal(seen, range(60), 'offsets');
      await producing;
    }),
    consumerCase(
      ['promise-3', 'polling-25'],
      `stream: every offset exactly once, silently, while ${what}`,
      async (world) => {
        await world.topic('t');
        const consumer = world.consumer({ maxPollRecords: 3 });
        await consumer.subscribe('t');
        const producing = underFaults(world, 60, 12, () => disturb(world));
        const seen: ConsumerRecord<string, string>[] = [];
        await new Promise<void>((resolve, reject) => {
          const reading = consumer.stream().subscribe({
            next: (record) => {
              if (seen.push(record) < 60) return;
              reading.unsubscribe();
              resolve();
            },
            error: reject,
          });
        });
        equal(offsetsOf(seen), range(60), 'offsets');
        await producing;
      },
    ),
    consumerCase('promise-10', `a producer writes everything once and in order while ${what}`, async (world) => {
      await world.topic('t');
      const producer = world.keep(new world.harness.sdk.Producer({ ...world.clientConfig, lingerMs: 1 }));
      const sent: Promise<{ offset: number }>[] = [];
      for (let i = 0; i < 200; i++) {
        sent.push(producer.send({ topic: 't', partition: 0, value: `${i}` }));
        if (i % 40 === 39) await disturb(world);
        if (i % 10 === 9) await pause(1);
      }
      equal(
        (await Promise.all(sent)).map(({ offset }) => offset),
        range(200),
        'offsets of the acknowledgements',
      );
      const consumer = world.consumer();
      await consumer.subscribe('t');
      equal(
        (await drain(consumer, 200)).map(({ value }) => Number(value)),
        range(200),
        'values',
      );
      equal((await consumer.endOffsets([T]))[0]?.offset, 200, 'end');
    }),
    consumerCase('promise-9', `auto-commit never runs ahead of what was processed while ${what}`, async (world) => {
      await world.topic('t');
      const consumer = world.consumer({ groupId: 'g', maxPollRecords: 2, autoCommitIntervalMs: 3 });
      let processed = 0;
      const ahead: string[] = [];
      consumer.events$.subscribe((event) => {
        if (event.type !== 'commit' || event.error !== undefined) return;
        for (const { offset } of event.offsets) if (offset > processed) ahead.push(`${offset} > ${processed}`);
      });
      await consumer.subscribe('t');
      const producing = underFaults(world, 50, 10, () => disturb(world));
      const seen = new Set<number>();
      while (seen.size < 50) {
        const records = await consumer.poll({ timeoutMs: 5_000 });
        await pause(4);
        for (const { offset } of records) seen.add(offset);
        processed = Math.max(processed, (records.at(-1)?.offset ?? -1) + 1);
      }
      await producing;
      equal(ahead, [], 'commits ahead of what was processed');
      await consumer.close();
      const next = world.consumer({ groupId: 'g' });
      equal((await next.committed(T))?.offset, 50, 'committed at the end');
    }),
  ]),
];
