// What is told of groups, whichever protocol their members speak and whoever holds them: lists and descriptions. Knows nothing of how either changes.
import {
  type GroupDescription,
  type GroupMember,
  type GroupOffset,
  type GroupSummary,
  LogError,
  type TopicPartition,
} from 'distributedlog/protocol';
import type { Cluster } from '../cluster.ts';
import { brokerError } from '../errors.ts';
import { decodeAssignment, decodeSubscription } from './classic/consumer-protocol.ts';
import { CONSUMER_GROUP_DESCRIBE, type DescribedGroup, LEAVES_FOR_A_WHILE } from './consumer/requests.ts';
import {
  type ClassicGroup,
  DELETE_GROUPS,
  DESCRIBE_GROUPS,
  LIST_GROUPS,
  type ListedGroup,
  type ListedGroups,
} from './group-requests.ts';
import type { HeldMember } from './held-member.ts';
import { clientIdOf, markOf, memberOfHidden } from './identity.ts';
import { OFFSET_FETCH } from './offset-requests.ts';
import type { GroupOffsets } from './offsets.ts';

/** What the log knows of where partitions begin and end. */
export type EndsOf = (partitions: readonly { readonly topicId: string; readonly partition: number }[]) => Promise<
  readonly {
    readonly topicId: string;
    readonly partition: number;
    readonly logStart: number;
    readonly highWatermark: number;
  }[]
>;

/** A member as its coordinator describes it. */
export interface KnownMember {
  readonly coordinatorId: string;
  /** By what it was taken up; '' where that is not known. */
  readonly mark: string;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly epoch: number;
  readonly topics: readonly string[];
  readonly assignment: readonly TopicPartition[];
  readonly target: readonly TopicPartition[];
}
export interface KnownGroup {
  readonly groupId: string;
  readonly protocol: 'consumer' | 'classic';
  readonly state: GroupSummary['state'];
  readonly epoch: number;
  readonly assignor: string;
  readonly members: readonly KnownMember[];
}

export interface DescriptionsOptions {
  readonly cluster: Cluster;
  readonly offsets: GroupOffsets;
  readonly endsOf: EndsOf;
  /** The member that this gateway holds and the coordinator calls that. */
  readonly held: (groupId: string, coordinatorId: string) => HeldMember | undefined;
}

const GROUP_ID_NOT_FOUND = 69;
/** Groups in one request. */
const MANY = 100;

export class Descriptions {
  readonly #options: DescriptionsOptions;

  constructor(options: DescriptionsOptions) {
    this.#options = options;
  }

  /** As the coordinator has it; undefined: it has none. */
  async find(groupId: string): Promise<KnownGroup | undefined> {
    const { cluster } = this.#options;
    try {
      const { groups } = await cluster.coordinator(
        groupId,
        'group',
        ({ groups: [group] }) => group?.errorCode ?? 0,
        CONSUMER_GROUP_DESCRIBE,
        [[groupId]],
      );
      const [group] = groups;
      if (group?.errorCode === 0) return ofConsumers(group);
      if (group !== undefined && group.errorCode !== GROUP_ID_NOT_FOUND) throw refused(groupId, group.errorCode);
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'UNSUPPORTED_VERSION')) throw error;
    }
    const { groups } = await cluster.coordinator(
      groupId,
      'group',
      ({ groups: [group] }) => group?.errorCode ?? 0,
      DESCRIBE_GROUPS,
      [[groupId]],
    );
    const [group] = groups;
    if (group === undefined || group.errorCode === GROUP_ID_NOT_FOUND) return undefined;
    if (group.errorCode !== 0) throw refused(groupId, group.errorCode);
    return group.groupState === 'Dead' ? undefined : ofClassics(group);
  }

  async describe(groupId: string): Promise<GroupDescription> {
    const group = await this.find(groupId);
    const offsets = group === undefined ? [] : await this.#offsetsOf(group);
    if (group === undefined || (group.members.length === 0 && offsets.length === 0)) throw notFound(groupId);
    const { state, epoch, assignor, members } = group;
    return {
      groupId,
      state,
      epoch,
      assignor: members.length === 0 || assignor === '' ? undefined : assignor,
      members: members.map((member) => this.#member(groupId, member)),
      offsets,
    };
  }

  #member(groupId: string, known: KnownMember): GroupMember {
    const { coordinatorId, instanceId, epoch, topics, assignment, target } = known;
    const held = this.#options.held(groupId, coordinatorId);
    const hidden = instanceId === undefined ? undefined : memberOfHidden(instanceId);
    const ours = hidden !== undefined || known.clientId === this.#options.cluster.settings.clientId;
    return {
      memberId: held?.memberId ?? hidden ?? coordinatorId,
      clientId: held?.clientId ?? (ours ? clientIdOf(hidden ?? coordinatorId) : known.clientId),
      groupInstanceId: hidden === undefined ? instanceId : undefined,
      epoch: held?.driver.memberEpoch ?? epoch,
      topics: [...topics].sort(),
      // Of those that others hold we only know that they are there.
      connected: held === undefined ? epoch !== LEAVES_FOR_A_WHILE : held.presence.holder !== undefined,
      assignment: sorted(held === undefined ? assignment : [...assignment, ...held.driver.revoking()]),
      targetAssignment: sorted(target),
    };
  }

  /** Of what is committed, and of what is owned and has no commit yet. */
  async #offsetsOf({ groupId, members }: KnownGroup): Promise<GroupOffset[]> {
    const { cluster, offsets, endsOf } = this.#options;
    const committed = await offsets.all(groupId);
    const partitions = new Map<string, TopicPartition & { readonly topicId: string }>();
    for (const { topic, topicId, partition } of committed.values()) {
      partitions.set(`${topicId}/${partition}`, { topic, topicId, partition });
    }
    for (const { topic, partition } of members.flatMap(({ assignment }) => assignment)) {
      const topicId = cluster.metadata.byName.get(topic)?.topicId;
      if (topicId !== undefined) partitions.set(`${topicId}/${partition}`, { topic, topicId, partition });
    }
    const ends = new Map(
      (await endsOf([...partitions.values()])).map((end) => [`${end.topicId}/${end.partition}`, end]),
    );
    const described = [...partitions].flatMap(([key, { topic, partition }]): GroupOffset[] => {
      const end = ends.get(key);
      if (end === undefined) return [];
      const { offset = null, metadata = '' } = committed.get(key) ?? {};
      const lag = Math.max(0, end.highWatermark - (offset ?? end.logStart));
      return [{ topic, partition, committed: offset, metadata, end: end.highWatermark, lag }];
    });
    return described.sort(byName);
  }

  /** Of all brokers that answer; rejects where none does. */
  async list(): Promise<GroupSummary[]> {
    const { cluster } = this.#options;
    if (cluster.metadata.brokers.size === 0) await cluster.refresh();
    const lists = await Promise.allSettled([...cluster.metadata.brokers.keys()].map((nodeId) => this.#listOf(nodeId)));
    const summaries = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
    const failed = lists.find((list) => list.status === 'rejected');
    if (failed !== undefined && lists.every((list) => list.status === 'rejected')) throw failed.reason;
    // One that moves between coordinators may be listed by both.
    const byId = new Map(summaries.map((summary) => [summary.groupId, summary]));
    return [...byId.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  }

  async #listOf(nodeId: number): Promise<GroupSummary[]> {
    const link = this.#options.cluster.link(nodeId, 'control');
    const answer: ListedGroups = await link.request(LIST_GROUPS);
    if (answer.errorCode !== 0) throw brokerError(answer.errorCode, `The groups of broker ${nodeId}`);
    const groups = answer.groups.filter(isOfConsumers);
    const summaries: GroupSummary[] = [];
    for (let i = 0; i < groups.length; i += MANY) {
      const some = groups.slice(i, i + MANY);
      const isNew = (group: ListedGroup): boolean => group.type.toLowerCase() === 'consumer';
      const idsOf = (ofNew: boolean): string[] =>
        some.filter((group) => isNew(group) === ofNew).map(({ groupId }) => groupId);
      const [consumers, classics] = [idsOf(true), idsOf(false)];
      const known: KnownGroup[] = [];
      if (consumers.length > 0) {
        const { groups: described } = await link.request(CONSUMER_GROUP_DESCRIBE, consumers);
        known.push(...described.filter(({ errorCode }) => errorCode === 0).map(ofConsumers));
      }
      if (classics.length > 0) {
        const { groups: described } = await link.request(DESCRIBE_GROUPS, classics);
        known.push(...described.filter(({ errorCode }) => errorCode === 0).map(ofClassics));
      }
      const empty = known.filter(({ members }) => members.length === 0).map(({ groupId }) => groupId);
      const kept = new Set<string>();
      if (empty.length > 0) {
        const { groups: fetched } = await link.request(
          OFFSET_FETCH,
          empty.map((groupId) => ({ groupId, topics: null })),
        );
        for (const one of fetched) if (this.#options.offsets.known(one).size > 0) kept.add(one.groupId);
      }
      for (const { groupId, state, members } of known) {
        if (members.length > 0 || kept.has(groupId)) summaries.push({ groupId, state, members: members.length });
      }
    }
    return summaries;
  }

  async delete(groupId: string): Promise<void> {
    await this.describe(groupId);
    const { results } = await this.#options.cluster.coordinator(
      groupId,
      'group',
      ({ results: [result] }) => result?.errorCode ?? 0,
      DELETE_GROUPS,
      [groupId],
    );
    const code = results[0]?.errorCode ?? 0;
    if (code !== 0) throw refused(groupId, code);
  }
}

/** Connect's workers, share groups and the like are no groups of consumers. */
function isOfConsumers({ type, protocolType }: ListedGroup): boolean {
  return ['', 'classic', 'consumer'].includes(type.toLowerCase()) && ['', 'consumer'].includes(protocolType);
}

function ofConsumers(group: DescribedGroup): KnownGroup {
  const flat = (topics: DescribedGroup['members'][number]['assignment']): TopicPartition[] =>
    topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
  return {
    groupId: group.groupId,
    protocol: 'consumer',
    state: stateOf(group.state),
    epoch: group.epoch,
    assignor: group.assignor,
    members: group.members.map((member) => ({
      coordinatorId: member.memberId,
      mark: markOf(member.memberId),
      instanceId: member.instanceId ?? undefined,
      clientId: member.clientId,
      epoch: member.memberEpoch,
      topics: member.topics,
      assignment: flat(member.assignment),
      target: flat(member.target),
    })),
  };
}

/** Where members say what we cannot read, they are there all the same. */
function ofClassics(group: ClassicGroup): KnownGroup {
  return {
    groupId: group.groupId,
    protocol: 'classic',
    state: stateOf(group.groupState),
    epoch: 0,
    assignor: group.protocolData,
    members: group.members.map((member) => {
      const assignment = readable(() =>
        [...decodeAssignment(member.memberAssignment)].flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      );
      const [subscription] = readable(() => [decodeSubscription(member.memberMetadata)]);
      return {
        coordinatorId: member.memberId,
        mark: subscription?.mark ?? '',
        instanceId: member.groupInstanceId ?? undefined,
        clientId: member.clientId,
        epoch: 0,
        topics: subscription?.topics ?? [],
        assignment,
        target: assignment,
      };
    }),
  };
}

function readable<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof LogError) return [];
    throw error;
  }
}

function stateOf(state: string): GroupSummary['state'] {
  switch (state) {
    case 'Empty':
    case 'Stable':
    case 'Assigning':
    case 'Reconciling':
    case 'Dead':
      return state;
    case 'CompletingRebalance':
      return 'Assigning';
    default:
      return 'Reconciling';
  }
}

function sorted(partitions: readonly TopicPartition[]): TopicPartition[] {
  const unique = new Map(partitions.map(({ topic, partition }) => [`${partition}/${topic}`, { topic, partition }]));
  return [...unique.values()].sort(byName);
}
function byName(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}

function notFound(groupId: string): LogError {
  return new LogError('GROUP_ID_NOT_FOUND', `There is no group "${groupId}".`);
}
function refused(groupId: string, code: number): LogError {
  return code === GROUP_ID_NOT_FOUND ? notFound(groupId) : brokerError(code, `Group "${groupId}"`);
}
