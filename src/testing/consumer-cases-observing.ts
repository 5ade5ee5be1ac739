// Conformance cases of the consumer: what it says to the gateway, and the events it tells. Data only; asserts by throwing.
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  eventsOf,
  gapsOf,
  nothing,
  numbered,
  offsetsOf,
  pause,
  range,
  rejects,
  until,
  valuesOf,
} from './consumer-case-kit.ts';

const T = at('t');

export const observingCases: readonly ConsumerCase[] = [
  consumerCase(
    'subscribing-12',
    'without a groupId reading starts where autoOffsetReset says, each time',
    async (world) => {
      await world.produce('t', numbered(2));
      for (const _ of range(2)) {
        const earliest = world.consumer({ autoOffsetReset: 'earliest' });
        await earliest.subscribe('t');
        equal(await earliest.position(T), 0, 'earliest');
        const latest = world.consumer({ autoOffsetReset: 'latest' });
        await latest.subscribe('t');
        equal(await latest.position(T), 2, 'latest');
        await latest.close();
        await earliest.close();
      }
    },
  ),
  consumerCase(
    'subscribing-23',
    'subscribe waits for the answer of the coordinator, and for start positions',
    async (world) => {
      await world.produce('t', numbered(3));
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g', autoOffsetReset: 'latest' });
      let resolved = false;
      wire.holdAt('join');
      const subscribing = consumer.subscribe('t').then(() => {
        resolved = true;
      });
      for (const [type, next] of [
        ['join', 'committed'],
        ['committed', 'listOffsets'],
        ['listOffsets', ''],
      ] as const) {
        await until(`the answer to ${type} is held`, () => wire.frames('gateway', type).length === 1);
        await pause(5);
        equal(resolved, false, `resolved before the answer to ${type}`);
        wire.holdAt(next);
        wire.release();
      }
      await subscribing;
      equal(await consumer.position(T), 3, 'position');
    },
  ),
  consumerCase(
    ['subscribing-31', 'subscribing-32'],
    'a pattern never leaves the client; a new topic that matches is read within seconds',
    async (world) => {
      await world.topic('metrics-1');
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g' });
      await consumer.subscribe(/metrics-\d+/);
      await world.produce('metrics-77', ['new']);
      equal(valuesOf(await drain(consumer, 1)), ['new'], 'records');
      const said = wire.seen.filter(({ from }) => from === 'client').map(({ frame }) => JSON.stringify(frame));
      equal(
        said.filter((frame) => frame.includes('metrics-') && !/metrics-(1|77)"/.test(frame)),
        [],
        'frames with a pattern',
      );
    },
  ),
  consumerCase(
    'polling-10',
    'poll does not reject on what passes: lost connections, requests that fail for a while',
    async (world) => {
      await world.produce('t', numbered(2));
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g' });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      wire.failNext('listOffsets', 'COORDINATOR_LOAD_IN_PROGRESS');
      consumer.seekToBeginning();
      equal(offsetsOf(await drain(consumer, 2)), [0, 1], 'offsets');
      wire.break();
      equal(await consumer.poll({ timeoutMs: 30 }), [], 'records while nobody listens');
      wire.mend();
      await world.produce('t', ['after']);
      equal(valuesOf(await drain(consumer, 1)), ['after'], 'records');
    },
  ),
  consumerCase('seeking-7', 'a seek drops an error of the old position that no poll has seen yet', async (world) => {
    await world.produce('t', numbered(3));
    const wire = await world.wire();
    const consumer = world.consumer({ ...wire.config, autoOffsetReset: 'none' });
    await consumer.assign([T]).catch(() => undefined); // It has no offset; the seek gives it one.
    consumer.seek(T, 100);
    await until('the error has come', () => wire.frames('gateway', 'fetchError').length > 0);
    await pause(5);
    consumer.seek(T, 1);
    equal(offsetsOf(await drain(consumer, 2)), [1, 2], 'offsets');
  }),
  consumerCase(
    'seeking-10',
    'under read_committed ends are asked for as that, and are where positions and lag end',
    async (world) => {
      await world.produce('t', numbered(3));
      for (const isolationLevel of ['read_committed', 'read_uncommitted'] as const) {
        const wire = await world.wire();
        const consumer = world.consumer({ ...wire.config, isolationLevel });
        await consumer.assign([T]);
        consumer.seekToEnd();
        equal(await consumer.position(T), 3, 'position');
        equal(offsetsOf(await consumer.endOffsets([T])), [3], 'endOffsets');
        const asked = wire.frames('client', 'listOffsets').map(({ frame }) => frame.isolation);
        assert(asked.length > 0, 'nothing was asked');
        equal([...new Set(asked)], [isolationLevel], 'asked for');
      }
    },
  ),
  consumerCase(
    'seeking-12',
    'OFFSET_OUT_OF_RANGE below the log names its start, and a seek there goes on',
    async (world) => {
      await world.topic('t', 1, { 'retention.ms': '60000' });
      const old = Date.now() - 600_000;
      for (const value of numbered(4)) await world.produce('t', [{ value, timestamp: old }]);
      await world.produce('t', ['young']);
      await world.harness.retain();
      const consumer = world.consumer({ autoOffsetReset: 'none' });
      await consumer.assign([T]).catch(() => undefined); // It has no offset; the seek gives it one.
      consumer.seek(T, 1);
      const error = await rejects(consumer.poll({ timeoutMs: 8_000 }), 'OFFSET_OUT_OF_RANGE');
      equal([error.offset, error.logStart, error.logEnd, error.retriable], [1, 4, 5, false], 'where');
      consumer.seek(T, error.logStart ?? 0);
      equal(valuesOf(await drain(consumer, 1)), ['young'], 'records');
    },
  ),
  consumerCase(
    'seeking-18',
    'the last minute, then live: what is young enough, then caughtUp once, then what comes',
    async (world) => {
      const now = Date.now();
      for (const age of [90_000, 70_000, 50_000, 30_000]) {
        await world.produce('t', [{ value: `${age}`, timestamp: now - age }]);
      }
      const consumer = world.consumer({ autoOffsetReset: { durationMs: 60_000 }, maxPollRecords: 1 });
      const events = eventsOf(consumer);
      const caughtUp = (): number => events.filter(({ type }) => type === 'caughtUp').length;
      await consumer.subscribe('t');
      equal(valuesOf(await drain(consumer, 1)), ['50000'], 'the first that is young enough');
      equal(caughtUp(), 0, 'caughtUp events in between');
      equal(valuesOf(await drain(consumer, 1)), ['30000'], 'the last of the window');
      await until('it has caught up', () => caughtUp() === 1);
      await world.produce('t', ['live']);
      equal(valuesOf(await drain(consumer, 1)), ['live'], 'live');
      await nothing(consumer);
      equal(caughtUp(), 1, 'caughtUp events in the end');
    },
  ),
  consumerCase(
    'seeking-19',
    'whenBehind skips to what is live, and a gap event says what was skipped',
    async (world) => {
      await world.topic('t');
      const consumer = world.consumer({ maxPollRecords: 1, whenBehind: { skipToLiveAfterMs: 30 } });
      const events = eventsOf(consumer);
      await consumer.subscribe('t');
      await world.produce('t', ['first']);
      equal(valuesOf(await drain(consumer, 1)), ['first'], 'while it keeps up');
      await world.produce('t', numbered(50));
      await drain(consumer, 1);
      await pause(50);
      await consumer.poll({ timeoutMs: 0 });
      await until('it is live', async () => (await consumer.position(T)) === 51);
      const [gap, ...more] = events.flatMap((event) => (event.type === 'gap' ? [event] : []));
      equal([gap?.cause, gap?.to, more], ['skipped', 51, []], 'gap');
      await world.produce('t', ['live']);
      equal(valuesOf(await drain(consumer, 1)), ['live'], 'afterwards');
    },
  ),
  consumerCase('seeking-19', "without it ('wait') everything is read, however far behind", async (world) => {
    await world.produce('t', numbered(50));
    const consumer = world.consumer({ maxPollRecords: 1 });
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    await drain(consumer, 1);
    await pause(50);
    equal(offsetsOf(await drain(consumer, 49)), range(49, 1), 'offsets');
    equal(gapsOf(events), [], 'gaps');
  }),
  consumerCase('api-4', 'a rebalance event says what was assigned, revoked and lost', async (world) => {
    for (const topic of ['t', 'u']) await world.topic(topic);
    const consumer = world.consumer({ groupId: 'g', maxPollIntervalMs: 60, sessionTimeoutMs: 300 });
    const events = eventsOf(consumer);
    const told = (): unknown[] =>
      events.flatMap((event) =>
        event.type === 'rebalance'
          ? [
              [event.assigned, event.revoked, event.lost].map((list) =>
                list
                  .map(({ topic }) => topic)
                  .sort()
                  .join(),
              ),
            ]
          : [],
      );
    const sum = (index: number): string =>
      told()
        .flatMap((event) => String((event as string[])[index]).split(','))
        .filter((topic) => topic !== '')
        .sort()
        .join();
    await consumer.subscribe(['t', 'u']);
    equal(sum(0), 't,u', 'assigned');
    await consumer.subscribe('t');
    await until('u is gone', () => consumer.assignment().length === 1);
    equal([sum(0), sum(1), sum(2)], ['t,u', 'u', ''], 'after the subscription shrank');
    await world.produce('t', ['a']);
    await drain(consumer, 1);
    await until('it is late', async () => (await world.admin.listGroups()).every(({ members }) => members === 0));
    await drain(consumer, 1);
    equal([sum(0), sum(1), sum(2)], ['t,t,u', 'u', 't'], 'after it was late');
  }),
  // The burst is 100 requests, then 50 a second: half a second of delay has to be reached.
  consumerCase('api-6', 'a throttled event says that the gateway delays requests; all are answered', async (world) => {
    await world.topic('t');
    const consumer = world.consumer();
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    const answers = await Promise.all(range(130).map(() => consumer.endOffsets([T])));
    equal(answers.length, 130, 'answers');
    const delays = events.flatMap((event) => (event.type === 'throttled' ? [event.delayMs] : []));
    assert(delays.length > 0 && delays.every((delay) => delay > 0), `delays: ${delays.join()}`);
  }),
];
