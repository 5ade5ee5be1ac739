// A group coordinator of Kafka's newer protocol in memory, as far as members see one: epochs, revocation, static members, sessions; and a cluster whose answers get lost. For tests without a broker.

import { LogError } from 'distributedlog/protocol';
import { assignPartitions } from 'distributedlog/server';
import { type ManualClock } from 'distributedlog/testing';
import type { ApiFamily } from '../../api-family.ts';
import { brokerError } from '../../errors.ts';
import { Metadata } from '../../metadata.ts';
import type { DriverCluster } from './driver.ts';
import { CODES } from './heartbeats.ts';
import {
  CONSUMER_GROUP_DESCRIBE,
  CONSUMER_GROUP_HEARTBEAT,
  type DescribedGroup,
  type Heartbeat,
  type HeartbeatAnswer,
  LEAVES,
  LEAVES_FOR_A_WHILE,
  type TopicPartitions,
} from './requests.ts';

type Keys = ReadonlySet<string>;
const NONE: Keys = new Set();

interface Member {
  readonly memberId: string;
  readonly instanceId: string;
  readonly topics: readonly string[];
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly assigned: Keys;
  /** To be let go of before anything else. */
  readonly pending: Keys;
  readonly seenAt: number;
}
export const SESSION_MS = 10_000;
export const INTERVAL_MS = 1_000;

export class TestCoordinator {
  readonly #clock: ManualClock;
  readonly topics = new Map<string, number>();
  members = new Map<string, Member>();
  #targets = new Map<string, Keys>();
  epoch = 0;
  /** Whose session ended. */
  readonly expired = new Set<string>();
  readonly beats: Heartbeat[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  setTopic(name: string, partitions: number): void {
    this.topics.set(name, partitions);
    this.#retarget();
  }

  heartbeat(beat: Heartbeat): HeartbeatAnswer {
    this.beats.push(beat);
    this.#expire();
    const { memberId, instanceId, memberEpoch } = beat;
    const holder = [...this.members.values()].find((member) => member.instanceId === instanceId);
    if (memberEpoch === 0) return this.#join(beat, holder);
    if (holder === undefined) return refuse(CODES.UNKNOWN_MEMBER_ID);
    if (holder.memberId !== memberId) return refuse(CODES.FENCED_INSTANCE_ID);
    if (memberEpoch === LEAVES) {
      this.members.delete(memberId);
      this.#retarget();
      return accept(LEAVES, undefined);
    }
    if (memberEpoch === LEAVES_FOR_A_WHILE) {
      this.#put({ ...holder, epoch: LEAVES_FOR_A_WHILE, pending: NONE });
      return accept(LEAVES_FOR_A_WHILE, undefined);
    }
    const owned = beat.owned === undefined ? undefined : keysOf(beat.owned);
    if (memberEpoch > holder.epoch) return refuse(CODES.FENCED_MEMBER_EPOCH);
    if (memberEpoch < holder.epoch) {
      const isLate = memberEpoch === holder.previousEpoch && owned !== undefined && isSubset(owned, holder.assigned);
      if (!isLate) return refuse(CODES.FENCED_MEMBER_EPOCH);
    }
    return this.#follow(holder, beat, owned);
  }

  #join(beat: Heartbeat, holder: Member | undefined): HeartbeatAnswer {
    const { memberId, instanceId, topics, rebalanceTimeoutMs, owned } = beat;
    if (topics === undefined || rebalanceTimeoutMs === undefined || owned?.length !== 0) return refuse(42);
    if (holder !== undefined && holder.epoch !== LEAVES_FOR_A_WHILE) return refuse(CODES.UNRELEASED_INSTANCE_ID);
    const fresh = {
      memberId,
      instanceId,
      topics,
      epoch: 0,
      previousEpoch: 0,
      assigned: NONE,
      pending: NONE,
      seenAt: 0,
    };
    if (holder === undefined) {
      this.#put(fresh);
      this.#retarget();
      return this.#follow(fresh, beat, undefined);
    }
    this.members.delete(holder.memberId);
    const target = this.#targets.get(holder.memberId) ?? NONE;
    this.#targets.delete(holder.memberId);
    this.#targets.set(memberId, target);
    const again = { ...fresh, topics: holder.topics, assigned: holder.assigned };
    this.#put(again);
    return this.#follow(again, beat, undefined);
  }

  #follow(before: Member, beat: Heartbeat, owned: Keys | undefined): HeartbeatAnswer {
    let member = { ...before, topics: beat.topics ?? before.topics, seenAt: this.#clock.now() };
    this.#put(member);
    if (member.topics.join() !== before.topics.join()) this.#retarget();
    const target = this.#targets.get(member.memberId) ?? NONE;
    const isRevoking = member.pending.size > 0 && (owned === undefined || intersects(owned, member.pending));
    if (!isRevoking) {
      member = { ...member, pending: NONE };
      const going = minus(member.assigned, target);
      const staying = minus(member.assigned, going);
      if (going.size > 0 && (owned === undefined || intersects(owned, going))) {
        member = { ...member, assigned: staying, pending: going };
      } else {
        const taken = [...this.members.values()].flatMap((other) =>
          other.memberId === member.memberId ? [] : [...other.assigned, ...other.pending],
        );
        const assigned = new Set([...staying, ...minus(target, new Set(taken))]);
        const previousEpoch = member.epoch === this.epoch ? member.previousEpoch : member.epoch;
        member = { ...member, assigned, epoch: this.epoch, previousEpoch };
      }
    }
    this.#put(member);
    const isFull = beat.topics !== undefined && beat.owned !== undefined;
    const isNews = isFull || beat.memberEpoch === 0 || [...member.assigned].join() !== [...before.assigned].join();
    return accept(member.epoch, isNews ? topicsOf(member.assigned) : undefined);
  }

  describe(): DescribedGroup {
    this.#expire();
    const members = [...this.members.values()].map(({ memberId, instanceId, epoch, topics }) => ({
      memberId,
      instanceId,
      memberEpoch: epoch,
      clientId: '',
      topics,
      assignment: [],
      target: [],
    }));
    return { errorCode: 0, errorMessage: null, groupId: 'g', state: '', epoch: this.epoch, assignor: '', members };
  }

  #put(member: Member): void {
    this.members.set(member.memberId, member);
  }
  #expire(): void {
    const late = [...this.members.values()].filter(
      ({ seenAt }) => this.#clock.now() - seenAt > SESSION_MS && seenAt > 0,
    );
    for (const { memberId } of late) {
      this.members.delete(memberId);
      this.expired.add(memberId);
    }
    if (late.length > 0) this.#retarget();
  }
  #retarget(): void {
    this.epoch++;
    const members = [...this.members.values()];
    const shared = assignPartitions(
      'uniform',
      members.map(({ memberId, topics }) => ({
        memberId,
        topics: new Set(topics),
        owned: new Map(topicsOf(this.#targets.get(memberId) ?? NONE).map((of) => [of.topicId, of.partitions])),
      })),
      [...this.topics].map(([name, partitions]) => ({
        name,
        topicId: `id of ${name}`,
        partitions: Array.from({ length: partitions }, (_, i) => i),
      })),
    );
    this.#targets = new Map(
      members.map(({ memberId }) => {
        const topics = [...(shared.get(memberId) ?? [])].map(([topicId, partitions]) => ({ topicId, partitions }));
        return [memberId, keysOf(topics)];
      }),
    );
  }
}

/** What may happen to a request. */
export type Fate = 'well' | 'request lost' | 'answer lost' | 'not coordinator';

export class TestCluster implements DriverCluster {
  readonly settings: DriverCluster['settings'];
  metadata = Metadata.NONE;
  /** Topics that brokers do not tell of yet. */
  readonly hidden = new Set<string>();
  /** Of the next requests; after them all go well. */
  fates: Fate[] = [];
  readonly #coordinator: TestCoordinator;
  readonly #clock: ManualClock;

  constructor(coordinator: TestCoordinator, clock: ManualClock, settings: DriverCluster['settings']) {
    this.#coordinator = coordinator;
    this.#clock = clock;
    this.settings = settings;
  }

  async refresh(): Promise<Metadata> {
    await this.#pause(5);
    this.metadata = new Metadata({
      brokers: [],
      controllerId: 0,
      topics: [...this.#coordinator.topics].flatMap(([name, partitions]) =>
        this.hidden.has(name)
          ? []
          : {
              name,
              topicId: `id of ${name}`,
              errorCode: 0,
              isInternal: false,
              partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
                partitionIndex,
                leaderId: 0,
                leaderEpoch: 0,
              })),
            },
      ),
    });
    return this.metadata;
  }

  async coordinator<Args extends readonly unknown[], Answer>(
    _groupId: string,
    _purpose: string,
    _codeOf: (answer: Answer) => number,
    family: ApiFamily<Args, Answer>,
    args: Args,
    timeoutMs = 30_000,
  ): Promise<Answer> {
    const until = this.#clock.now() + timeoutMs;
    for (;;) {
      const fate = this.fates.shift() ?? 'well';
      await this.#pause(3);
      let answer: unknown;
      if (fate === 'well' || fate === 'answer lost') answer = this.#answer(family.name, args);
      await this.#pause(3);
      // What the family's requests are answered with is what the coordinator here answers them with.
      if (fate === 'well') return answer as Answer;
      if (this.#clock.now() + 100 >= until) {
        throw fate === 'not coordinator' ? brokerError(16, 'it') : new LogError('BROKER_NOT_AVAILABLE', fate);
      }
      await this.#pause(100);
    }
  }

  #answer(name: string, args: readonly unknown[]): unknown {
    if (name === CONSUMER_GROUP_DESCRIBE.name) return { throttleTimeMs: 0, groups: [this.#coordinator.describe()] };
    if (name === CONSUMER_GROUP_HEARTBEAT.name) return this.#coordinator.heartbeat(args[0] as Heartbeat);
    throw new Error(name);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

function refuse(errorCode: number): HeartbeatAnswer {
  return { ...accept(0, undefined), errorCode };
}
function accept(memberEpoch: number, assignment: readonly TopicPartitions[] | undefined): HeartbeatAnswer {
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    memberEpoch,
    heartbeatIntervalMs: INTERVAL_MS,
    assignment,
  };
}

function keysOf(topics: readonly TopicPartitions[]): Keys {
  return new Set(topics.flatMap(({ topicId, partitions }) => partitions.map((partition) => `${topicId}/${partition}`)));
}
export function topicsOf(keys: Keys): TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const key of keys) {
    const [topicId = '', partition] = key.split('/');
    topics.set(topicId, [...(topics.get(topicId) ?? []), Number(partition)]);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}
function minus(a: Keys, b: Keys): Keys {
  return new Set([...a].filter((key) => !b.has(key)));
}
function intersects(a: Keys, b: Keys): boolean {
  return [...a].some((key) => b.has(key));
}
function isSubset(a: Keys, b: Keys): boolean {
  return minus(a, b).size === 0;
}
