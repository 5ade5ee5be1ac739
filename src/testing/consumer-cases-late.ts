// Conformance cases of the consumer: how long an application may be at work, for each way to read. Data only; asserts by throwing.
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  numbered,
  offsetsOf,
  pause,
  type TextConsumer,
  until,
  type World,
} from './consumer-case-kit.ts';

const late = { groupId: 'g', maxPollIntervalMs: 80, sessionTimeoutMs: 2_400 } as const;
const membersOf = async (world: World): Promise<number> =>
  (await world.admin.listGroups()).reduce((sum, { members }) => sum + members, 0);
/** Subscribed to t; what its listener is called with. */
async function listening(consumer: TextConsumer): Promise<string[]> {
  const calls: string[] = [];
  await consumer.subscribe('t', {
    listener: {
      onPartitionsAssigned: () => void calls.push('assigned'),
      onPartitionsRevoked: () => void calls.push('revoked'),
      onPartitionsLost: () => void calls.push('lost'),
    },
  });
  return calls;
}

// Some take a second and more: what is in time and what is late must differ clearly on a busy machine too.
export const lateCases: readonly ConsumerCase[] = [
  consumerCase(
    'polling-45',
    'for await: who keeps a record in hand too long is out; who asks for the next in time is not',
    async (world) => {
      await world.produce('t', numbered(6));
      const consumer = world.consumer({ ...late, maxPollIntervalMs: 600 });
      const calls = await listening(consumer);
      const iterator = consumer[Symbol.asyncIterator]();
      for (const offset of [0, 1, 2, 3]) {
        equal((await iterator.next()).value?.offset, offset, 'offset');
        await pause(200); // Longer together than the interval, but not each.
      }
      equal([calls, await membersOf(world)], [['assigned'], 1], 'while it is in time');
      await until('the member is out', async () => (await membersOf(world)) === 0);
      equal(calls, ['assigned'], 'calls before the next is asked for');
      await iterator.next();
      equal(calls, ['assigned', 'lost', 'assigned'], 'calls');
      await iterator.return?.();
    },
  ),
  consumerCase('polling-46', 'manualAck: what counts is the age of the oldest unacknowledged record', async (world) => {
    await world.produce('t', numbered(20));
    const consumer = world.consumer({ ...late, maxPollIntervalMs: 600 });
    const calls = await listening(consumer);
    const waiting: number[] = [];
    const reading = consumer
      .stream({ manualAck: true, maxInFlight: 2 })
      .subscribe(({ offset }) => waiting.push(offset));
    for (let i = 0; i < 6; i++) {
      await until('records are in flight', () => waiting.length > 0);
      consumer.ack({ ...at('t'), offset: waiting.shift() ?? 0 });
      await pause(150); // Each is younger than the interval when its turn comes.
    }
    equal([calls, await membersOf(world)], [['assigned'], 1], 'while acknowledgements come in time');
    await until('the partitions are lost', () => calls.includes('lost'));
    await until('it has joined again', () => calls.length === 3);
    reading.unsubscribe();
    equal(calls, ['assigned', 'lost', 'assigned'], 'calls');
  }),
  consumerCase('polling-47', 'a plain stream is never late, however long nothing is asked of it', async (world) => {
    await world.produce('t', numbered(3));
    const consumer = world.consumer(late);
    const calls = await listening(consumer);
    const seen: number[] = [];
    const reading = consumer.stream().subscribe(({ offset }) => seen.push(offset));
    await until('all came', () => seen.length === 3);
    await pause(1_700); // Many times the interval, and two heartbeats.
    equal([calls, await membersOf(world)], [['assigned'], 1], 'after a long time');
    await world.produce('t', ['more']);
    await until('more came', () => seen.length === 4);
    reading.unsubscribe();
  }),
  consumerCase(
    'polling-44',
    'poll: time that is spent waiting in poll does not count, only that between polls',
    async (world) => {
      await world.topic('t');
      const consumer = world.consumer({ ...late, maxPollIntervalMs: 400 });
      const calls = await listening(consumer);
      for (let i = 0; i < 3; i++) {
        equal(await consumer.poll({ timeoutMs: 250 }), [], 'records');
        await pause(150);
      }
      await world.produce('t', numbered(1));
      equal(offsetsOf(await drain(consumer, 1)), [0], 'offsets');
      equal(calls, ['assigned'], 'calls');
    },
  ),
  consumerCase(
    'polling-49',
    'heartbeats say how long the application is at work; the gateway fences who is too long',
    async (world) => {
      await world.produce('t', numbered(2));
      const wire = await world.wire();
      const consumer = world.consumer({ ...late, ...wire.config });
      await listening(consumer);
      await drain(consumer, 2);
      await until('it is fenced', () => wire.frames('gateway', 'fenced').length > 0);
      const said = wire
        .frames('client', 'heartbeat')
        .flatMap(({ frame }) => (frame.consumers as { busyMs: number }[] | undefined) ?? []);
      assert(
        said.some(({ busyMs }) => busyMs > late.maxPollIntervalMs),
        `busyMs: ${said.map(({ busyMs }) => busyMs)}`,
      );
    },
  ),
];
