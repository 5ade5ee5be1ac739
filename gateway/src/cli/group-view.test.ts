import type { GroupDescription, GroupMember } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { listOf, notEmpty, textOf, viewOf } from './group-view.ts';

const at = (partition: number, topic = 'clicks') => ({ topic, partition });
const member = (memberId: string, of: Partial<GroupMember> = {}): GroupMember => ({
  memberId,
  clientId: `client-${memberId}`,
  epoch: 7,
  topics: ['clicks'],
  connected: true,
  assignment: [],
  targetAssignment: of.assignment ?? [],
  ...of,
});
const offset = (partition: number, committed: number | null, end: number) => {
  return { ...at(partition), committed, metadata: '', end, lag: end - (committed ?? 0) };
};
const group: GroupDescription = {
  groupId: 'billing',
  state: 'Reconciling',
  epoch: 7,
  assignor: 'uniform',
  members: [
    member('a', { assignment: [at(0), at(1), at(2)], targetAssignment: [at(0)] }),
    member('b', { targetAssignment: [at(1), at(3)], connected: false, groupInstanceId: 'host-7' }),
  ],
  offsets: [offset(0, 60, 100), offset(1, null, 9), offset(2, 1, 1), offset(3, 0, 0)],
};

describe('a group', () => {
  it('is seen with its lag, the owner of each partition and what is on its way to whom', () => {
    const view = viewOf(group);
    expect(view.lag).toBe(49);
    expect(view.offsets.map(({ owner }) => owner)).toEqual(['a', 'a', 'a', null]);
    expect(view.moving).toEqual([
      { ...at(1), from: 'a', to: 'b' },
      { ...at(2), from: 'a', to: null },
      { ...at(3), from: null, to: 'b' },
    ]);
  });
  it('says that it is rebalancing, and shows it', () => {
    expect(textOf(viewOf(group))).toBe(`\
billing  Reconciling  epoch 7  uniform  lag 49

rebalancing: 3 partition(s) on their way

TOPIC   PARTITION  FROM  TO
clicks          1  a     b
clicks          2  a     -
clicks          3  -     b

TOPIC   PARTITION  COMMITTED  END  LAG  OWNER
clicks          0         60  100   40  a
clicks          1          -    9    9  a
clicks          2          1    1    0  a
clicks          3          0    0    0  -

MEMBER  CLIENT    INSTANCE  CONNECTION  EPOCH  SUBSCRIBED  WORKS ON
a       client-a  -         connected       7  clicks      clicks:0-2
b       client-b  host-7    held            7  clicks      -
`);
  });
  it('says nothing of rebalancing when all is where it should be', () => {
    const settled = { ...group, state: 'Stable', members: [member('a', { assignment: [at(0)] })] } as const;
    expect(textOf(viewOf(settled))).not.toMatch(/rebalancing|FROM/);
    expect(textOf(viewOf({ ...settled, state: 'Empty', assignor: undefined, members: [] }))).toMatch(
      /^billing {2}Empty {2}epoch 7 {2}lag 49\n[^]*\nno members\n$/,
    );
  });
  it('with members says in one line which, and how they go', () => {
    expect(notEmpty(group, 'it cannot be deleted').message).toBe(
      'group "billing" has 2 member(s), so it cannot be deleted: a (client-a), b (client-b, host-7, held); ' +
        'stop them first; a held one goes by itself when its sessionTimeoutMs is over',
    );
    const many = { ...group, members: Array.from({ length: 9 }, (_, i) => member(`m${i}`)) };
    expect(notEmpty(many, 'x').message).toMatch(/has 9 member.*m4 \(client-m4\), 4 more; stop them first$/);
  });
});

describe('partitions', () => {
  it('are listed in ranges', () => {
    expect(listOf([])).toBe('');
    expect(listOf([at(5), at(0), at(1), at(2), at(1, 'b'), at(7)])).toBe('b:1 clicks:0-2,5,7');
  });
});
