import type { GroupDescription, GroupMember } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { changesBetween, listPartitions, tell } from './changes.ts';

type Owned = Record<string, readonly number[]>;
const parts = (owned: Owned) =>
  Object.entries(owned).flatMap(([topic, numbers]) => numbers.map((partition) => ({ topic, partition })));
function member(memberId: string, owned: Owned, rest: Partial<GroupMember> = {}): GroupMember {
  const assignment = parts(owned);
  return {
    memberId,
    clientId: 'app',
    epoch: 1,
    topics: ['t'],
    connected: true,
    assignment,
    targetAssignment: assignment,
    ...rest,
  };
}
const group = (members: readonly GroupMember[], state: GroupDescription['state'] = 'Stable'): GroupDescription => ({
  groupId: 'g',
  state,
  epoch: 1,
  members,
  offsets: [],
});
const told = (before: GroupDescription, after: GroupDescription): string[] =>
  changesBetween(before, after).map((change) =>
    tell(change)
      .parts.map((part) => (typeof part === 'string' ? part : part.tag))
      .join(''),
  );

describe('what happened between two looks at a group', () => {
  it('is nothing when only epochs and offsets moved', () => {
    const before = group([member('aaaa', { t: [0, 1] })]);
    const after = { ...group([member('aaaa', { t: [1, 0] }, { epoch: 2 })]), epoch: 2 };
    expect(changesBetween(before, after)).toEqual([]);
  });
  it('names who joined, what moved to it and the change of state, in that order', () => {
    const before = group([member('aaaa', { t: [0, 1, 2] })], 'Reconciling');
    const after = group([member('aaaa', { t: [0] }), member('bbbb', { t: [2, 1] })]);
    expect(told(before, after)).toEqual(['bbbb joined', 't / 1, 2: aaaa → bbbb', 'Reconciling → Stable']);
  });
  it('tells who left from who did not come back in time', () => {
    const before = group([
      member('aaaa', { t: [0] }),
      member('bbbb', { t: [1] }, { connected: false }),
      member('cccc', {}),
    ]);
    expect(told(before, group([member('cccc', { t: [0] })]))).toEqual([
      'aaaa left',
      'bbbb is gone: it did not come back in time',
      't / 0: aaaa → cccc',
      't / 1: given up by bbbb',
    ]);
  });
  it('says that a member is lost and what is kept for it, and that it came back', () => {
    const there = group([member('aaaa', { t: [0, 1] })]);
    const lost = group([member('aaaa', { t: [0, 1] }, { connected: false })]);
    expect(told(there, lost)).toEqual(['aaaa lost its connection; its 2 partitions are kept']);
    expect(told(lost, there)).toEqual(['aaaa came back; nothing moved']);
  });
  it('takes the new process of a static member for the same one', () => {
    const before = group([member('aaaa', { t: [0] }, { groupInstanceId: 'host-7', connected: false })]);
    const after = group([member('bbbb', { t: [0] }, { groupInstanceId: 'host-7' })]);
    expect(changesBetween(before, after).map(({ type }) => type)).toEqual(['replaced', 'moved']);
  });
  it('groups what goes from one member to the same other, and keeps the rest apart', () => {
    const before = group([member('aaaa', { t: [0, 1], u: [0] }), member('bbbb', { t: [2] }), member('cccc', {})]);
    const after = group([member('aaaa', {}), member('bbbb', { t: [1] }), member('cccc', { t: [0, 2], u: [0] })]);
    expect(told(before, after)).toEqual(['t / 0 · u / 0: aaaa → cccc', 't / 1: aaaa → bbbb', 't / 2: bbbb → cccc']);
  });
  it('says what went to nobody and what came from nobody', () => {
    const held = group([member('aaaa', { t: [0] })]);
    const free = group([member('aaaa', {})]);
    expect(told(held, free)).toEqual(['t / 0: given up by aaaa']);
    expect(told(free, held)).toEqual(['t / 0: to aaaa']);
  });
  it('keeps long lists of partitions short', () => {
    expect(listPartitions(parts({ t: [0, 1], u: [4] }))).toBe('t / 0, 1 · u / 4');
    expect(listPartitions(parts({ t: [0, 1, 2, 3] }), 2)).toBe('t / 0, 1 and 2 more');
  });
});
