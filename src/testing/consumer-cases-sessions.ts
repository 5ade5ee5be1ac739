// Conformance cases of the consumer: members that outlive their connection, and pages that come back as the member they were. Data only; asserts by throwing.
import { callsOf, Ledger, Member, type MemberOptions, partitionsOf, shared } from './consumer-case-groups.ts';
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
  until,
  valuesOf,
  type World,
} from './consumer-case-kit.ts';
import type { Wire } from './consumer-case-wire.ts';
import { type MemoryKeepsake, memoryKeepsake } from './keepsake.ts';

/** A member beside the ones that are examined: it reads on, and should notice nothing. */
async function witness(world: World): Promise<Member> {
  return (await new Member(world).join('t')).read();
}
/** One life of a page of this tab. */
async function page(
  world: World,
  tab: MemoryKeepsake,
  options: MemberOptions = {},
): Promise<{ wire: Wire; member: Member }> {
  const wire = await world.wire(tab.keepsake);
  return { wire, member: new Member(world, { ...wire.config, sessionTimeoutMs: 5_000, ...options }) };
}
const epochOf = async (world: World): Promise<number> => (await world.admin.describeGroup('g')).epoch;

export const sessionCases: readonly ConsumerCase[] = [
  consumerCase(
    ['groups-19', 'groups-20', 'groups-21'],
    'a socket that drops: nothing is delivered, not even what is buffered; back in time, the member goes on without a rebalance',
    async (world) => {
      await world.topic('t', 2);
      const other = await witness(world);
      const wire = await world.wire();
      const member = await new Member(world, { ...wire.config, sessionTimeoutMs: 5_000, maxPollRecords: 1 }).join('t');
      member.read();
      await shared([other, member], partitionsOf('t', 2));
      await member.stop();
      const [mine] = member.consumer.assignment();
      assert(mine !== undefined, 'nothing is assigned');
      await world.produce(
        't',
        numbered(4).map((value) => ({ value, partition: mine.partition })),
      );
      equal(valuesOf(await drain(member.consumer, 1)), ['v0'], 'the first record');
      await until('the rest is buffered', () => member.consumer.metrics().bufferedBytes > 0);
      const [id, epoch] = [member.memberId, await epochOf(world)];
      for (const one of [other, member]) callsOf(one);
      wire.break();
      await until('the drop is noticed', () => wire.closes.length > 0);
      await nothing(member.consumer);
      await until('the gateway knows', async () =>
        (await world.admin.describeGroup('g')).members.some(({ connected }) => !connected),
      );
      equal(other.owned.length, 1, 'what the other has meanwhile');
      wire.mend();
      equal(offsetsOf(await drain(member.consumer, 3)), [1, 2, 3], 'offsets after it is back');
      equal([member.memberId, await epochOf(world)], [id, epoch], 'member and epoch of the group');
      equal([other.calls, member.calls], [[], []], 'calls of listeners');
      const answers = wire.frames('gateway', 'join').map(({ frame }) => frame.memberId);
      equal(answers.at(-1), id, 'whom the gateway took it for');
    },
  ),
  consumerCase(
    ['groups-21', 'promise-3'],
    'sockets of all members drop again and again: no rebalance, every record once',
    async (world) => {
      await world.topic('t', 4);
      const ledger = new Ledger();
      const members = [0, 1].map(() => new Member(world, { ledger, sessionTimeoutMs: 5_000 }));
      for (const member of members) (await member.join('t')).read();
      await shared(members, partitionsOf('t', 4));
      for (const member of members) callsOf(member);
      for (let round = 0; round < 8; round++) {
        world.harness.dropConnections();
        await world.produce(
          't',
          numbered(8, round * 8).map((value, i) => ({ value, partition: i % 4 })),
        );
      }
      await until('all is read', () => members.flatMap(({ records }) => records).length >= 64);
      equal(valuesOf(members.flatMap(({ records }) => records)).sort(), numbered(64).sort(), 'records');
      equal(
        members.flatMap(({ calls }) => calls),
        [],
        'calls of listeners',
      );
      ledger.check();
    },
  ),
  consumerCase(
    ['groups-22', 'promise-7'],
    'a client that comes back too late is told that it lost its partitions, and reads again what was not committed',
    async (world) => {
      await world.produce('t', numbered(4));
      const wire = await world.wire();
      const member = await new Member(world, { ...wire.config, sessionTimeoutMs: 300, autoCommit: false }).join('t');
      await drain(member.consumer, 4);
      await member.consumer.commit([{ ...at('t'), offset: 2 }]);
      const id = member.memberId;
      wire.break();
      await until('it is given up', async () => (await world.admin.describeGroup('g')).members.length === 0);
      wire.mend();
      equal(offsetsOf(await drain(member.consumer, 2)), [2, 3], 'offsets');
      equal(member.calls, ['+t-0', '!t-0', '+t-0'], 'calls');
      equal(member.memberId === id, false, 'it is the same member');
    },
  ),
  consumerCase(
    ['groups-23', 'groups-19'],
    'a page that is reloaded is the same member, with the same partitions; the others do not notice',
    async (world) => {
      await world.topic('t', 4);
      const other = await witness(world);
      const tab = memoryKeepsake();
      let { wire, member } = await page(world, tab);
      (await member.join('t')).read();
      await shared([other, member], partitionsOf('t', 4));
      callsOf(other);
      const [id, had, epoch] = [member.memberId, member.owned, await epochOf(world)];
      for (let round = 0; round < 3; round++) {
        await world.produce(
          't',
          numbered(8, round * 8).map((value, i) => ({ value, partition: i % 4 })),
        );
        await until('all is read', () => other.records.length === (round + 1) * 4 && member.records.length === 4);
        await member.stop();
        await member.consumer.commit();
        // The browser tells the page that it goes, then it is gone; nobody reads there any more.
        wire.signal('pagehide');
        tab.reload();
        ({ wire, member } = await page(world, tab));
        (await member.join('t')).read();
        equal([member.memberId, member.owned], [id, had], 'who it is, and what it has');
      }
      equal(await epochOf(world), epoch, 'epoch of the group');
      equal(other.calls, [], 'calls of the other');
      await world.produce(
        't',
        [0, 1, 2, 3].map((partition) => ({ value: 'end', partition })),
      );
      await until('it reads on', () => member.records.length === 2);
      equal(
        valuesOf(member.records),
        ['end', 'end'],
        'records of the last page: what was committed does not come again',
      );
    },
  ),
  consumerCase('groups-24', 'a page that went away for good is given up when its session ends', async (world) => {
    await world.topic('t', 2);
    const other = await witness(world);
    const { wire, member } = await page(world, memoryKeepsake(), { sessionTimeoutMs: 400 });
    (await member.join('t')).read();
    await shared([other, member], partitionsOf('t', 2));
    callsOf(other);
    await member.stop();
    wire.signal('pagehide');
    await until('the connection is closed', () => wire.closes.length > 0);
    await until('it is kept for now', async () => (await world.admin.describeGroup('g')).members.length === 2);
    equal(other.owned.length, 1, 'what the other has meanwhile');
    await until('the other has all', () => other.owned.length === 2);
  }),
  consumerCase(
    'groups-25',
    'a duplicated tab is a member of its own; the first one is not disturbed',
    async (world) => {
      await world.topic('t', 4);
      const tab = memoryKeepsake();
      const first = await page(world, tab);
      (await first.member.join('t')).read();
      const copy = await page(world, tab.duplicate());
      (await copy.member.join('t')).read();
      await shared([first.member, copy.member], partitionsOf('t', 4));
      equal(first.member.memberId === copy.member.memberId, false, 'they are the same member');
      equal(
        first.member.calls.filter((call) => call.startsWith('!')),
        [],
        'what the first lost',
      );
      equal(first.wire.closes, [], 'closes of the first');
      await world.produce(
        't',
        numbered(8).map((value, i) => ({ value, partition: i % 4 })),
      );
      await until('all is read', () => first.member.records.length + copy.member.records.length === 8);
    },
  ),
  consumerCase(
    ['groups-26', 'groups-1'],
    'a member taken up while its old socket is still open: that one is closed with 4409, and gets nothing more',
    async (world) => {
      await world.topic('t', 2);
      const tab = memoryKeepsake();
      const old = await page(world, tab);
      await old.member.join('t');
      const [id, had] = [old.member.memberId, old.member.owned];
      // A page that was killed: it neither reads nor says goodbye.
      old.wire.hold();
      tab.reload();
      const fresh = await page(world, tab);
      (await fresh.member.join('t')).read();
      equal([fresh.member.memberId, fresh.member.owned], [id, had], 'who it is, and what it has');
      await until('the old socket is closed', () => old.wire.closes.length > 0);
      equal(old.wire.closes, [{ connection: 0, code: 4409 }], 'closes of the old page');
      await world.produce(
        't',
        numbered(4).map((value, i) => ({ value, partition: i % 2 })),
      );
      await until('all is read', () => fresh.member.records.length === 4);
      // What the killed page still had on its way does not matter any more.
      old.wire.release();
      await nothing(fresh.member.consumer).catch(() => undefined); // It reads in the background.
      equal(fresh.member.owned, had, 'what it has in the end');
      equal(fresh.wire.closes, [], 'closes of the new page');
    },
  ),
  consumerCase(
    'groups-27',
    'each way in brings a new resume token; with a spent one a page joins as a new member, and takes nothing',
    async (world) => {
      await world.topic('t', 2);
      const wire = await world.wire();
      const member = await new Member(world, { ...wire.config, sessionTimeoutMs: 5_000 }).join('t');
      member.read();
      const tokens = (): unknown[] => wire.frames('gateway', 'join').map(({ frame }) => frame.resumeToken);
      for (let round = 1; round < 4; round++) {
        wire.cut();
        await until('it is back', () => tokens().length === round + 1);
        await until('it has said what it owns', () => wire.frames('client', 'owned').length > round);
      }
      equal(new Set(tokens()).size, 4, 'different tokens');
      assert(
        tokens().every((token) => typeof token === 'string' && token.length >= 43),
        `tokens: ${tokens().join()}`,
      );
      const [id, joins] = [member.memberId, wire.frames('client', 'join').map(({ frame }) => frame.resumeToken)];
      equal(joins, [undefined, ...tokens().slice(0, 3)], 'tokens the client came with');
    },
  ),
];
