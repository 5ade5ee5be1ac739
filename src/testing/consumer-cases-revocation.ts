// Conformance cases of the consumer: what happens to a partition between two owners, and what listeners see of it. Data only; asserts by throwing.

import type { RebalanceView } from '../core/index.ts';
import { callsOf, Member, partitionsOf, shared } from './consumer-case-groups.ts';
import {
  assert,
  at,
  type ConsumerCase,
  consumerCase,
  drain,
  equal,
  nothing,
  numbered,
  offsetsOf,
  pause,
  rejects,
  throws,
  until,
  valuesOf,
  type World,
} from './consumer-case-kit.ts';

const T = at('t');
/** The one of two that a second member is given, whoever shares them out. */
const MOVES = [1];
/** Two partitions, ten records in each of those named. What only one of them has is what is in hand first, whichever is heard first. */
async function filled(world: World, partitions: readonly number[] = [0, 1]): Promise<void> {
  await world.topic('t', 2);
  for (const partition of partitions) {
    await world.produce(
      't',
      numbered(10, partition * 10).map((value) => ({ value, partition })),
    );
  }
}
/** Resolves, with nothing assigned, once it had to wait for two heartbeats. */
async function empty(member: Member): Promise<void> {
  await member.join('t');
  equal(member.owned, [], 'what the second has while the first has records in hand');
}

export const revocationCases: readonly ConsumerCase[] = [
  consumerCase(
    ['groups-6', 'subscribing-24'],
    'poll: what moves stays while records are in hand, and goes inside the next poll',
    async (world) => {
      await filled(world, MOVES);
      const first = await new Member(world, { maxPollRecords: 1 }).join('t');
      await drain(first.consumer, 1);
      const second = new Member(world);
      await empty(second);
      equal([first.owned.length, first.calls.filter((call) => !call.startsWith('+'))], [2, []], 'before the next poll');
      await first.consumer.poll({ timeoutMs: 0 });
      await until('it is revoked', () => first.calls.filter((call) => call.startsWith('-')).length === 1);
      await shared([first, second], partitionsOf('t', 2));
    },
  ),
  consumerCase('groups-7', 'for await: what moves goes when the next record is asked for', async (world) => {
    await filled(world, MOVES);
    const first = await new Member(world).join('t');
    const iterator = first.consumer[Symbol.asyncIterator]();
    await iterator.next();
    const second = new Member(world);
    await empty(second);
    equal(first.owned.length, 2, 'before the next record is asked for');
    await world.produce('t', [{ value: 'of the one that stays', partition: 0 }]);
    await iterator.next();
    await shared([first, second], partitionsOf('t', 2));
    await iterator.return?.();
  }),
  consumerCase(
    ['groups-8', 'polling-33'],
    'manualAck: what moves goes once all that was handed out of it is acknowledged',
    async (world) => {
      await filled(world);
      const first = await new Member(world).join('t');
      const open = new Set<string>();
      const reading = first.consumer
        .stream({ manualAck: true })
        .subscribe(({ partition, offset }) => open.add(`${partition}:${offset}`));
      await until('all is handed out', () => open.size === 20);
      const second = new Member(world);
      await empty(second);
      const ack = (name: string): void => {
        const [partition = 0, offset = 0] = name.split(':').map(Number);
        open.delete(name);
        first.consumer.ack({ ...at('t', partition), offset });
      };
      const [last, ...others] = [...open].reverse();
      assert(last !== undefined, 'nothing is open');
      for (const name of others) if (!name.endsWith(':5')) ack(name);
      await pause(20);
      equal([first.owned.length, second.owned], [2, []], 'while one of each partition is not acknowledged');
      for (const name of [...open]) ack(name);
      await shared([first, second], partitionsOf('t', 2));
      const [moved] = second.consumer.assignment();
      assert(moved !== undefined, 'nothing moved');
      equal(await second.consumer.position(moved), 10, 'where the next owner starts');
      first.consumer.ack({ ...moved, offset: 3 });
      await pause(10);
      equal((await second.consumer.committed(moved))?.offset, 10, 'committed after an acknowledgement too late');
      reading.unsubscribe();
    },
  ),
  consumerCase(
    ['groups-9', 'groups-14', 'commits-15'],
    'a member that does not let go in rebalanceTimeoutMs has lost what it had, and cannot commit it',
    async (world) => {
      await filled(world, MOVES);
      const first = await new Member(world, { rebalanceTimeoutMs: 300, autoCommit: false, maxPollRecords: 2 }).join(
        't',
      );
      await drain(first.consumer, 2);
      const second = (await new Member(world).join('t')).read();
      await until('the second got what it waited for', () => second.owned.length > 0);
      const [moved] = second.consumer.assignment();
      assert(moved !== undefined, 'nothing moved');
      await rejects(first.consumer.commit([{ ...moved, offset: 1 }]), 'COMMIT_FAILED');
      // It may have heard of it by now: its own patience ends when its coordinator's does.
      first.read();
      await shared([first, second], partitionsOf('t', 2));
      assert(first.calls.includes(`!t-${moved.partition}`), `calls: ${first.calls.join()}`);
      equal(
        first.calls.filter((call) => call.startsWith('-')),
        [],
        'revoked',
      );
    },
  ),
  consumerCase(
    ['groups-10', 'promise-2'],
    'delivery of what is to go stops with the news, what is buffered included; the rest is delivered',
    async (world) => {
      await filled(world);
      const wire = await world.wire();
      const first = await new Member(world, { ...wire.config, maxPollRecords: 2 }).join('t');
      await drain(first.consumer, 2);
      await until('all is buffered', () => (first.consumer.metrics().lag ?? 0) === 18);
      const second = new Member(world);
      const joining = second.join('t');
      await until('the first is told', () => wire.frames('gateway', 'assignment').length > 0);
      await pause(5);
      const records = await drain(first.consumer, 8);
      await joining;
      await until('it moved', () => second.owned.length === 1);
      const [stays] = first.consumer.assignment();
      equal([...new Set(records.map(({ partition }) => partition))], [stays?.partition], 'partitions delivered since');
    },
  ),
  consumerCase(
    ['groups-11', 'commits-5', 'groups-13'],
    'auto-commit comes before onPartitionsRevoked, and the next owner starts there',
    async (world) => {
      await filled(world);
      const committed: unknown[] = [];
      const listener = {
        onPartitionsRevoked: async (
          partitions: readonly { topic: string; partition: number }[],
          view: RebalanceView,
        ) => {
          for (const one of partitions) committed.push([(await view.committed(one))?.offset, await view.position(one)]);
        },
      };
      const first = await new Member(world, { listener, autoCommitIntervalMs: 60_000 }).join('t');
      await drain(first.consumer, 20);
      const second = new Member(world);
      const joining = second.join('t');
      first.read();
      await joining;
      await shared([first, second], partitionsOf('t', 2));
      equal(committed, [[10, 10]], 'committed and position inside onPartitionsRevoked');
      const [moved] = second.consumer.assignment();
      assert(moved !== undefined, 'nothing moved');
      equal(await second.consumer.position(moved), 10, 'where the next owner starts');
    },
  ),
  consumerCase(
    ['groups-12', 'groups-13', 'commits-13'],
    'inside onPartitionsRevoked what goes is still assigned and can be committed; the next owner waits for its end',
    async (world) => {
      await filled(world);
      const inside: string[][] = [];
      let finish: (() => void) | undefined;
      const listener = {
        onPartitionsRevoked: async (
          partitions: readonly { topic: string; partition: number }[],
          view: RebalanceView,
        ) => {
          inside.push(
            view
              .assignment()
              .map(({ partition }) => `${partition}`)
              .sort(),
          );
          await view.commit(partitions.map((one) => ({ ...one, offset: 7, metadata: 'mine' })));
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
        },
      };
      const first = await new Member(world, { listener, autoCommit: false }).join('t');
      await drain(first.consumer, 20);
      const second = new Member(world);
      const joining = second.join('t');
      first.read();
      await until('the listener is called', () => finish !== undefined);
      await joining;
      equal([inside, second.owned], [[['0', '1']], []], 'while the listener is at work');
      const staying = at('t', 0);
      await first.consumer.commit([{ ...staying, offset: 3 }]);
      await first.consumer.commit([{ ...at('t', 1), offset: 7 }]);
      finish?.();
      await shared([first, second], partitionsOf('t', 2));
      const [moved] = second.consumer.assignment();
      assert(moved !== undefined, 'nothing moved');
      const offset = moved.partition === 0 ? 3 : 7;
      equal(await second.consumer.position(moved), offset, 'where the next owner starts');
    },
  ),
  consumerCase(
    ['groups-14', 'polling-50'],
    'a member that was fenced is told onPartitionsLost, never onPartitionsRevoked; the new owner reads already',
    async (world) => {
      await filled(world, MOVES);
      const first = await new Member(world, { maxPollIntervalMs: 80, sessionTimeoutMs: 2_400, maxPollRecords: 2 }).join(
        't',
      );
      await drain(first.consumer, 2);
      const second = (await new Member(world).join('t')).read();
      await until('the second has all', () => second.owned.length === 2);
      await until('the second has read all', () => second.records.length === 10);
      equal(first.calls, ['+t-0', '+t-1'], 'calls before the next poll');
      callsOf(first);
      first.read();
      await shared([first, second], partitionsOf('t', 2));
      equal(first.calls.slice(0, 2), ['!t-0', '!t-1'], 'calls');
      equal(
        first.calls.filter((call) => call.startsWith('-')),
        [],
        'revoked',
      );
    },
  ),
  consumerCase(
    'groups-16',
    'what a member gains later is not delivered before its listener is done, while the rest goes on',
    async (world) => {
      await filled(world);
      let finish: (() => void) | undefined;
      let gate = false;
      const listener = {
        onPartitionsAssigned: (): Promise<void> | void => {
          if (!gate) return;
          return new Promise<void>((resolve) => {
            finish = resolve;
          });
        },
      };
      const first = (await new Member(world, { listener }).join('t')).read();
      const second = (await new Member(world).join('t')).read();
      await shared([first, second], partitionsOf('t', 2));
      await until('all is read', () => first.records.length + second.records.length >= 20);
      const [keeps] = first.consumer.assignment();
      const gains = 1 - (keeps?.partition ?? 0);
      gate = true;
      await second.close();
      await until('the listener is called', () => finish !== undefined);
      const before = first.records.length;
      await world.produce('t', [
        { value: 'gained', partition: gains },
        { value: 'kept', partition: 1 - gains },
      ]);
      await until('the rest is delivered', () => valuesOf(first.records).includes('kept'));
      equal(valuesOf(first.records.slice(before)), ['kept'], 'records while the listener is at work');
      finish?.();
      await until('what was gained is delivered', () => valuesOf(first.records).includes('gained'));
    },
  ),
  consumerCase(
    'groups-17',
    'onPartitionsRevoked that throws: the next poll fails with it once, and the partition has moved',
    async (world) => {
      await filled(world);
      const mine = new Error('mine');
      const listener = { onPartitionsRevoked: () => Promise.reject(mine) };
      const first = await new Member(world, { listener }).join('t');
      await drain(first.consumer, 20);
      const second = new Member(world);
      const joining = second.join('t');
      first.read();
      await until('the poll fails', () => first.errors.length > 0);
      const [error] = first.errors;
      assert(error === mine || (error instanceof Error && error.cause === mine), `error: ${String(error)}`);
      await joining;
      await first.stop();
      await nothing(first.consumer);
      await shared([first, second], partitionsOf('t', 2));
    },
  ),
  consumerCase('groups-18', 'the view that a listener gets commits, seeks, pauses and asks', async (world) => {
    await world.produce('t', numbered(5));
    const listener = {
      onPartitionsAssigned: async (
        partitions: readonly { topic: string; partition: number }[],
        view: RebalanceView,
      ) => {
        const [one = T] = partitions;
        equal(await view.position(one), 0, 'position');
        equal(await view.committed(one), null, 'committed');
        equal(offsetsOf(await view.endOffsets([one])), [5], 'endOffsets');
        equal(offsetsOf(await view.beginningOffsets([one])), [0], 'beginningOffsets');
        view.seek(one, 3);
        await view.commit([{ ...one, offset: 2 }]);
        view.pause([one]);
        equal(view.paused(), [one], 'paused');
      },
    };
    const member = await new Member(world, { listener }).join('t');
    await nothing(member.consumer);
    member.consumer.resume();
    equal(offsetsOf(await drain(member.consumer, 2)), [3, 4], 'offsets');
    equal((await member.consumer.committed(T))?.offset, 2, 'committed');
  }),
  consumerCase(
    'pausing-5',
    'a pause survives the rebalances of others for what stays, and is gone with what goes',
    async (world) => {
      await filled(world);
      const first = await new Member(world).join('t');
      first.consumer.pause();
      first.read();
      const second = (await new Member(world).join('t')).read();
      await shared([first, second], partitionsOf('t', 2));
      equal(first.consumer.paused(), first.consumer.assignment(), 'paused after another joined');
      await second.close();
      await until('it has all again', () => first.owned.length === 2);
      equal(first.consumer.paused().length, 1, 'paused after the other left');
      await until('what came back is read', () => (first.consumer.metrics().lag ?? 99) <= 10);
      equal(
        first.records.filter(({ partition }) => partition === first.consumer.paused()[0]?.partition),
        [],
        'records of what is paused',
      );
      throws(() => first.consumer.pause([at('t', 9)]), 'ILLEGAL_STATE');
    },
  ),
];
