// The group coordinator of our own logs: members, and commits fenced by them. Knows nothing of how offsets are stored or how partitions are shared out.
import type { Clock, Random } from '../core/index.ts';
import {
  type ErrorCode,
  type GroupDescription,
  type GroupOffset,
  type GroupSummary,
  LogError,
  PROTOCOL_LIMITS,
} from '../protocol/index.ts';
import { Group, groupKey, Member, type TopicCatalogue } from './group.ts';
import type {
  Assignment,
  CommittedOffset,
  GroupOffsetToCommit,
  GroupPort,
  GroupStore,
  JoinRequest,
  MemberListener,
  Membership,
  PartitionRef,
} from './log.ts';
import { randomUuid } from './random-id.ts';
import { utf8Length } from './utf8-length.ts';

export interface CoordinatedGroupsOptions {
  readonly store: GroupStore;
  readonly topics: TopicCatalogue;
  readonly clock: Clock;
  readonly random: Random;
}
export interface CoordinatedGroups extends GroupPort {
  /** Call after topics were created, changed or deleted: assignments follow. */
  topicsChanged(): void;
  /** Drops all members without a word and cancels every timer. */
  close(): void;
}

const MAX_HEARTBEAT_INTERVAL_MS = 25_000;
type CommitAnswer = PartitionRef & { readonly error?: LogError | undefined };

export function coordinatedGroups(options: CoordinatedGroupsOptions): CoordinatedGroups {
  return new Coordinator(options);
}

class Coordinator implements CoordinatedGroups {
  readonly #options: CoordinatedGroupsOptions;
  /** Only groups with members; the others live in the store. */
  readonly #groups = new Map<string, Group>();
  /** The last write of each group that has one under way: who reads a group’s offsets waits for it. */
  readonly #writes = new Map<string, Promise<void>>();

  constructor(options: CoordinatedGroupsOptions) {
    this.#options = options;
  }

  async join(request: JoinRequest, listener: MemberListener): Promise<Membership> {
    const { topics, clock, random } = this.#options;
    const { groupId } = request;
    if (groupId === '') throw new LogError('INVALID_GROUP_ID', 'A group id has 1 to 255 characters.');
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = new Group(groupId, topics, clock, () => this.#groups.delete(groupId));
      this.#groups.set(groupId, group);
    }
    const member = new Member(request.memberId ?? randomUuid(random), request, listener);
    group.add(member);
    return this.#membership(group, member);
  }

  #membership(group: Group, member: Member): Membership {
    const alive = () => group.find(member.memberId) === member;
    return {
      groupId: group.groupId,
      memberId: member.memberId,
      heartbeatIntervalMs: Math.max(
        1,
        Math.min(MAX_HEARTBEAT_INTERVAL_MS, Math.floor(member.request.sessionTimeoutMs / 3)),
      ),
      get memberEpoch(): number {
        return member.epoch;
      },
      get partitions(): Assignment['partitions'] {
        return member.assignment().partitions;
      },
      update: async (topics) => {
        if (!alive()) throw unknownMember(group.groupId, member.memberId);
        group.update(member, topics);
        return member.assignment();
      },
      owned: (memberEpoch, partitions) => {
        if (!alive()) return;
        const held = new Set<string>();
        for (const { topicId, partitions: numbers } of partitions) {
          for (const partition of numbers) held.add(groupKey({ topicId, partition }));
        }
        group.letGo(member, memberEpoch, held);
      },
      leave: async () => group.remove(member),
      release: () => group.remove(member),
    };
  }

  async commit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<CommitAnswer[]> {
    const holder = this.#admit(groupId, member);
    const answers = offsets.map((offset) => this.#check(offset, holder));
    const accepted = offsets.filter((_, i) => answers[i]?.error === undefined);
    // Nothing is awaited before the write begins: commits reach the store in the order they were made.
    if (accepted.length > 0) await this.#write(groupId, accepted);
    return answers;
  }

  /** The member that commits, if it may. */
  #admit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
  ): Member | undefined {
    if (groupId === '') throw new LogError('INVALID_GROUP_ID', 'A group id has 1 to 255 characters.');
    const group = this.#groups.get(groupId);
    if (member === undefined) {
      if (group === undefined || group.isEmpty) return undefined;
      throw new LogError(
        'UNKNOWN_MEMBER_ID',
        `Group "${groupId}" has members: only they may commit. Use another groupId with assign().`,
      );
    }
    const found = group?.find(member.memberId);
    if (found === undefined) throw unknownMember(groupId, member.memberId);
    if (member.memberEpoch < found.epoch) {
      const message = `Member epoch ${member.memberEpoch} is old; the present one is ${found.epoch}.`;
      throw new LogError('STALE_MEMBER_EPOCH', message);
    }
    if (member.memberEpoch > found.epoch) {
      const message = `Member epoch ${member.memberEpoch} was never given; the present one is ${found.epoch}.`;
      throw new LogError('FENCED_MEMBER_EPOCH', message);
    }
    return found;
  }

  #check(offset: GroupOffsetToCommit, holder: Member | undefined): CommitAnswer {
    const { topicId, partition, metadata } = offset;
    const refuse = (code: ErrorCode, message: string) => ({
      topicId,
      partition,
      error: new LogError(code, message, { partition }),
    });
    if (!Number.isSafeInteger(offset.offset) || offset.offset < 0) {
      return refuse('INVALID_REQUEST', `Offset ${offset.offset} cannot be committed: 0 to 2^53 - 1 are allowed.`);
    }
    const topic = this.#options.topics.byId(topicId);
    if (topic === undefined) return refuse('UNKNOWN_TOPIC_ID', `There is no topic with the id ${topicId}.`);
    if (!topic.partitions.some((one) => one.partition === partition)) {
      return refuse('UNKNOWN_TOPIC_OR_PARTITION', `Topic "${topic.name}" has no partition ${partition}.`);
    }
    if (holder !== undefined && !holder.held.has(groupKey(offset))) {
      return refuse('FENCED_MEMBER_EPOCH', `The member does not own ${topic.name}-${partition}.`);
    }
    const limit = PROTOCOL_LIMITS.maxOffsetMetadataBytes;
    if (metadata !== undefined && utf8Length(metadata, limit) > limit) {
      return refuse('OFFSET_METADATA_TOO_LARGE', `Metadata may have ${limit} bytes.`);
    }
    return { topicId, partition };
  }

  #write(groupId: string, offsets: readonly GroupOffsetToCommit[]): Promise<void> {
    const write = this.#options.store.write(groupId, offsets);
    const before = this.#writes.get(groupId);
    // A write that fails is told to whoever committed; who only waits for it goes on.
    const settled = Promise.allSettled([before, write]).then(() => {
      if (this.#writes.get(groupId) === settled) this.#writes.delete(groupId);
    });
    this.#writes.set(groupId, settled);
    return write;
  }

  async committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]> {
    const stored = await this.#stored(groupId);
    return partitions.map(({ topicId, partition }) => {
      const found = stored.get(groupKey({ topicId, partition }));
      return {
        topicId,
        partition,
        offset: found?.offset ?? null,
        metadata: found?.metadata ?? '',
        leaderEpoch: found?.leaderEpoch,
      };
    });
  }

  /** Offsets of topics that exist; those of a deleted one mean nothing any more. */
  async #stored(groupId: string) {
    await this.#writes.get(groupId);
    const stored = await this.#options.store.read(groupId);
    const existing = stored.filter(({ topicId }) => this.#options.topics.byId(topicId) !== undefined);
    return new Map(existing.map((offset) => [groupKey(offset), offset]));
  }

  async list(): Promise<GroupSummary[]> {
    const ids = new Set([...this.#groups.keys(), ...(await this.#options.store.groups())]);
    return [...ids].sort().map((groupId) => {
      const group = this.#groups.get(groupId);
      return { groupId, state: stateOf(group), members: group?.members().length ?? 0 };
    });
  }

  async describe(groupId: string): Promise<GroupDescription> {
    const stored = await this.#stored(groupId);
    const group = this.#groups.get(groupId);
    if (group === undefined && stored.size === 0) {
      throw new LogError('GROUP_ID_NOT_FOUND', `There is no group "${groupId}".`);
    }
    const members = group?.members() ?? [];
    // What is committed, and what is owned and has no commit yet.
    const partitions = new Map<string, PartitionRef>(stored);
    for (const member of members) for (const [key, owned] of member.held) partitions.set(key, owned);
    const offsets: GroupOffset[] = [];
    for (const [key, { topicId, partition }] of partitions) {
      const topic = this.#options.topics.byId(topicId);
      const info = topic?.partitions.find((one) => one.partition === partition);
      if (topic === undefined || info === undefined) continue;
      const committed = stored.get(key);
      const end = info.highWatermark;
      offsets.push({
        topic: topic.name,
        partition,
        committed: committed?.offset ?? null,
        metadata: committed?.metadata ?? '',
        end,
        lag: Math.max(0, end - (committed?.offset ?? info.logStart)),
      });
    }
    offsets.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
    return {
      groupId,
      state: stateOf(group),
      epoch: group?.epoch ?? 0,
      members: members.map((member) => ({
        memberId: member.memberId,
        clientId: member.request.clientId,
        groupInstanceId: member.request.instanceId,
        epoch: member.epoch,
        topics: [...member.topics].sort(),
        connected: true,
        assignment: [...member.held.values()].map(({ topic, partition }) => ({ topic, partition })),
        targetAssignment: [...member.assigned.values()].map(({ topic, partition }) => ({ topic, partition })),
      })),
      offsets,
    };
  }

  async delete(groupId: string): Promise<void> {
    const { members } = await this.describe(groupId);
    if (members.length > 0) throw new LogError('NON_EMPTY_GROUP', `Group "${groupId}" has ${members.length} members.`);
    await this.#options.store.remove(groupId);
  }

  topicsChanged(): void {
    for (const group of this.#groups.values()) group.reconcile();
  }

  close(): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members()) member.cancelRevocation?.();
    }
    this.#groups.clear();
  }
}

function stateOf(group: Group | undefined): GroupSummary['state'] {
  if (group === undefined || group.isEmpty) return 'Empty';
  return group.isReconciling ? 'Reconciling' : 'Stable';
}

function unknownMember(groupId: string, memberId: string): LogError {
  return new LogError('UNKNOWN_MEMBER_ID', `Group "${groupId}" has no member ${memberId}.`);
}
