// Conformance cases of the consumer: commits as the line sees them, and what a group finds again. Data only; asserts by throwing.
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  eventsOf,
  numbered,
  offsetsOf,
  pause,
  range,
  rejects,
  until,
  type World,
} from './consumer-case-kit.ts';
import type { Wire } from './consumer-case-wire.ts';

const T = at('t');
/** The offsets of partition 0 that commit frames of the client carried. */
const committedOn = (wire: Wire): unknown[] =>
  wire.frames('client', 'commit').map(({ frame }) => (frame.offsets as { offset: number }[])[0]?.offset);
const answered = (wire: Wire): number => wire.frames('gateway', 'commit').length;
/** A consumer that commits all the time, one of its eight records handed out, the others buffered, and nothing under way. */
async function committing(world: World) {
  await world.produce('t', numbered(8));
  const wire = await world.wire();
  const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommitIntervalMs: 3, maxPollRecords: 1 });
  await consumer.subscribe('t');
  await drain(consumer, 1);
  await until('all is buffered', () => consumer.currentLag(T) === 7);
  await until('no commit is under way', () => answered(wire) === committedOn(wire).length);
  return { wire, consumer };
}

export const commitCases: readonly ConsumerCase[] = [
  consumerCase(
    'offsets-1',
    'position, processed and committed offset differ, and each is what it says',
    async (world) => {
      await world.produce('t', numbered(6));
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      const seen: number[] = [];
      const reading = consumer.stream({ manualAck: true, maxInFlight: 4 }).subscribe(({ offset }) => seen.push(offset));
      for (const offset of [0, 1]) {
        await until('it was handed out', () => seen.includes(offset));
        consumer.ack({ ...T, offset });
      }
      await consumer.commit();
      consumer.ack({ ...T, offset: 2 });
      await until('all are handed out', () => seen.length === 6);
      equal(await consumer.position(T), 6, 'position');
      equal((await consumer.committed(T))?.offset, 2, 'committed');
      reading.unsubscribe();
      equal(await consumer.position(T), 3, 'processed: where reading goes on after the stream was left');
      await consumer.commit();
      equal((await consumer.committed(T))?.offset, 3, 'committed in the end');
    },
  ),
  consumerCase('commits-3', 'while an auto-commit is unanswered no other one is sent', async (world) => {
    const { wire, consumer } = await committing(world);
    wire.hold('gateway');
    const before = committedOn(wire).length;
    for (const offset of range(5, 1)) {
      equal(offsetsOf(await consumer.poll({ timeoutMs: 0 })), [offset], 'offsets');
      await pause(12); // Several times the interval.
    }
    equal(committedOn(wire).length - before, 1, 'commits on the line');
    wire.release();
    await until('the newest is committed', async () => (await consumer.committed(T))?.offset === 5);
  }),
  consumerCase(
    'commits-4',
    'an auto-commit that met a dropped connection is repeated with the newest positions',
    async (world) => {
      const { wire, consumer } = await committing(world);
      wire.hold('client');
      const under = committedOn(wire).length;
      for (const _ of range(5)) await consumer.poll({ timeoutMs: 0 });
      await until('a commit is under way', () => committedOn(wire).length > under);
      const before = committedOn(wire).length;
      wire.cut();
      wire.release();
      await until('the newest is committed', async () => (await consumer.committed(T))?.offset === 5);
      equal(
        committedOn(wire)
          .slice(before)
          .every((offset) => offset === 5),
        true,
        'what is sent on the new connection',
      );
    },
  ),
  consumerCase('commits-12', 'commit() is sent again after an error that passes, until its timeout', async (world) => {
    await world.produce('t', numbered(2));
    const wire = await world.wire();
    const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    await drain(consumer, 2);
    wire.failNext('commit', 'COORDINATOR_LOAD_IN_PROGRESS');
    await consumer.commit();
    equal((await consumer.committed(T))?.offset, 2, 'committed');
    equal(wire.frames('client', 'commit').length, 2, 'tries');
    wire.hold('gateway');
    await rejects(consumer.commit([{ ...T, offset: 1 }], { timeoutMs: 30 }), 'TIMED_OUT');
    wire.release();
  }),
  consumerCase(
    'commits-14',
    'a commit that overtakes the news of a rebalance succeeds, for a partition that stays',
    async (world) => {
      await world.topic('t', 2);
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      wire.hold('gateway');
      const other = world.consumer({ groupId: 'g' });
      const joining = other.subscribe('t');
      await until('the rebalance is under way', () => wire.frames('gateway', 'assignment').length > 0);
      const told = wire.frames('gateway', 'assignment').at(-1)?.frame;
      const [stays] = (told?.partitions as { partitions: number[] }[])[0]?.partitions ?? [];
      assert(stays !== undefined, 'nothing stays');
      const committing = consumer.commit([{ ...at('t', stays), offset: 7 }]);
      await until('the commit is on the line', () => wire.frames('client', 'commit').length === 1);
      wire.release();
      await committing;
      equal((await consumer.committed(at('t', stays)))?.offset, 7, 'committed');
      await consumer.poll({ timeoutMs: 0 });
      await joining;
    },
  ),
  consumerCase('commits-14', 'STALE_MEMBER_EPOCH for a partition that is still owned is sent again', async (world) => {
    await world.produce('t', numbered(2));
    const wire = await world.wire();
    const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommit: false });
    await consumer.subscribe('t');
    await drain(consumer, 2);
    wire.failNext('commit', 'STALE_MEMBER_EPOCH');
    await consumer.commit();
    equal((await consumer.committed(T))?.offset, 2, 'committed');
  }),
  ...(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH'] as const).map((code) =>
    consumerCase('commits-15', `a commit that is answered ${code} is COMMIT_FAILED and not retried`, async (world) => {
      await world.produce('t', numbered(2));
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      wire.failNext('commit', code);
      const error = await rejects(consumer.commit(), 'COMMIT_FAILED');
      equal(error.retriable, false, 'retriable');
      await pause(30);
      equal(wire.frames('client', 'commit').length, 1, 'tries');
      equal(await world.consumer({ groupId: 'g' }).committed(T), null, 'committed');
    }),
  ),
  consumerCase(
    'commits-15',
    'a member that was late: commit() is COMMIT_FAILED, and nothing is written',
    async (world) => {
      await world.produce('t', numbered(2));
      const consumer = world.consumer({
        groupId: 'g',
        autoCommit: false,
        maxPollIntervalMs: 60,
        sessionTimeoutMs: 300,
      });
      await consumer.subscribe('t');
      await drain(consumer, 2);
      await until('the member is out', async () =>
        (await world.admin.listGroups()).every(({ members }) => members === 0),
      );
      await rejects(consumer.commit(), 'COMMIT_FAILED');
      equal(await world.consumer({ groupId: 'g' }).committed(T), null, 'committed');
    },
  ),
  consumerCase(
    'commits-16',
    'every commit of a member carries its id and its epoch; one with assign neither',
    async (world) => {
      await world.produce('t', numbered(2));
      const wire = await world.wire();
      const consumer = world.consumer({ ...wire.config, groupId: 'g', autoCommitIntervalMs: 3 });
      await consumer.subscribe('t');
      const me = consumer.groupMetadata();
      await drain(consumer, 2);
      await consumer.commit();
      await consumer.poll({ timeoutMs: 0 });
      await consumer.close();
      const frames = wire.frames('client', 'commit').map(({ frame }) => frame);
      assert(frames.length > 0, 'no commits');
      for (const { memberId, memberEpoch } of frames) equal([memberId, memberEpoch], [me?.memberId, me?.epoch], 'who');
      const another = await world.wire();
      const alone = world.consumer({ ...another.config, groupId: 'g2' });
      await alone.assign([T]);
      await alone.commit([{ ...T, offset: 1 }]);
      const [frame] = another.frames('client', 'commit');
      equal([frame?.frame.memberId, frame?.frame.memberEpoch], [undefined, undefined], 'who, with assign');
    },
  ),
  consumerCase('promise-6', 'a group that never committed starts from autoOffsetReset again', async (world) => {
    await world.produce('t', numbered(3));
    for (const _ of range(2)) {
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      await consumer.subscribe('t');
      equal(offsetsOf(await drain(consumer, 3)), [0, 1, 2], 'offsets');
      await consumer.close();
    }
    const consumer = world.consumer({ groupId: 'g', autoOffsetReset: 'latest' });
    await consumer.subscribe('t');
    equal(await consumer.position(T), 3, 'position with latest');
  }),
  consumerCase(
    'promise-8',
    'members that follow each other, each closed cleanly, repeat and miss nothing',
    async (world) => {
      await world.topic('t', 3);
      await world.produce(
        't',
        numbered(60).map((value, i) => ({ value, partition: i % 3 })),
      );
      const seen: string[] = [];
      for (let turn = 0; seen.length < 60; turn++) {
        const consumer = world.consumer({ groupId: 'g', maxPollRecords: 7 });
        await consumer.subscribe('t');
        for (const { value } of await consumer.poll({ timeoutMs: 5_000 })) seen.push(value ?? '');
        if (turn % 2 === 0) for (const { value } of await consumer.poll({ timeoutMs: 0 })) seen.push(value ?? '');
        if (turn % 3 === 0) await consumer.commit();
        await consumer.close();
      }
      equal(seen.sort(), numbered(60).sort(), 'records');
    },
  ),
  consumerCase(
    ['api-5', 'commits-15'],
    'a commit event tells of every commit that ended, well or not',
    async (world) => {
      await world.produce('t', numbered(2));
      await world.topic('u');
      const consumer = world.consumer({ groupId: 'g', autoCommit: false });
      const events = eventsOf(consumer);
      await consumer.subscribe('t');
      await drain(consumer, 2);
      await consumer.commit();
      await rejects(consumer.commit([{ ...at('u'), offset: 1 }]), 'COMMIT_FAILED');
      equal(
        events.flatMap((event) =>
          event.type === 'commit'
            ? event.offsets.map(({ topic, partition, offset }) => [topic, partition, offset, event.error?.code])
            : [],
        ),
        [
          ['t', 0, 2, undefined],
          ['u', 0, 1, 'COMMIT_FAILED'],
        ],
        'commit events',
      );
      equal([consumer.metrics().commits, consumer.metrics().commitFailures], [1, 1], 'metrics');
    },
  ),
];
