import type { GroupDescription, GroupMember, TopicDescription, TopicPartition } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { cellLabel, cellSize, lagDepth, type Picture, pictureOf } from './picture.ts';

const t = (...numbers: number[]): TopicPartition[] => numbers.map((partition) => ({ topic: 't', partition }));
const member = (
  memberId: string,
  assignment: TopicPartition[],
  targetAssignment = assignment,
  rest: Partial<GroupMember> = {},
): GroupMember => ({
  memberId,
  clientId: memberId,
  epoch: 3,
  topics: ['t'],
  connected: true,
  assignment,
  targetAssignment,
  ...rest,
});
const offset = (partition: number, committed: number | null, end: number) => ({
  topic: 't',
  partition,
  committed,
  metadata: '',
  end,
  lag: end - (committed ?? 0),
});
const group = (members: GroupMember[], offsets: GroupDescription['offsets'] = []): GroupDescription => ({
  groupId: 'g',
  state: 'Stable',
  epoch: 3,
  members,
  offsets,
});
const topic = (name: string, ends: readonly number[]): TopicDescription => ({
  name,
  topicId: name,
  internal: false,
  partitions: ends.map((highWatermark, partition) => ({
    topic: name,
    partition,
    logStart: 0,
    highWatermark,
    lastStableOffset: highWatermark,
    leaderEpoch: 0,
  })),
});
const cell = (picture: Picture, partition: number) => {
  const found = picture.topics.flatMap(({ cells }) => cells).find((one) => one.partition === partition);
  if (found === undefined) throw new Error(`no cell ${partition}`);
  return found;
};

describe('the picture of a group', () => {
  it('has every partition of every topic that a member wants, owned or not, in order', () => {
    const picture = pictureOf(group([member('anna', t(2, 0))]), [topic('t', [5, 6, 7]), topic('other', [9])]);
    expect(picture.topics.map(({ name, cells }) => [name, cells.map(({ partition }) => partition)])).toEqual([
      ['t', [0, 1, 2]],
    ]);
    expect(cell(picture, 1)).toMatchObject({
      owner: null,
      target: null,
      moving: false,
      committed: null,
      end: 6,
      lag: 6,
    });
    expect(picture).toMatchObject({ partitions: 3, unowned: 1, moving: 0 });
  });
  it('keeps partitions that only commits tell of', () => {
    const picture = pictureOf(group([], [offset(0, 4, 9)]), []);
    expect(cell(picture, 0)).toMatchObject({ owner: null, committed: 4, end: 9, lag: 5 });
  });
  it('shows a partition on its way with its holder and whom it is promised to', () => {
    const picture = pictureOf(group([member('anna', t(0, 1), t(0)), member('bert', [], t(1))]), []);
    expect(cell(picture, 0).moving).toBe(false);
    expect(cell(picture, 1)).toMatchObject({ moving: true, owner: { name: 'anna' }, target: { name: 'bert' } });
    expect(picture.members.map(({ name, owned, coming, going }) => [name, owned, coming, going])).toEqual([
      ['anna', 2, 0, 1],
      ['bert', 0, 1, 0],
    ]);
    expect(cellLabel(cell(picture, 1))).toBe('t partition 1, owned by anna anna, going to bert bert, lag unknown');
  });
  it('marks what is kept for a member whose connection is lost', () => {
    const picture = pictureOf(group([member('anna', t(0), t(0), { connected: false })]), []);
    expect(cell(picture, 0)).toMatchObject({ kept: true, moving: false });
    expect(cellLabel(cell(picture, 0))).toContain('connection lost, kept');
  });
  it('sums up the lag of each member and of all', () => {
    const members = [member('anna', t(0, 1)), member('bert', t(2))];
    const picture = pictureOf(group(members, [offset(0, 7, 9), offset(1, null, 30), offset(2, 5, 5)]), []);
    expect(picture.members.map(({ lag }) => lag)).toEqual([32, 0]);
    expect(picture).toMatchObject({ lag: 32, maxLag: 30 });
  });
  it('counts in names as people do', () => {
    const members = ['host-10', 'host-2', 'host-1'].map((name) => member(name, []));
    expect(pictureOf(group(members), []).members.map(({ name }) => name)).toEqual(['host-1', 'host-2', 'host-10']);
  });
  it('draws lag by orders of magnitude, and none as none', () => {
    expect(lagDepth(null, 10)).toBe(0);
    expect(lagDepth(0, 0)).toBe(0);
    expect(lagDepth(999, 10)).toBe(1);
    expect(lagDepth(9, 999)).toBeCloseTo(1 / 3);
    expect(lagDepth(5e6, 5e6)).toBe(1);
  });
  it('has smaller cells for more partitions', () => {
    expect([1, 72, 73, 320, 321, 1000].map(cellSize)).toEqual(['large', 'large', 'medium', 'medium', 'small', 'small']);
  });
});
