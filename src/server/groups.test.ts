// The coordinator: who owns what, fenced commits, and hand-over. With the in-memory log's topics and offsets.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE, LogError } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { assignPartitions } from './group-assignment.ts';
import type { Assignment, JoinRequest, Membership } from './log.ts';
import { type MemoryLog, memoryLog } from './memory-log.ts';

interface Joined {
  readonly membership: Membership;
  readonly pushes: Assignment[];
  readonly fenced: LogError[];
  /** Partitions as it was last told, by answer or push. */
  owns(): string[];
  epoch(): number;
}

async function setUp(...topics: { name: string; partitions?: number }[]) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random });
  const ids = new Map<string, string>();
  for (const topic of topics) ids.set(topic.name, (await log.createTopic(topic)).topicId);
  return { clock, log, id: (name: string) => ids.get(name) ?? '' };
}

async function join(log: MemoryLog, request: Partial<JoinRequest> = {}): Promise<Joined> {
  const pushes: Assignment[] = [];
  const fenced: LogError[] = [];
  const membership = await log.groups.join(
    {
      groupId: 'g',
      clientId: 'c',
      topics: ['t'],
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      maxPollIntervalMs: 300_000,
      ...request,
    },
    {
      onTakenOver: () => undefined,
      onAssignment: (assignment) => pushes.push(assignment),
      onFenced: (error) => fenced.push(error),
    },
  );
  const first: Assignment = { memberEpoch: membership.memberEpoch, partitions: membership.partitions };
  const latest = () => pushes.at(-1) ?? first;
  return {
    membership,
    pushes,
    fenced,
    owns: () => latest().partitions.flatMap(({ topic, partitions }) => partitions.map((p) => `${topic}-${p}`)),
    epoch: () => latest().memberEpoch,
  };
}
const codeOf = (error: unknown) => (error instanceof LogError ? error.code : error);
const refused = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error: unknown) => codeOf(error),
  );

describe('assignment', () => {
  const topic = (name: string, partitions: number) => ({
    name,
    topicId: `id of ${name}`,
    partitions: Array.from({ length: partitions }, (_, i) => i),
  });

  it('gives every partition of a subscribed topic to exactly one subscriber', () => {
    const names = ['a', 'b', 'c'];
    fc.assert(
      fc.property(fc.array(fc.subarray(names), { maxLength: 6 }), fc.subarray(names), (subscriptions, existing) => {
        const members = subscriptions.map((topics, i) => ({
          memberId: `m${i}`,
          topics: new Set(topics),
          owned: new Map(),
        }));
        const targets = assignPartitions(
          'uniform',
          members,
          existing.map((name) => topic(name, 3)),
        );
        for (const name of existing) {
          const owners = members.filter(({ memberId }) => targets.get(memberId)?.has(`id of ${name}`));
          const subscribed = members.filter(({ topics }) => topics.has(name));
          expect(owners).toHaveLength(subscribed.length === 0 ? 0 : 1);
          for (const owner of owners) expect(owner.topics.has(name)).toBe(true);
        }
      }),
    );
  });
});

describe('a group', () => {
  it('gives its first member everything; further members stand by', async () => {
    const { log } = await setUp({ name: 't', partitions: 3 });
    const first = await join(log);
    const second = await join(log);
    expect(first.owns()).toEqual(['t-0', 't-1', 't-2']);
    expect(second.owns()).toEqual([]);
    expect(first.pushes).toEqual([]);
  });

  it('hands everything to the next when the owner leaves, at a higher epoch', async () => {
    const { log } = await setUp({ name: 't', partitions: 2 });
    const first = await join(log);
    const second = await join(log);
    const before = second.epoch();
    await first.membership.leave();
    await first.membership.leave();
    expect(second.owns()).toEqual(['t-0', 't-1']);
    expect(second.epoch()).toBeGreaterThan(before);
    expect(second.pushes).toHaveLength(1);
  });

  it('names a heartbeat interval of a third of the session timeout, 25 seconds at most', async () => {
    const { log } = await setUp({ name: 't' });
    expect((await join(log, { sessionTimeoutMs: 9_000 })).membership.heartbeatIntervalMs).toBe(3_000);
    expect((await join(log, { sessionTimeoutMs: 300_000 })).membership.heartbeatIntervalMs).toBe(25_000);
  });

  it('follows its topics: those that appear, and those that are recreated with another id', async () => {
    const { log, id } = await setUp();
    const member = await join(log);
    expect(member.owns()).toEqual([]);
    await log.createTopic({ name: 't', partitions: 2 });
    expect(member.owns()).toEqual(['t-0', 't-1']);
    const old = member.pushes.at(-1)?.partitions[0]?.topicId;
    await log.deleteTopic('t');
    expect(member.owns()).toEqual([]);
    const { topicId } = await log.createTopic({ name: 't' });
    expect(member.pushes.at(-1)?.partitions).toEqual([{ topic: 't', topicId, partitions: [0] }]);
    expect(topicId).not.toBe(old);
    expect(id('t')).toBe('');
  });

  it('moves a topic that its owner no longer wants only after the owner has let go', async () => {
    const { log } = await setUp({ name: 't' }, { name: 'u' });
    const first = await join(log, { topics: ['t', 'u'] });
    const second = await join(log, { topics: ['u'] });
    await first.membership.update(['t']);
    expect(second.owns()).toEqual([]);
    expect(await log.groups.list()).toMatchObject([{ state: 'Reconciling' }]);
    first.membership.owned(first.membership.memberEpoch, [...first.membership.partitions]);
    expect(second.owns()).toEqual(['u-0']);
    expect(await log.groups.list()).toMatchObject([{ state: 'Stable' }]);
  });

  it('ignores what a member says of an old epoch', async () => {
    const { log } = await setUp({ name: 't' }, { name: 'u' });
    const first = await join(log, { topics: ['t', 'u'] });
    const old = first.membership.memberEpoch;
    const second = await join(log, { topics: ['u'] });
    await first.membership.update(['t']);
    first.membership.owned(old, []);
    expect(second.owns()).toEqual([]);
  });

  it('fences a member that does not let go within its rebalance timeout', async () => {
    const { log, clock } = await setUp({ name: 't' }, { name: 'u' });
    const first = await join(log, { topics: ['t', 'u'], rebalanceTimeoutMs: 5_000 });
    const second = await join(log, { topics: ['t', 'u'] });
    await first.membership.update(['t']);
    clock.advance(4_999);
    expect(first.fenced).toEqual([]);
    clock.advance(1);
    expect(first.fenced.map(codeOf)).toEqual(['FENCED_MEMBER_EPOCH']);
    expect(second.owns()).toEqual(['t-0', 'u-0']);
    expect(clock.pending).toBe(0);
  });

  it('fences the older of two members with one instance id', async () => {
    const { log } = await setUp({ name: 't' });
    const older = await join(log, { instanceId: 'i' });
    const newer = await join(log, { instanceId: 'i' });
    expect(older.fenced.map(codeOf)).toEqual(['FENCED_INSTANCE_ID']);
    expect(newer.owns()).toEqual(['t-0']);
    expect(await refused(older.membership.update(['t']))).toBe('UNKNOWN_MEMBER_ID');
  });

  it('fences the older of two holders of one member id, whose leaving then does nothing', async () => {
    const { log } = await setUp({ name: 't' });
    const older = await join(log, { memberId: 'm' });
    const newer = await join(log, { memberId: 'm' });
    expect(older.fenced.map(codeOf)).toEqual(['FENCED_MEMBER_EPOCH']);
    await older.membership.leave();
    older.membership.owned(newer.epoch(), []);
    expect(newer.owns()).toEqual(['t-0']);
    expect(await log.groups.list()).toMatchObject([{ members: 1 }]);
  });

  it('never lets two members own one partition, whatever joins, leaves, changes its mind or lets go', async () => {
    const step = fc.record({
      what: fc.constantFrom('join', 'leave', 'update', 'letGo', 'letGo', 'topic'),
      who: fc.nat(5),
      topics: fc.subarray(['t', 'u', 'v']),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { log } = await setUp({ name: 't', partitions: 2 }, { name: 'u' });
        interface Actor {
          readonly joined: Joined;
          /** What it works on: given up only by letGo. */
          holds: Set<string>;
        }
        const actors: Actor[] = [];
        const told = ({ joined }: Actor) =>
          joined.membership.partitions.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId}/${p}`));
        for (const { what, who, topics } of steps) {
          const actor = actors[who % Math.max(1, actors.length)];
          if (what === 'join') actors.push({ joined: await join(log, { topics }), holds: new Set() });
          else if (what === 'leave' && actor !== undefined) {
            await actor.joined.membership.leave();
            actors.splice(actors.indexOf(actor), 1);
          } else if (what === 'update' && actor !== undefined) await actor.joined.membership.update(topics);
          else if (what === 'letGo' && actor !== undefined) {
            actor.holds = new Set(told(actor));
            actor.joined.membership.owned(actor.joined.membership.memberEpoch, [...actor.joined.membership.partitions]);
          } else if (what === 'topic') {
            const exists = (await log.topics(['v'])).length > 0;
            if (exists) {
              const gone = (await log.topics(['v']))[0]?.topicId;
              await log.deleteTopic('v');
              for (const one of actors)
                one.holds = new Set([...one.holds].filter((key) => !key.startsWith(`${gone}/`)));
            } else await log.createTopic({ name: 'v', partitions: 2 });
          }
          for (const one of actors) for (const key of told(one)) one.holds.add(key);
          const all = actors.flatMap(({ holds }) => [...holds]);
          expect(new Set(all).size).toBe(all.length);
        }
        // Once everybody has let go of what it must, every subscribed partition has its owner.
        for (let i = 0; i < actors.length + 1; i++) {
          for (const { joined } of actors) {
            joined.membership.owned(joined.membership.memberEpoch, [...joined.membership.partitions]);
          }
        }
        const owned = new Set(actors.flatMap(told));
        const summary = await log.groups.list();
        if (summary.length > 0) expect(summary).toMatchObject([{ state: 'Stable', members: actors.length }]);
        const group = actors.length === 0 ? undefined : await log.groups.describe('g');
        const wanted = new Set(group?.members.flatMap(({ topics }) => topics));
        for (const topic of await log.topics()) {
          for (const { partition } of topic.partitions) {
            expect(owned.has(`${topic.topicId}/${partition}`)).toBe(wanted.has(topic.name));
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('a commit', () => {
  const at = (topicId: string, offset = 1, partition = 0) => [{ topicId, partition, offset }];

  it('of a member needs its id, its present epoch, and the partition', async () => {
    const { log, id } = await setUp({ name: 't' }, { name: 'u' });
    const { membership } = await join(log);
    const { memberId, memberEpoch } = membership;
    const commit = (member: { memberId: string; memberEpoch: number }, topicId = id('t')) =>
      log.groups.commit('g', member, at(topicId));
    expect(await commit({ memberId, memberEpoch })).toEqual([{ topicId: id('t'), partition: 0 }]);
    expect(await refused(commit({ memberId: 'someone', memberEpoch }))).toBe('UNKNOWN_MEMBER_ID');
    expect(await refused(commit({ memberId, memberEpoch: memberEpoch - 1 }))).toBe('STALE_MEMBER_EPOCH');
    expect(await refused(commit({ memberId, memberEpoch: memberEpoch + 1 }))).toBe('FENCED_MEMBER_EPOCH');
    expect((await commit({ memberId, memberEpoch }, id('u'))).map(({ error }) => error?.code)).toEqual([
      'FENCED_MEMBER_EPOCH',
    ]);
    expect(ERROR_TABLE.STALE_MEMBER_EPOCH.retriable).toBe(true);
  });

  it('of what is being taken away is still taken, until the member has let go', async () => {
    const { log, id } = await setUp({ name: 't' }, { name: 'u' });
    const { membership } = await join(log, { topics: ['t', 'u'] });
    await membership.update(['t']);
    const commit = async () => {
      const { memberId, memberEpoch } = membership;
      const [answer] = await log.groups.commit('g', { memberId, memberEpoch }, at(id('u')));
      return answer?.error?.code;
    };
    expect(await commit()).toBeUndefined();
    membership.owned(membership.memberEpoch, [...membership.partitions]);
    expect(await commit()).toBe('FENCED_MEMBER_EPOCH');
  });

  it('without a member succeeds only while the group has none', async () => {
    const { log, id } = await setUp({ name: 't' });
    expect(await refused(log.groups.commit('g', undefined, at(id('t'))))).toBe('resolved');
    const { membership } = await join(log);
    expect(await refused(log.groups.commit('g', undefined, at(id('t'))))).toBe('UNKNOWN_MEMBER_ID');
    await membership.leave();
    expect(await refused(log.groups.commit('g', undefined, at(id('t'))))).toBe('resolved');
  });

  it('refuses each wrong entry by itself and writes the others', async () => {
    const { log, id } = await setUp({ name: 't', partitions: 4 });
    const topicId = id('t');
    const answers = await log.groups.commit('g', undefined, [
      { topicId, partition: 0, offset: 7, metadata: 'é'.repeat(2_048) },
      { topicId, partition: 1, offset: 7, metadata: `${'é'.repeat(2_048)}x` },
      { topicId, partition: 9, offset: 7 },
      { topicId: 'nowhere', partition: 0, offset: 7 },
      { topicId, partition: 2, offset: 2.5 },
    ]);
    expect(answers.map(({ error }) => error?.code)).toEqual([
      undefined,
      'OFFSET_METADATA_TOO_LARGE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'INVALID_REQUEST',
    ]);
    const committed = await log.groups.committed(
      'g',
      [0, 1, 2].map((partition) => ({ topicId, partition })),
    );
    expect(committed.map(({ offset, metadata }) => [offset, metadata.length])).toEqual([
      [7, 2_048],
      [null, 0],
      [null, 0],
    ]);
  });

  it('goes with its topic when that is deleted', async () => {
    const { log, id } = await setUp({ name: 't' });
    await log.groups.commit('g', undefined, at(id('t'), 5));
    await log.deleteTopic('t');
    const { topicId } = await log.createTopic({ name: 't' });
    expect(await log.groups.committed('g', [{ topicId, partition: 0 }])).toMatchObject([{ offset: null }]);
    expect(await log.groups.list()).toEqual([]);
  });
});
