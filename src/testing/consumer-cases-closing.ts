// Conformance cases of the consumer: how it leaves. Data only; asserts by throwing.
import { callsOf, Member, partitionsOf, shared } from './consumer-case-groups.ts';
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  numbered,
  pause,
  until,
} from './consumer-case-kit.ts';

const T = at('t');

export const closingCases: readonly ConsumerCase[] = [
  consumerCase('groups-31', 'nothing is delivered once close was called, whatever is buffered', async (world) => {
    await world.produce('t', numbered(300));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    const seen: number[] = [];
    let closing: Promise<void> | undefined;
    consumer.stream().subscribe(({ offset }) => {
      seen.push(offset);
      if (offset === 4) closing = consumer.close();
    });
    await until('it is closing', () => closing !== undefined);
    await closing;
    equal(seen, [0, 1, 2, 3, 4], 'offsets');
    equal((await world.consumer({ groupId: 'g' }).committed(T))?.offset, 5, 'committed');
  }),
  consumerCase('groups-32', 'close waits for the work of forEach, and commits it', async (world) => {
    await world.produce('t', numbered(4));
    const consumer = world.consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    let finish: (() => void) | undefined;
    const working = consumer.forEach(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await until('it is at work', () => finish !== undefined);
    let closed = false;
    const closing = consumer.close({ timeoutMs: 8_000 }).then(() => {
      closed = true;
    });
    await pause(30);
    equal(closed, false, 'closed while the work goes on');
    finish?.();
    await Promise.all([closing, working]);
    equal((await world.consumer({ groupId: 'g' }).committed(T))?.offset, 1, 'committed');
  }),
  consumerCase(
    'groups-32',
    'close waits for work no longer than its timeout, and commits only what is done',
    async (world) => {
      await world.produce('t', numbered(4));
      const consumer = world.consumer({ groupId: 'g' });
      await consumer.subscribe('t');
      let atWork = 0;
      const working = consumer
        .forEach(({ offset }) => {
          atWork++;
          return offset === 0 ? undefined : new Promise<void>(() => undefined);
        })
        .catch(() => undefined); // What was cut short.
      await until('it is at work', () => atWork === 2);
      await consumer.close({ timeoutMs: 300 });
      void working;
      equal((await world.consumer({ groupId: 'g' }).committed(T))?.offset, 1, 'committed');
    },
  ),
  consumerCase(
    'groups-33',
    'close commits, calls onPartitionsRevoked, leaves, and closes with 1000, in that order',
    async (world) => {
      await world.produce('t', numbered(4));
      const wire = await world.wire();
      const order: string[] = [];
      const note = (): void => {
        for (const { from, type } of wire.seen.splice(0)) {
          if (from === 'client' && (type === 'commit' || type === 'leave')) order.push(type);
        }
      };
      const listener = {
        onPartitionsRevoked: () => {
          note();
          order.push('revoked');
        },
      };
      const member = await new Member(world, { ...wire.config, listener, autoCommitIntervalMs: 60_000 }).join('t');
      await drain(member.consumer, 4);
      note();
      await member.consumer.close();
      note();
      await until('the connection is closed', () => wire.closes.length > 0);
      equal(order, ['commit', 'revoked', 'leave'], 'order');
      equal(wire.closes, [{ connection: 0, code: 1000 }], 'closes');
      equal((await world.admin.describeGroup('g')).members, [], 'members');
    },
  ),
  consumerCase('groups-34', 'close tries every step, and rethrows the first error', async (world) => {
    await world.produce('t', numbered(4));
    const wire = await world.wire();
    let told = false;
    const listener = {
      onPartitionsRevoked: () => {
        told = true;
        throw new Error('mine');
      },
    };
    const member = await new Member(world, { ...wire.config, listener }).join('t');
    await drain(member.consumer, 4);
    wire.failNext('commit', 'GROUP_AUTHORIZATION_FAILED');
    let thrown: unknown;
    await member.consumer.close().catch((error: unknown) => {
      thrown = error;
    });
    equal(thrown instanceof Error && 'code' in thrown ? thrown.code : thrown, 'GROUP_AUTHORIZATION_FAILED', 'error');
    equal(told, true, 'the listener was told');
    equal(
      (await world.admin.listGroups()).filter(({ members }) => members > 0),
      [],
      'groups with members',
    );
    await until('the connection is closed', () => wire.closes.length > 0);
    equal(member.consumer.metrics().closed, true, 'closed');
  }),
  consumerCase(
    'groups-34',
    'a listener that throws in close is the error of close, which has left all the same',
    async (world) => {
      await world.produce('t', numbered(4));
      const mine = new Error('mine');
      const member = await new Member(world, { listener: { onPartitionsRevoked: () => Promise.reject(mine) } }).join(
        't',
      );
      await drain(member.consumer, 4);
      let thrown: unknown;
      await member.consumer.close().catch((error: unknown) => {
        thrown = error;
      });
      assert(thrown === mine || (thrown instanceof Error && thrown.cause === mine), `thrown: ${String(thrown)}`);
      const { members, offsets } = await world.admin.describeGroup('g');
      equal([members, offsets.map(({ committed }) => committed)], [[], [4]], 'members and commits');
    },
  ),
  // That the member stays is known only by what happens at the end of its session.
  consumerCase(
    'groups-35',
    'close({ leaveGroup: false }) leaves the member there until its session ends',
    async (world) => {
      await world.topic('t', 2);
      const other = (await new Member(world).join('t')).read();
      const member = (await new Member(world, { sessionTimeoutMs: 500 }).join('t')).read();
      await shared([other, member], partitionsOf('t', 2));
      callsOf(other);
      await member.stop();
      const since = Date.now();
      await member.consumer.close({ leaveGroup: false });
      equal((await world.admin.describeGroup('g')).members.length, 2, 'members after close');
      equal(other.calls, [], 'calls of the other');
      await until('the other has all', () => other.owned.length === 2);
      assert(Date.now() - since >= 250, `it was kept for only ${Date.now() - since} ms`);
    },
  ),
];
