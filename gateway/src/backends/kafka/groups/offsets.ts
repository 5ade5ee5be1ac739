// Committed offsets of groups: what may be sent on behalf of whom, in which order, and what is read back. Knows nothing of how members come and go.
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import {
  type CommitAnswer,
  type CommittedOffset,
  checkCommit,
  type GroupOffsetToCommit,
  type PartitionRef,
} from 'distributedlog/server';
import type { Cluster } from '../cluster.ts';
import { brokerError } from '../errors.ts';
import { pause, within } from '../pause.ts';
import type { HeldMember } from './held-member.ts';
import { keyOf } from './holding.ts';
import { laneOf } from './lanes.ts';
import type { MemberDriver } from './member-driver.ts';
import {
  type CommitResponse,
  type FetchedGroup,
  type FetchedOffset,
  type FetchGroup,
  OFFSET_COMMIT,
  OFFSET_FETCH,
} from './offset-requests.ts';

/** Committed offsets by `topicId/partition`. */
export type KnownOffsets = ReadonlyMap<string, CommittedOffset & { readonly topic: string }>;

const RETRY_MS = 50;
/** Kafka's number for: a transaction is about to change the offset. */
const UNSTABLE_OFFSET_COMMIT = 88;

/** What is needed of a cluster. */
export type OffsetsCluster = Pick<Cluster, 'coordinator' | 'metadata' | 'refresh' | 'settings'>;
/** What is needed of a member that commits. */
export type Committer = Pick<HeldMember, 'memberId' | 'instanceId' | 'isGone'> & {
  readonly driver: Pick<MemberDriver, 'memberId' | 'memberEpoch' | 'owns' | 'refresh'>;
};

export class GroupOffsets {
  readonly #cluster: OffsetsCluster;
  readonly #clock: Clock;
  /** The last commit of each member of each group that has one under way; '' for those of no member. */
  readonly #pending = new Map<string, Map<string, Promise<unknown>>>();

  constructor(cluster: OffsetsCluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** `member`: who commits; undefined: the group should have none. Each wrong entry is refused by itself. */
  async commit(
    groupId: string,
    member: Committer | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<CommitAnswer[]> {
    const check = (offset: GroupOffsetToCommit): CommitAnswer =>
      checkCommit(
        offset,
        this.#cluster.metadata.byId.get(offset.topicId),
        member === undefined || member.driver.owns(offset),
      );
    const isKnown = ({ topicId }: PartitionRef): boolean => this.#cluster.metadata.byId.has(topicId);
    const checked = offsets.map(check);
    const waiting = offsets.filter((offset, i) => !isKnown(offset) || checked[i]?.error === undefined);
    if (waiting.length === 0) return checked;
    const answers = await this.#inTurn(groupId, member?.memberId ?? '', async () => {
      // In its turn, too: one that looks for its topics first is not overtaken by the next.
      if (!waiting.every(isKnown)) await this.#cluster.refresh();
      return this.#send(groupId, member, waiting, check);
    });
    return offsets.map((offset, i) => answers.get(offset) ?? checked[i] ?? offset);
  }

  /** One after the other: what is tried again cannot overtake what came later. */
  async #inTurn<T>(groupId: string, memberId: string, work: () => Promise<T>): Promise<T> {
    const ofGroup = this.#pending.get(groupId) ?? new Map<string, Promise<unknown>>();
    this.#pending.set(groupId, ofGroup);
    const before = ofGroup.get(memberId);
    const mine = before === undefined ? work() : before.then(work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    ofGroup.set(memberId, settled);
    try {
      return await mine;
    } finally {
      if (ofGroup.get(memberId) === settled) ofGroup.delete(memberId);
      if (ofGroup.size === 0 && this.#pending.get(groupId) === ofGroup) this.#pending.delete(groupId);
    }
  }

  async #send(
    groupId: string,
    member: Committer | undefined,
    offsets: readonly GroupOffsetToCommit[],
    check: (offset: GroupOffsetToCommit) => CommitAnswer,
  ): Promise<Map<GroupOffsetToCommit, CommitAnswer>> {
    const until = this.#clock.now() + this.#cluster.settings.requestTimeoutMs;
    const answers = new Map<GroupOffsetToCommit, CommitAnswer>();
    for (let waiting = offsets; ; ) {
      // Checked again every time: what the member owns changes while a commit waits, and coordinators do not look at that.
      const left = waiting.filter((offset) => {
        const answer = check(offset);
        if (answer.error !== undefined) answers.set(offset, answer);
        return answer.error === undefined;
      });
      if (left.length === 0) return answers;
      const epoch = member?.driver.memberEpoch;
      const codes = await this.#ask(groupId, member, left);
      const again: GroupOffsetToCommit[] = [];
      let last: LogError | undefined;
      for (const offset of left) {
        const { topicId, partition } = offset;
        const code = codes.get(keyOf(offset)) ?? 0;
        if (code === 0) {
          answers.set(offset, { topicId, partition });
          continue;
        }
        const error = brokerError(code, `Commit of group "${groupId}"`, { partition });
        if (mayPass(error, member)) {
          again.push(offset);
          last = error;
        } else if (isOfTheGroup(error)) throw error;
        else answers.set(offset, { topicId, partition, error });
      }
      const waitMs = until - this.#clock.now();
      if (last !== undefined && waitMs <= 0) throw last;
      if (again.length > 0) {
        const isOld = member !== undefined && member.driver.memberEpoch === epoch;
        if (isOld) await within(this.#clock, waitMs, member.driver.refresh());
        if (member?.driver.memberEpoch === epoch) await pause(this.#clock, Math.min(RETRY_MS, waitMs));
      }
      waiting = again;
    }
  }

  /** Error codes by partition. */
  async #ask(
    groupId: string,
    member: Committer | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<Map<string, number>> {
    const ids = new Map<string, string>();
    const topics = new Map<string, GroupOffsetToCommit[]>();
    for (const offset of offsets) {
      const name = this.#cluster.metadata.byId.get(offset.topicId)?.name;
      if (name === undefined)
        throw new LogError('UNKNOWN_TOPIC_ID', `There is no topic with the id ${offset.topicId}.`);
      ids.set(name, offset.topicId);
      const ofTopic = topics.get(name);
      if (ofTopic === undefined) topics.set(name, [offset]);
      else ofTopic.push(offset);
    }
    const request = {
      groupId,
      memberId: member?.driver.memberId ?? '',
      memberEpoch: member?.driver.memberEpoch ?? -1,
      instanceId: member?.instanceId ?? null,
      topics: [...topics].map(([name, ofTopic]) => ({
        name,
        partitions: ofTopic.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
          partitionIndex: partition,
          committedOffset: BigInt(offset),
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadata,
        })),
      })),
    };
    const lane = laneOf(member?.instanceId ?? groupId);
    const answer = await this.#cluster.coordinator(groupId, lane, codeOfCommit, OFFSET_COMMIT, [request]);
    const codes = new Map<string, number>();
    for (const { name, partitions } of answer.topics) {
      const topicId = ids.get(name);
      if (topicId === undefined) continue;
      for (const { partitionIndex, errorCode } of partitions) {
        codes.set(keyOf({ topicId, partition: partitionIndex }), errorCode);
      }
    }
    return codes;
  }

  /** In the order asked for. Commits made before, through this gateway, have taken effect. */
  async committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]> {
    await Promise.all(this.#pending.get(groupId)?.values() ?? []);
    if (partitions.some(({ topicId }) => !this.#cluster.metadata.byId.has(topicId))) await this.#cluster.refresh();
    const names = new Map<string, Set<number>>();
    for (const { topicId, partition } of partitions) {
      const name = this.#cluster.metadata.byId.get(topicId)?.name;
      if (name !== undefined) names.set(name, (names.get(name) ?? new Set()).add(partition));
    }
    const topics = [...names].map(([name, numbers]) => ({ name, partitionIndexes: [...numbers] }));
    const known = topics.length === 0 ? new Map() : await this.#fetch({ groupId, topics });
    return partitions.map((ref) => known.get(keyOf(ref)) ?? { ...plain(ref), offset: null, metadata: '' });
  }

  /** All that the group has, of topics that exist. */
  async all(groupId: string): Promise<KnownOffsets> {
    await Promise.all(this.#pending.get(groupId)?.values() ?? []);
    return this.#fetch({ groupId, topics: null });
  }

  async #fetch(group: FetchGroup): Promise<KnownOffsets> {
    const { groupId } = group;
    const until = this.#clock.now() + this.#cluster.settings.requestTimeoutMs;
    for (;;) {
      const { groups } = await this.#cluster.coordinator(
        groupId,
        'group',
        (answer) => answer.groups[0]?.errorCode ?? 0,
        OFFSET_FETCH,
        [[group]],
      );
      const [answer] = groups;
      if (answer !== undefined && answer.errorCode !== 0) throw brokerError(answer.errorCode, `Group "${groupId}"`);
      const isUnsettled = answer?.topics.some(({ partitions }) =>
        partitions.some(({ errorCode }) => errorCode === UNSTABLE_OFFSET_COMMIT),
      );
      if (isUnsettled !== true || this.#clock.now() + RETRY_MS >= until) return this.known(answer);
      await pause(this.#clock, RETRY_MS);
    }
  }

  known(answer: FetchedGroup | undefined): KnownOffsets {
    const offsets = new Map<string, CommittedOffset & { topic: string }>();
    for (const { name, partitions } of answer?.topics ?? []) {
      const topicId = this.#cluster.metadata.byName.get(name)?.topicId;
      if (topicId === undefined) continue;
      for (const fetched of partitions) {
        const offset = committedOffset(topicId, name, fetched);
        if (offset !== undefined) offsets.set(keyOf(offset), offset);
      }
    }
    return offsets;
  }
}

function plain({ topicId, partition }: PartitionRef): PartitionRef {
  return { topicId, partition };
}

function committedOffset(
  topicId: string,
  topic: string,
  { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch, metadata, errorCode }: FetchedOffset,
): (CommittedOffset & { topic: string }) | undefined {
  const base = { topic, topicId, partition, metadata: metadata ?? '' };
  if (errorCode !== 0) return { ...base, offset: null, error: brokerError(errorCode, `${topic}-${partition}`) };
  if (offset < 0n) return undefined;
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) {
    const message = `The committed offset ${offset} of ${topic}-${partition} is beyond 2^53 - 1.`;
    return { ...base, offset: null, error: new LogError('OFFSET_OUT_OF_RANGE', message, { topic, partition }) };
  }
  return {
    ...base,
    offset: Number(offset),
    ...(committedLeaderEpoch < 0 ? {} : { leaderEpoch: committedLeaderEpoch }),
  };
}

/** Codes of the group as a whole are those of every partition. */
function codeOfCommit({ topics }: CommitResponse): number {
  return topics[0]?.partitions[0]?.errorCode ?? 0;
}

/** The same commit may be taken a little later. */
function mayPass({ code }: LogError, member: Committer | undefined): boolean {
  if (code === 'STALE_MEMBER_EPOCH' || code === 'REBALANCE_IN_PROGRESS') return member !== undefined && !member.isGone;
  return code === 'COORDINATOR_LOAD_IN_PROGRESS';
}

function isOfTheGroup({ code }: LogError): boolean {
  switch (code) {
    case 'UNKNOWN_MEMBER_ID':
    case 'FENCED_MEMBER_EPOCH':
    case 'FENCED_INSTANCE_ID':
    case 'STALE_MEMBER_EPOCH':
    case 'REBALANCE_IN_PROGRESS':
    case 'GROUP_AUTHORIZATION_FAILED':
    case 'INVALID_GROUP_ID':
    case 'GROUP_ID_NOT_FOUND':
      return true;
    default:
      return false;
  }
}
