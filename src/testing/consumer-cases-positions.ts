// Conformance cases of the consumer: commits, seeks, resets and questions about offsets. Data only; asserts by throwing.
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
  throws,
  until,
  valuesOf,
} from './consumer-case-kit.ts';

const T = at('t');

export const positionCases: readonly ConsumerCase[] = [
  consumerCase(
    ['commits-1', 'commits-2'],
    'auto-commit commits what was handed out before the records in hand',
    async (world) => {
      await world.produce('t', numbered(9));
      const consumer = world.consumer({ groupId: 'g', autoCommitIntervalMs: 5, maxPollRecords: 3 });
      await consumer.subscribe('t');
      for (const committed of [0, 3, 6]) {
        equal((await consumer.poll({ timeoutMs: 5_000 })).length, 3, 'records');
        await until(
          `${committed} is committed`,
          async () => ((await consumer.committed(T))?.offset ?? 0) === committed,
        );
        await pause(20);
        equal((await consumer.committed(T))?.offset ?? 0, committed, 'committed while the records are in hand');
      }
    },
  ),
  consumerCase('commits-6', 'with autoCommit false nothing is committed by itself, nor on close', async (world) => {
    await world.produce('t', numbered(3));
    const consumer = world.consumer({ groupId: 'g', autoCommit: false, autoCommitIntervalMs: 1 });
    const events = eventsOf(consumer);
    await consumer.subscribe('t');
    await drain(consumer, 3);
    await nothing(consumer);
    await consumer.close();
    equal(
      events.filter(({ type }) => type === 'commit'),
      [],
      'commit events',
    );
    const next = world.consumer({ groupId: 'g' });
    equal(await next.committed(T), null, 'committed');
  }),
  consumerCase(
    ['commits-7', 'offsets-2'],
    'commit() commits current positions; the group resumes there',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', [...numbered(4), { value: 'other', partition: 1 }]);
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      await drain(consumer, 5);
      await consumer.commit();
      equal(
        [(await consumer.committed(T))?.offset, (await consumer.committed(at('t', 1)))?.offset],
        [4, 1],
        'committed',
      );
      await consumer.close();
      await world.produce('t', ['next']);
      const next = world.consumer({ groupId: 'g', autoOffsetReset: 'none' });
      await next.subscribe('t');
      equal(valuesOf(await drain(next, 1)), ['next'], 'records');
    },
  ),
  consumerCase(
    ['commits-8', 'commits-10'],
    'commit(offsets) commits exactly those and leaves positions alone; metadata byte for byte',
    async (world) => {
      await world.topic('t', 2);
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      const position = await consumer.position(T);
      const metadata = 'ä€😀 "\\ \u0000\n end';
      await consumer.commit([{ ...T, offset: 77, metadata }]);
      equal(await consumer.committed(T), { offset: 77, metadata }, 'committed');
      equal(await consumer.committed(at('t', 1)), null, 'committed of the other partition');
      equal(await consumer.position(T), position, 'position');
      await consumer.commit(new Set([{ ...T, offset: 0 }]));
      equal(await consumer.committed(T), { offset: 0, metadata: '' }, 'committed backwards');
      await consumer.commit([]);
      equal((await consumer.committed(T))?.offset, 0, 'an empty commit');
    },
  ),
  consumerCase('commits-9', 'the input of commit is copied at the call', async (world) => {
    await world.topic('t');
    const consumer = world.consumer({ groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    const offsets = [{ ...T, offset: 5, metadata: 'a' }];
    const committing = consumer.commit(offsets);
    const [first] = offsets;
    if (first !== undefined) Object.assign(first, { offset: 9, metadata: 'b' });
    offsets.push({ ...T, offset: 1, metadata: 'c' });
    await committing;
    equal(await consumer.committed(T), { offset: 5, metadata: 'a' }, 'committed');
  }),
  consumerCase(
    'commits-11',
    'negative, fractional and unsafe offsets are INVALID_REQUEST, named, and nothing is sent',
    async (world) => {
      await world.topic('t', 2);
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      const events = eventsOf(consumer);
      await consumer.subscribe('t');
      for (const offset of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
        const error = await rejects(
          consumer.commit([
            { ...at('t', 1), offset: 1 },
            { ...T, offset },
          ]),
          'INVALID_REQUEST',
        );
        assert(error.message.includes('t-0') && error.message.includes(String(offset)), `not named: ${error.message}`);
      }
      const given: object = [5];
      await rejects(consumer.commit(given as never), 'INVALID_REQUEST');
      equal(await consumer.committed(at('t', 1)), null, 'committed');
      equal(
        events.filter(({ type }) => type === 'commit'),
        [],
        'commit events',
      );
    },
  ),
  consumerCase(
    'commits-12',
    'a commit that meets a dropped connection succeeds once the gateway is back',
    async (world) => {
      await world.produce('t', numbered(2));
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      world.harness.dropConnections();
      await consumer.commit();
      equal((await consumer.committed(T))?.offset, 2, 'committed');
    },
  ),
  consumerCase('commits-15', 'a partition the member does not own is COMMIT_FAILED', async (world) => {
    await world.topic('t');
    await world.topic('u');
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    const error = await rejects(consumer.commit([{ ...at('u'), offset: 0 }]), 'COMMIT_FAILED');
    equal(error.retriable, false, 'retriable');
  }),
  consumerCase('commits-18', 'with assign a commit succeeds only while the group has no member', async (world) => {
    await world.produce('t', numbered(2));
    const alone = world.consumer({ groupId: 'g', autoCommit: false });
    await alone.assign([T]);
    await alone.commit([{ ...T, offset: 1 }]);
    equal((await alone.committed(T))?.offset, 1, 'committed');
    const member = world.consumer({ groupId: 'g', autoCommit: false });
    await member.subscribe('t');
    await rejects(alone.commit([{ ...T, offset: 2 }]), 'COMMIT_FAILED', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_STATE');
    equal((await member.committed(T))?.offset, 1, 'committed after the refusal');
  }),
  consumerCase(
    ['commits-19', 'commits-20'],
    'close() commits positions; asyncDispose only what is processed',
    async (world) => {
      await world.produce('t', numbered(6));
      {
        await using consumer = world.consumer({ groupId: 'disposed', maxPollRecords: 2 });
        await consumer.subscribe('t');
        await drain(consumer, 4);
      }
      const consumer = world.consumer({ groupId: 'closed', maxPollRecords: 2 });
      await consumer.subscribe('t');
      await drain(consumer, 4);
      await consumer.close();
      for (const [groupId, offset] of [
        ['disposed', 2],
        ['closed', 4],
      ] as const) {
        const next = world.consumer({ groupId });
        equal((await next.committed(T))?.offset, offset, `committed, ${groupId}`);
      }
    },
  ),
  consumerCase('commits-21', 'committed is null where the group has none, per partition', async (world) => {
    await world.topic('t', 2);
    const consumer = world.consumer({ groupId: 'g', autoCommit: false });
    equal(await consumer.committed(T), null, 'committed of a group that was never there');
    await consumer.assign([T]);
    await consumer.commit([{ ...T, offset: 0 }]);
    equal(
      [await consumer.committed(T), await consumer.committed(at('t', 1))],
      [{ offset: 0, metadata: '' }, null],
      'committed',
    );
  }),

  consumerCase('seeking-1', 'an explicit seek, then the committed offset, then autoOffsetReset', async (world) => {
    await world.produce('t', numbered(10));
    const first = world.consumer({ groupId: 'g', autoCommit: false });
    await first.assign([T]);
    equal(await first.position(T), 0, 'by autoOffsetReset');
    await first.commit([{ ...T, offset: 4 }]);
    await first.close();
    const second = world.consumer({ groupId: 'g', autoCommit: false });
    await second.assign([T]);
    equal(await second.position(T), 4, 'by the committed offset');
    await second.unsubscribe();
    const assigning = second.assign([T]);
    second.seek(T, 7);
    await assigning;
    equal(await second.position(T), 7, 'by a seek before the lookup was answered');
    equal(offsetsOf(await drain(second, 3)), [7, 8, 9], 'offsets');
  }),
  ...[undefined, 'g'].map((groupId) =>
    consumerCase(
      'seeking-2',
      `'none' ${groupId === undefined ? 'without' : 'with'} a group: NO_OFFSET_FOR_PARTITION on every poll until a seek`,
      async (world) => {
        await world.topic('t', 2);
        await world.produce('t', numbered(2));
        const consumer = world.consumer({ groupId, autoOffsetReset: 'none', autoCommit: false });
        await consumer.subscribe('t');
        for (let round = 0; round < 3; round++) {
          const error = await rejects(consumer.poll(), 'NO_OFFSET_FOR_PARTITION');
          equal([error.topic, error.retriable], ['t', false], 'error');
        }
        await rejects(consumer.position(T), 'NO_OFFSET_FOR_PARTITION');
        consumer.seek(T, 1);
        await rejects(consumer.poll(), 'NO_OFFSET_FOR_PARTITION');
        consumer.seekToBeginning([at('t', 1)]);
        equal(offsetsOf(await drain(consumer, 1)), [1], 'offsets');
      },
    ),
  ),
  consumerCase('seeking-3', '{durationMs} is evaluated when the reset happens', async (world) => {
    const now = Date.now();
    for (const age of [90_000, 50_000, 10]) await world.produce('t', [{ value: `${age}`, timestamp: now - age }]);
    const consumer = world.consumer({ autoOffsetReset: { durationMs: 60_000 } });
    await consumer.subscribe('t');
    equal(valuesOf(await drain(consumer, 2)), ['50000', '10'], 'values');
    const late = world.consumer({ autoOffsetReset: { durationMs: 1 } });
    await pause(20);
    await late.subscribe('t');
    await world.produce('t', ['new']);
    equal(valuesOf(await drain(late, 1)), ['new'], 'values where nothing is young enough');
  }),
  consumerCase(
    ['seeking-4', 'seeking-5'],
    'seek: unassigned is ILLEGAL_STATE, a wrong offset INVALID_REQUEST, both named',
    async (world) => {
      await world.topic('t');
      const consumer = world.consumer();
      throws(() => consumer.seek(T, 0), 'ILLEGAL_STATE');
      await consumer.assign([T]);
      const error = throws(() => consumer.seek(at('t', 1), 0), 'ILLEGAL_STATE');
      assert(error.message.includes('t-1'), `not named: ${error.message}`);
      for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) throws(() => consumer.seek(T, offset), 'INVALID_REQUEST');
      for (const call of ['seekToBeginning', 'seekToEnd', 'pause', 'resume'] as const) {
        throws(() => consumer[call]([at('t', 1)]), 'ILLEGAL_STATE');
      }
      throws(() => consumer.seekToTail(3, [at('t', 1)]), 'ILLEGAL_STATE');
      throws(() => consumer.seekToTail(-1), 'INVALID_REQUEST');
      await rejects(consumer.seekToTimestamp(Number.NaN), 'INVALID_REQUEST');
      await rejects(consumer.seekToTimestamp(0, [at('t', 1)]), 'ILLEGAL_STATE');
      await rejects(consumer.position(at('t', 1)), 'ILLEGAL_STATE');
      throws(() => consumer.currentLag(at('t', 1)), 'ILLEGAL_STATE');
    },
  ),
  consumerCase(
    ['seeking-6', 'seeking-8'],
    'a seek takes effect at once: what is buffered or on its way is dropped; the last one wins',
    async (world) => {
      await world.produce('t', numbered(20));
      const consumer = world.consumer({ maxPollRecords: 3 });
      await consumer.subscribe('t');
      equal(offsetsOf(await drain(consumer, 3)), range(3), 'before');
      consumer.seek(T, 10);
      equal(offsetsOf(await drain(consumer, 3)), range(3, 10), 'forward');
      consumer.seekToEnd();
      consumer.seek(T, 15);
      consumer.seekToBeginning();
      consumer.seek(T, { offset: 5, metadata: '' });
      equal(await consumer.position(T), 5, 'position');
      equal(offsetsOf(await drain(consumer, 3)), range(3, 5), 'the last of several');
      consumer.seek(T, 18);
      consumer.seekToBeginning();
      equal(offsetsOf(await drain(consumer, 3)), range(3), 'a lazy one is the last');
      const waiting = consumer.seekToTimestamp(Date.now() + 60_000);
      consumer.seek(T, 4);
      await waiting;
      equal(await consumer.position(T), 4, 'against a lookup by time in flight');
    },
  ),
  consumerCase('seeking-6', 'a seek while poll waits counts for that poll', async (world) => {
    await world.produce('t', numbered(3));
    const consumer = world.consumer();
    await consumer.subscribe('t');
    await drain(consumer, 3);
    const waiting = consumer.poll({ timeoutMs: 8_000 });
    consumer.seek(T, 1);
    equal(offsetsOf(await waiting), [1, 2], 'offsets');
  }),
  consumerCase('seeking-6', 'inside for await a seek counts for the next record', async (world) => {
    await world.produce('t', numbered(5));
    const consumer = world.consumer();
    await consumer.subscribe('t');
    const seen: number[] = [];
    for await (const { offset } of consumer) {
      seen.push(offset);
      if (seen.length === 2) consumer.seek(T, 0);
      if (offset === 4) break;
    }
    equal(seen, [0, 1, 0, 1, 2, 3, 4], 'offsets');
  }),
  consumerCase(
    ['seeking-9', 'seeking-16', 'seeking-17'],
    'seekToBeginning, seekToEnd, seekToTail, seekToTimestamp; position() resolves the lazy ones',
    async (world) => {
      for (const n of range(10)) await world.produce('t', [{ value: `${n}`, timestamp: 1_000 + n }]);
      const consumer = world.consumer();
      await consumer.assign([T]);
      consumer.seekToEnd();
      equal(await consumer.position(T), 10, 'the end');
      consumer.seekToTail(3);
      equal(await consumer.position(T), 7, 'the tail');
      equal(offsetsOf(await drain(consumer, 3)), [7, 8, 9], 'offsets of the tail');
      consumer.seekToTail(99);
      equal(await consumer.position(T), 0, 'a tail longer than the log');
      consumer.seekToTail(0);
      equal(await consumer.position(T), 10, 'an empty tail');
      await consumer.seekToTimestamp(1_004);
      equal(await consumer.position(T), 4, 'a time');
      await consumer.seekToTimestamp(new Date(9_999));
      equal(await consumer.position(T), 10, 'a time after the last record');
      consumer.seekToBeginning([T]);
      equal(await consumer.position(T), 0, 'the beginning');
    },
  ),
  consumerCase(
    'seeking-11',
    'a position outside the log is reset by autoOffsetReset, with a gap event',
    async (world) => {
      await world.produce('t', numbered(3));
      for (const [autoOffsetReset, to] of [
        ['earliest', 0],
        ['latest', 3],
      ] as const) {
        const consumer = world.consumer({ autoOffsetReset });
        const events = eventsOf(consumer);
        await consumer.assign([T]);
        consumer.seek(T, 100);
        const polling = consumer.poll({ timeoutMs: 8_000 });
        await until('the gap is told', () => gapsOf(events).length > 0);
        equal(gapsOf(events), [{ ...T, from: 100, to, cause: 'reset' }], 'gaps');
        if (autoOffsetReset === 'latest') await world.produce('t', ['new']);
        equal((await polling)[0]?.offset, to, 'offset');
      }
    },
  ),
  consumerCase(
    ['seeking-12', 'seeking-13'],
    "outside the log with 'none': the error with the log's start and end, every poll, until a seek",
    async (world) => {
      await world.produce('t', numbered(3));
      const consumer = world.consumer({ autoOffsetReset: 'none' });
      await consumer.assign([T]);
      consumer.seek(T, 100);
      for (let round = 0; round < 2; round++) {
        const error = await rejects(consumer.poll({ timeoutMs: 8_000 }), 'OFFSET_OUT_OF_RANGE');
        equal([error.topic, error.partition, error.offset, error.logStart, error.logEnd], ['t', 0, 100, 0, 3], 'where');
      }
      consumer.seek(T, 2);
      equal(offsetsOf(await drain(consumer, 1)), [2], 'after the seek');
    },
  ),
  consumerCase(
    ['seeking-14', 'seeking-15'],
    'offsetsForTimes, beginningOffsets, endOffsets answer in order and move no position',
    async (world) => {
      await world.topic('t', 2);
      for (const n of range(5)) await world.produce('t', [{ value: `${n}`, timestamp: 1_000 + n * 10 }]);
      const consumer = world.consumer();
      await consumer.assign([T]);
      consumer.seek(T, 3);
      equal(
        await consumer.offsetsForTimes([
          { ...T, timestamp: 1_011 },
          { ...at('t', 1), timestamp: 0 },
          { ...T, timestamp: 1_041 },
          { ...T, timestamp: 0 },
        ]),
        [{ ...T, offset: 2, timestamp: 1_020 }, null, null, { ...T, offset: 0, timestamp: 1_000 }],
        'offsetsForTimes',
      );
      equal(
        await consumer.beginningOffsets([at('t', 1), T]),
        [
          { ...at('t', 1), offset: 0 },
          { ...T, offset: 0 },
        ],
        'beginning',
      );
      equal(
        await consumer.endOffsets([T, at('t', 1)]),
        [
          { ...T, offset: 5 },
          { ...at('t', 1), offset: 0 },
        ],
        'end',
      );
      equal([await consumer.endOffsets([]), await consumer.offsetsForTimes([])], [[], []], 'of nothing');
      equal(await consumer.position(T), 3, 'position');
      await rejects(consumer.endOffsets([at('t', 9)]), 'UNKNOWN_TOPIC_OR_PARTITION');
      await rejects(consumer.offsetsForTimes([{ ...T, timestamp: Number.NaN }]), 'INVALID_REQUEST');
    },
  ),
];
