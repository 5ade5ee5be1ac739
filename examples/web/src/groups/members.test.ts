import type { GroupMember } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { MEMBER_COLORS, MemberColors, refsOf } from './members.ts';

const member = (memberId: string, rest: Partial<GroupMember> = {}): GroupMember => ({
  memberId,
  clientId: 'app',
  epoch: 1,
  topics: [],
  connected: true,
  assignment: [],
  targetAssignment: [],
  ...rest,
});
const ids = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `member-${from + n}`);

describe('names of members', () => {
  it('are the instance id, else the client id, with the end of the member id', () => {
    const refs = refsOf([member('0000-a3f9', { groupInstanceId: 'host-7' }), member('0000-b2c4')]);
    expect(refs.map(({ name, tag }) => `${name} ${tag}`)).toEqual(['host-7 a3f9', 'app b2c4']);
  });
  it('are as long as it takes to tell members apart', () => {
    expect(refsOf([member('1-a3f9'), member('2-a3f9')]).map(({ tag }) => tag)).toEqual(['1-a3f9', '2-a3f9']);
    expect(refsOf([member('m')]).map(({ tag }) => tag)).toEqual(['m']);
  });
});

describe('colours of members', () => {
  it('are all different as long as there are enough', () => {
    const colors = new MemberColors();
    const members = ids(MEMBER_COLORS);
    colors.update(members);
    expect(new Set(members.map((id) => colors.of(id))).size).toBe(MEMBER_COLORS);
  });
  it('stay with a member whoever comes and goes', () => {
    const colors = new MemberColors();
    colors.update(ids(6));
    const before = ids(6).map((id) => colors.of(id));
    colors.update([...ids(3), ...ids(8, 20)]);
    colors.update(ids(6));
    expect(ids(3).map((id) => colors.of(id))).toEqual(before.slice(0, 3));
  });
  it('are the same in every tab that sees the same members, in whatever order', () => {
    const one = new MemberColors();
    const other = new MemberColors();
    one.update(ids(9));
    other.update(ids(9).reverse());
    expect(ids(9).map((id) => one.of(id))).toEqual(ids(9).map((id) => other.of(id)));
  });
  it('are spread evenly over more members than there are colours', () => {
    const colors = new MemberColors();
    const members = ids(MEMBER_COLORS * 3);
    colors.update(members);
    const uses = new Map<number, number>();
    for (const id of members) uses.set(colors.of(id), (uses.get(colors.of(id)) ?? 0) + 1);
    expect([...uses.values()]).toEqual(new Array(MEMBER_COLORS).fill(3));
  });
});
