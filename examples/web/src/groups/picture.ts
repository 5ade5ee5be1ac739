// Who owns what, as a picture needs it: every partition with its owner and where it goes, every member with its share. Knows nothing of elements.
import type { GroupDescription, GroupOffset, TopicDescription, TopicPartition } from 'distributedlog';
import { type MemberRef, refsOf } from './members.ts';

export interface Cell extends TopicPartition {
  readonly key: string;
  /** Who may be working on it now. */
  readonly owner: MemberRef | null;
  /** Who will have it; null: nobody that is there. */
  readonly target: MemberRef | null;
  /** It changes hands: held by one, promised to another or to nobody. */
  readonly moving: boolean;
  /** The connection of its owner is lost. */
  readonly kept: boolean;
  readonly committed: number | null;
  readonly end: number | null;
  /** Records not committed yet. */
  readonly lag: number | null;
}
export interface MemberShare extends MemberRef {
  readonly clientId: string;
  readonly instanceId: string | undefined;
  readonly epoch: number;
  readonly connected: boolean;
  readonly topics: readonly string[];
  readonly owned: number;
  /** Partitions promised to it that others hold; partitions that it has to give up. */
  readonly coming: number;
  readonly going: number;
  readonly lag: number;
}
export interface Picture {
  readonly topics: readonly { readonly name: string; readonly cells: readonly Cell[] }[];
  readonly members: readonly MemberShare[];
  readonly partitions: number;
  readonly moving: number;
  readonly unowned: number;
  readonly lag: number;
  readonly maxLag: number;
}

export const cellKey = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

/** `known`: the topics there are; they tell of partitions that nobody owns and nobody has committed. */
export function pictureOf(group: GroupDescription, known: readonly TopicDescription[]): Picture {
  const refs = refsOf(group.members);
  const owners = new Map<string, number>();
  const targets = new Map<string, number>();
  const offsets = new Map<string, GroupOffset>(group.offsets.map((offset) => [cellKey(offset), offset]));
  const described = new Map(known.map((topic) => [topic.name, topic]));
  const numbers = new Map<string, Set<number>>();
  const add = ({ topic, partition }: TopicPartition): void => {
    const found = numbers.get(topic);
    if (found === undefined) numbers.set(topic, new Set([partition]));
    else found.add(partition);
  };
  for (const [index, member] of group.members.entries()) {
    for (const partition of member.assignment) {
      add(partition);
      if (!owners.has(cellKey(partition))) owners.set(cellKey(partition), index);
    }
    for (const partition of member.targetAssignment) {
      add(partition);
      targets.set(cellKey(partition), index);
    }
    for (const topic of member.topics) described.get(topic)?.partitions.forEach(add);
  }
  for (const offset of group.offsets) {
    add(offset);
    described.get(offset.topic)?.partitions.forEach(add);
  }

  const shares = group.members.map(() => ({ owned: 0, coming: 0, going: 0, lag: 0 }));
  const sum = { partitions: 0, moving: 0, unowned: 0, lag: 0, maxLag: 0 };
  const topics = [...numbers.keys()].sort().map((name) => {
    const about = new Map(described.get(name)?.partitions.map((partition) => [partition.partition, partition]));
    const cells = [...(numbers.get(name) ?? [])]
      .sort((a, b) => a - b)
      .map((partition): Cell => {
        const key = cellKey({ topic: name, partition });
        const owner = owners.get(key);
        const target = targets.get(key);
        const offset = offsets.get(key);
        const log = about.get(partition);
        const lag = offset?.lag ?? (log === undefined ? null : log.highWatermark - log.logStart);
        const moving = owner !== target;
        const share = owner === undefined ? undefined : shares[owner];
        const next = target === undefined ? undefined : shares[target];
        if (share !== undefined) {
          share.owned += 1;
          share.lag += lag ?? 0;
          if (moving) share.going += 1;
        }
        if (moving && next !== undefined) next.coming += 1;
        sum.partitions += 1;
        if (moving) sum.moving += 1;
        if (owner === undefined) sum.unowned += 1;
        sum.lag += lag ?? 0;
        sum.maxLag = Math.max(sum.maxLag, lag ?? 0);
        return {
          key,
          topic: name,
          partition,
          owner: owner === undefined ? null : (refs[owner] ?? null),
          target: target === undefined ? null : (refs[target] ?? null),
          moving,
          kept: owner !== undefined && group.members[owner]?.connected === false,
          committed: offset?.committed ?? null,
          end: offset?.end ?? log?.highWatermark ?? null,
          lag,
        };
      });
    return { name, cells };
  });
  const members = group.members.map((member, index): MemberShare => {
    const { memberId, clientId, groupInstanceId, epoch, connected } = member;
    const { name = clientId, tag = memberId } = refs[index] ?? {};
    const share = shares[index] ?? { owned: 0, coming: 0, going: 0, lag: 0 };
    return {
      memberId,
      name,
      tag,
      clientId,
      instanceId: groupInstanceId,
      epoch,
      connected,
      topics: member.topics,
      ...share,
    };
  });
  members.sort((a, b) => byName.compare(a.name, b.name) || (a.memberId < b.memberId ? -1 : 1));
  return { topics, members, ...sum };
}

/** host-2 before host-10. */
const byName = new Intl.Collator('en', { numeric: true });

/** How full a cell is drawn, 0 to 1, by orders of magnitude: a lag of ten is seen beside one of a million. */
export function lagDepth(lag: number | null, maxLag: number): number {
  if (lag === null || lag <= 0) return 0;
  return Math.min(1, Math.log10(1 + lag) / Math.log10(1 + Math.max(maxLag, 999)));
}

export type CellSize = 'large' | 'medium' | 'small';
export function cellSize(partitions: number): CellSize {
  if (partitions <= 72) return 'large';
  return partitions <= 320 ? 'medium' : 'small';
}

/** What a screen reader says of a cell. */
export function cellLabel(cell: Cell): string {
  const nameOf = (member: MemberRef): string => `${member.name} ${member.tag}`;
  const who = cell.owner === null ? 'owned by nobody' : `owned by ${nameOf(cell.owner)}`;
  const kept = cell.kept ? ', connection lost, kept' : '';
  const next = !cell.moving ? '' : cell.target === null ? ', being given up' : `, going to ${nameOf(cell.target)}`;
  return `${cell.topic} partition ${cell.partition}, ${who}${kept}${next}, lag ${cell.lag ?? 'unknown'}`;
}
