// Commits of groups: who may make them, which entries are refused, and what becomes of them. With the in-memory log's topics and offsets.
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Bench, join, outcome, settled, WISHES } from './groups.test-support.ts';
import { memoryLog } from './memory-log.ts';

async function setUp(...topics: { name: string; partitions?: number }[]) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random });
  const ids = new Map<string, string>();
  for (const topic of topics) ids.set(topic.name, (await log.createTopic(topic)).topicId);
  return { clock, log, id: (name: string) => ids.get(name) ?? '' };
}

describe('a commit', () => {
  const at = (topicId: string, offset = 1, partition = 0) => [{ topicId, partition, offset }];

  it('of a member needs its id, its present epoch, and the partition', async () => {
    const { log, id } = await setUp({ name: 't' }, { name: 'u' });
    const { membership } = await join(log.groups);
    const { memberId, memberEpoch } = membership;
    const commit = (member: { memberId: string; memberEpoch: number }, topicId = id('t')) =>
      log.groups.commit('g', member, at(topicId));
    expect(await commit({ memberId, memberEpoch })).toEqual([{ topicId: id('t'), partition: 0 }]);
    expect(await outcome(commit({ memberId: 'someone', memberEpoch }))).toBe('UNKNOWN_MEMBER_ID');
    expect(await outcome(commit({ memberId, memberEpoch: memberEpoch - 1 }))).toBe('STALE_MEMBER_EPOCH');
    expect(await outcome(commit({ memberId, memberEpoch: memberEpoch + 1 }))).toBe('FENCED_MEMBER_EPOCH');
    expect((await commit({ memberId, memberEpoch }, id('u'))).map(({ error }) => error?.code)).toEqual([
      'FENCED_MEMBER_EPOCH',
    ]);
    expect(ERROR_TABLE.STALE_MEMBER_EPOCH.retriable).toBe(true);
  });

  it('looks a topic up once, however many of its partitions it names', async () => {
    const bench = new Bench();
    const { membership } = await bench.join();
    const topicId = bench.topics.byName('t')?.topicId ?? '';
    const looked: string[] = [];
    const byId = bench.topics.byId.bind(bench.topics);
    bench.topics.byId = (id) => {
      looked.push(id);
      return byId(id);
    };
    const offsets = [0, 1, 2, 3].map((partition) => ({ topicId, partition, offset: 1 }));
    expect(await bench.groups.commit('g', membership, offsets)).toHaveLength(4);
    expect(looked).toEqual([topicId]);
  });

  it('of what is being taken away is still taken, until the member has let go', async () => {
    const { log, id } = await setUp({ name: 't' }, { name: 'u' });
    const { membership } = await join(log.groups, { topics: ['t', 'u'] });
    await membership.update({ ...WISHES, topics: ['t'] });
    const commit = async () => {
      const { memberId, memberEpoch } = membership;
      const [answer] = await log.groups.commit('g', { memberId, memberEpoch }, at(id('u')));
      return answer?.error?.code;
    };
    expect(await commit()).toBeUndefined();
    membership.owned(membership.memberEpoch, [...membership.partitions]);
    expect(await commit()).toBe('FENCED_MEMBER_EPOCH');
  });

  it('of a member that is kept is taken from any connection that names it, and from nobody once it is gone', async () => {
    const { log, id, clock } = await setUp({ name: 't' });
    const { membership } = await join(log.groups);
    const { memberId, memberEpoch } = membership;
    const commit = () => outcome(log.groups.commit('g', { memberId, memberEpoch }, at(id('t'))));
    membership.release({ heardAt: clock.now() });
    expect(await commit()).toBe('resolved');
    clock.advance(30_000);
    await settled();
    expect(await commit()).toBe('UNKNOWN_MEMBER_ID');
  });

  it('without a member succeeds only while the group has none', async () => {
    const { log, id } = await setUp({ name: 't' });
    expect(await outcome(log.groups.commit('g', undefined, at(id('t'))))).toBe('resolved');
    const { membership } = await join(log.groups);
    expect(await outcome(log.groups.commit('g', undefined, at(id('t'))))).toBe('UNKNOWN_MEMBER_ID');
    await membership.leave();
    expect(await outcome(log.groups.commit('g', undefined, at(id('t'))))).toBe('resolved');
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
