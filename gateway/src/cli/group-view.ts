// How a group is shown: its members, who owns what, what is on its way, and lag. Knows nothing of connections.
import { type GroupDescription, type GroupMember, LogError, type TopicPartition } from 'distributedlog';
import { table } from './output.ts';

/** A partition whose owner and whose next owner are not the same yet; null: nobody. */
export interface Move extends TopicPartition {
  readonly from: string | null;
  readonly to: string | null;
}
/** What `dlog groups describe --json` prints. */
export interface GroupView extends Omit<GroupDescription, 'offsets'> {
  /** Of all partitions, in records. */
  readonly lag: number;
  readonly moving: readonly Move[];
  readonly offsets: readonly (GroupDescription['offsets'][number] & { readonly owner: string | null })[];
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;
const byPlace = (a: TopicPartition, b: TopicPartition): number =>
  a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition;

export function viewOf(group: GroupDescription): GroupView {
  const owners = ownersOf(group.members, 'assignment');
  const targets = ownersOf(group.members, 'targetAssignment');
  const moving = [...new Map([...owners, ...targets])]
    .map(([name, { topic, partition }]) => {
      return { topic, partition, from: owners.get(name)?.memberId ?? null, to: targets.get(name)?.memberId ?? null };
    })
    .filter(({ from, to }) => from !== to)
    .sort(byPlace);
  return {
    ...group,
    lag: group.offsets.reduce((sum, { lag }) => sum + lag, 0),
    moving,
    offsets: group.offsets.map((offset) => ({ ...offset, owner: owners.get(nameOf(offset))?.memberId ?? null })),
  };
}
function ownersOf(members: readonly GroupMember[], of: 'assignment' | 'targetAssignment') {
  const owners = new Map<string, TopicPartition & { readonly memberId: string }>();
  for (const { memberId, [of]: partitions } of members) {
    for (const { topic, partition } of partitions)
      owners.set(nameOf({ topic, partition }), { topic, partition, memberId });
  }
  return owners;
}

export function textOf({ groupId, state, epoch, assignor, members, offsets, moving, lag }: GroupView): string {
  const head = [groupId, state, `epoch ${epoch}`, ...(assignor === undefined ? [] : [assignor]), `lag ${lag}`];
  const parts = [`${head.join('  ')}\n`];
  const isRebalancing = state === 'Reconciling' || state === 'Assigning';
  if (isRebalancing || moving.length > 0) {
    parts.push(`rebalancing: ${moving.length} partition(s) on their way\n`);
    const rows = moving.map(({ topic, partition, from, to }) => [topic, partition, from, to]);
    if (rows.length > 0) parts.push(table(['TOPIC', 'PARTITION', 'FROM', 'TO'], rows));
  }
  const rows = offsets.map(({ topic, partition, committed, end, lag: behind, owner }) => {
    return [topic, partition, committed, end, behind, owner];
  });
  parts.push(table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'OWNER'], rows));
  if (members.length === 0) parts.push('no members\n');
  else {
    const lines = members.map((member) => [
      member.memberId,
      member.clientId,
      member.groupInstanceId ?? null,
      member.connected ? 'connected' : 'held',
      member.epoch,
      member.topics.join(','),
      listOf(member.assignment) || null,
    ]);
    parts.push(table(['MEMBER', 'CLIENT', 'INSTANCE', 'CONNECTION', 'EPOCH', 'SUBSCRIBED', 'WORKS ON'], lines));
  }
  return parts.join('\n');
}

/** `clicks:0-2,5 orders:1` */
export function listOf(partitions: readonly TopicPartition[]): string {
  const topics = new Map<string, [number, number][]>();
  for (const { topic, partition } of [...partitions].sort(byPlace)) {
    const ranges = topics.get(topic) ?? [];
    topics.set(topic, ranges);
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === partition - 1) last[1] = partition;
    else ranges.push([partition, partition]);
  }
  const text = [...topics].map(([topic, ranges]) => {
    return `${topic}:${ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(',')}`;
  });
  return text.join(' ');
}

const MOST_NAMED = 5;

/** Why nobody but its members may change the group now, and what to do about it. */
export function notEmpty({ groupId, members }: GroupDescription, what: string): LogError {
  const names = members.slice(0, MOST_NAMED).map(({ memberId, clientId, groupInstanceId, connected }) => {
    const more = [
      clientId,
      ...(groupInstanceId === undefined ? [] : [groupInstanceId]),
      ...(connected ? [] : ['held']),
    ];
    return `${memberId} (${more.join(', ')})`;
  });
  if (members.length > names.length) names.push(`${members.length - names.length} more`);
  const held = members.some(({ connected }) => !connected);
  return new LogError(
    'NON_EMPTY_GROUP',
    `group "${groupId}" has ${members.length} member(s), so ${what}: ${names.join(', ')}; stop them first` +
      (held ? '; a held one goes by itself when its sessionTimeoutMs is over' : ''),
  );
}
