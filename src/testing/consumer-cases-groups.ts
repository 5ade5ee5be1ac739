// Conformance cases of the consumer: who has which partition as members come, go and die. Data only; asserts by throwing.
import { callsOf, Ledger, Member, partitionsOf, shared } from './consumer-case-groups.ts';
import { at, type ConsumerCase, consumerCase, equal, eventsOf, numbered, until } from './consumer-case-kit.ts';

const removed = (calls: readonly string[]): string[] => calls.filter((call) => !call.startsWith('+'));
const added = (calls: readonly string[]): string[] => calls.filter((call) => call.startsWith('+'));

export const groupCases: readonly ConsumerCase[] = [
  consumerCase(
    ['groups-1', 'groups-2', 'groups-15'],
    'members that join one after the other get their share: each partition has one owner, and only what must moves',
    async (world) => {
      await world.topic('t', 6);
      await world.topic('u', 6);
      const all = [...partitionsOf('t', 6), ...partitionsOf('u', 6)];
      const ledger = new Ledger();
      const members: Member[] = [];
      for (const size of [12, 6, 4, 3]) {
        const joining = new Member(world, { ledger });
        await joining.join('t', 'u');
        members.push(joining.read());
        await shared(members, all);
        equal(joining.owned.length, size, 'share of the one that joins');
        equal(added(callsOf(joining)).length, size, 'partitions it was told of');
        const others = members.filter((member) => member !== joining).map(callsOf);
        equal(others.flatMap(added), [], 'partitions that went to the others');
        equal(others.flatMap(removed).length, members.length === 1 ? 0 : size, 'partitions that moved');
        equal(
          others.flat().filter((call) => call.startsWith('!')),
          [],
          'partitions lost',
        );
      }
      ledger.check();
    },
  ),
  consumerCase(
    ['groups-3', 'groups-1', 'groups-15'],
    'a member that closes leaves what it had to the others, who lose nothing; the last one leaves an empty group',
    async (world) => {
      await world.topic('t', 6);
      const ledger = new Ledger();
      const members: Member[] = [];
      for (let i = 0; i < 3; i++) {
        members.push((await new Member(world, { ledger }).join('t')).read());
        await shared(members, partitionsOf('t', 6));
      }
      for (let leaving = members.pop(); leaving !== undefined; leaving = members.pop()) {
        for (const member of members) callsOf(member);
        const had = leaving.owned;
        await leaving.close();
        if (members.length === 0) break;
        await shared(members, partitionsOf('t', 6));
        equal(
          members.flatMap((member) => added(member.calls)).sort(),
          had.map((name) => `+${name}`),
          'what was added',
        );
        equal(
          members.flatMap((member) => removed(member.calls)),
          [],
          'what was taken away',
        );
      }
      equal((await world.admin.describeGroup('g')).members, [], 'members in the end');
      ledger.check();
    },
  ),
  // Death is known only after the session timeout.
  consumerCase(
    ['groups-4', 'groups-22', 'groups-14'],
    'a member that dies is given up after its session timeout: only what it had moves; should it come back, it has lost it',
    async (world) => {
      await world.topic('t', 6);
      const ledger = new Ledger();
      const wire = await world.wire();
      const members = [new Member(world, { ledger }), new Member(world, { ledger })];
      for (const member of members) (await member.join('t')).read();
      const dying = await new Member(world, { ledger, ...wire.config, sessionTimeoutMs: 500 }).join('t');
      await shared([...members, dying.read()], partitionsOf('t', 6));
      const [id, had] = [dying.memberId, dying.owned];
      for (const member of [...members, dying]) callsOf(member);
      const since = Date.now();
      wire.break();
      ledger.forget(dying);
      await shared(members, partitionsOf('t', 6));
      const after = Date.now() - since;
      // Counted from when it was last heard, which heartbeats make a third of it at most.
      equal(after >= 250, true, `it was kept for ${after} ms`);
      equal(
        members.flatMap(({ calls }) => added(calls)).sort(),
        had.map((name) => `+${name}`),
        'what was added',
      );
      equal(
        members.flatMap(({ calls }) => removed(calls)),
        [],
        'what was taken away from the living',
      );
      wire.mend();
      await shared([...members, dying], partitionsOf('t', 6));
      equal(
        dying.calls.slice(0, had.length),
        had.map((name) => `!${name}`),
        'what the one that died is told first',
      );
      equal(dying.memberId === id, false, 'it is the same member');
      ledger.check();
    },
  ),
  consumerCase(
    'groups-5',
    'topics that appear and go under a pattern come and go, for all who want them',
    async (world) => {
      await world.topic('t-1', 2);
      const ledger = new Ledger();
      const members = [new Member(world, { ledger }), new Member(world, { ledger })];
      for (const member of members) (await member.join(/t-\d+/)).read();
      await shared(members, partitionsOf('t-1', 2));
      await world.topic('t-2', 4);
      await shared(members, [...partitionsOf('t-1', 2), ...partitionsOf('t-2', 4)]);
      await world.admin.deleteTopic('t-2');
      await shared(members, partitionsOf('t-1', 2));
      const left = (): string[] => {
        const has = new Set<string>();
        for (const { calls } of members) {
          for (const call of calls) if (call.startsWith('+')) has.add(call.slice(1));
          for (const call of calls) if (!call.startsWith('+')) has.delete(call.slice(1));
        }
        return [...has].filter((name) => name.startsWith('t-2'));
      };
      await until('listeners are told that the topic is gone', () => left().length === 0);
      await world.produce('t-1', numbered(2));
      await until('the rest is read', () => members.flatMap(({ records }) => records).length === 2);
      ledger.check();
    },
    { autoCreateTopics: false },
  ),
  consumerCase(
    'groups-5',
    'a member that asks for other topics gets and loses only those; members of other topics do not notice',
    async (world) => {
      await world.topic('t', 2);
      await world.topic('u', 2);
      const [first, second] = [new Member(world), new Member(world)];
      (await first.join('t')).read();
      (await second.join('u')).read();
      await shared([first, second], [...partitionsOf('t', 2), ...partitionsOf('u', 2)]);
      for (const member of [first, second]) callsOf(member);
      await first.join('t', 'u');
      await until('it has its share', async () => (await world.admin.describeGroup('g')).state === 'Stable');
      equal(
        callsOf(first).filter((call) => call.includes('t-')),
        [],
        'calls of what it had',
      );
      await second.close();
      await until('it has all', () => first.owned.length === 4);
      callsOf(first);
      await first.join('t');
      await until('it has t only', () => first.owned.length === 2);
      equal(callsOf(first), ['-u-0', '-u-1'], 'calls');
    },
  ),
  consumerCase(
    ['groups-28', 'promise-3'],
    'a gateway that restarts: every member has what it had, under the id it had, and nothing comes twice',
    async (world) => {
      await world.topic('t', 6);
      const ledger = new Ledger();
      const members = [0, 1, 2].map(() => new Member(world, { ledger, sessionTimeoutMs: 10_000 }));
      for (const member of members) (await member.join('t')).read();
      await shared(members, partitionsOf('t', 6));
      for (let round = 0; round < 2; round++) {
        await world.produce(
          't',
          numbered(60, round * 60).map((value, i) => ({ value, partition: i % 6 })),
        );
        const before = members.map((member) => [member.memberId, member.owned]);
        for (const member of members) callsOf(member);
        await world.harness.stop();
        await world.harness.start();
        await world.produce(
          't',
          numbered(60, 1_000 + round * 60).map((value, i) => ({ value, partition: i % 6 })),
        );
        await until('all is read', () => members.flatMap(({ records }) => records).length >= 120 * (round + 1));
        equal(
          members.map((member) => [member.memberId, member.owned]),
          before,
          'members after the restart',
        );
        equal(
          members.flatMap(({ calls }) => calls),
          [],
          'calls of listeners',
        );
      }
      equal(members.flatMap(({ records }) => records).length, 240, 'records');
      const { members: described } = await world.admin.describeGroup('g');
      equal(
        described.map(({ assignment }) => assignment.length),
        [2, 2, 2],
        'what the coordinator says',
      );
      ledger.check();
    },
  ),
  consumerCase('groups-37', "with 'range' partitions of one number of several topics go together", async (world) => {
    await world.topic('t', 4);
    await world.topic('u', 4);
    const members = [0, 1].map(() => new Member(world, { assignor: 'range' }));
    for (const member of members) (await member.join('t', 'u')).read();
    await shared(members, [...partitionsOf('t', 4), ...partitionsOf('u', 4)]);
    for (const { owned } of members) {
      const of = (topic: string): string[] =>
        owned.filter((name) => name.startsWith(topic)).map((name) => name.slice(2));
      equal(of('t'), of('u'), 'partitions of both topics');
      equal(of('t').length, 2, 'partitions of one');
    }
    equal((await world.admin.describeGroup('g')).assignor, 'range', 'assignor');
  }),
  consumerCase(
    'groups-29',
    'a static member that restarts gets its partitions back and goes on; nobody else moves',
    async (world) => {
      await world.topic('t', 4);
      const other = (await new Member(world).join('t')).read();
      const config = { groupInstanceId: 'host-1', sessionTimeoutMs: 5_000 };
      const first = (await new Member(world, config).join('t')).read();
      await shared([other, first], partitionsOf('t', 4));
      await world.produce(
        't',
        numbered(8).map((value, i) => ({ value, partition: i % 4 })),
      );
      await until('all is read', () => other.records.length + first.records.length === 8);
      const had = first.owned;
      callsOf(other);
      await first.stop();
      await first.consumer.close({ leaveGroup: false });
      const second = (await new Member(world, config).join('t')).read();
      await until('it has what it had', () => second.owned.join() === had.join());
      await world.produce(
        't',
        numbered(8, 8).map((value, i) => ({ value, partition: i % 4 })),
      );
      await until('all is read', () => other.records.length + first.records.length + second.records.length === 16);
      equal(other.calls, [], 'calls of the other member');
      equal(
        second.records.every(({ offset }) => offset >= 2),
        true,
        'the second goes on where the first was',
      );
    },
  ),
  consumerCase(
    ['groups-30', 'polling-10'],
    'two live holders of one instance id: the older is fenced for good with FENCED_INSTANCE_ID, the newer reads on',
    async (world) => {
      await world.produce('t', numbered(3));
      const older = await new Member(world, { groupInstanceId: 'host-1' }).join('t');
      const events = eventsOf(older.consumer);
      older.read();
      await until('it reads', () => older.records.length === 3);
      await older.consumer.commit();
      const newer = (await new Member(world, { groupInstanceId: 'host-1' }).join('t')).read();
      await until('the older ends', () => older.errors.length > 0);
      equal(
        older.errors.map((error) => (error instanceof Error && 'code' in error ? error.code : error)),
        ['FENCED_INSTANCE_ID'],
        'errors',
      );
      await until('it is told', () => older.calls.includes('!t-0'));
      equal(older.calls, ['+t-0', '!t-0'], 'calls of the older');
      equal(events.filter(({ type }) => type === 'error').length <= 1, true, 'error events');
      await world.produce('t', ['more']);
      await until('the newer reads', () => newer.records.length > 0);
      equal(
        newer.records.map(({ offset }) => offset),
        [3],
        'offsets of the newer',
      );
      let outcome: unknown = 'committed';
      await older.consumer.commit([{ ...at('t'), offset: 1 }]).catch((error: unknown) => {
        outcome = error;
      });
      equal(outcome === 'committed', false, 'the older can commit');
    },
  ),
];
