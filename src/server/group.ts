// One group with members: who owns what, who must let go first, and at which epoch. Knows nothing of offsets or of how partitions are shared out.
import type { Clock } from '../core/index.ts';
import { LogError, type TopicInfo } from '../protocol/index.ts';
import { agreedAssignor, assignPartitions, type TargetAssignment } from './group-assignment.ts';
import type { Assignment, JoinRequest, MemberListener, PartitionRef } from './log.ts';

export interface TopicCatalogue {
  /** As they are now, ends included; undefined: there is none. */
  byName(name: string): TopicInfo | undefined;
  byId(topicId: string): TopicInfo | undefined;
}
interface Owned {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export class Member {
  readonly memberId: string;
  readonly request: JoinRequest;
  readonly listener: MemberListener;
  topics: ReadonlySet<string>;
  epoch = 0;
  /** What it should own; it was told so. */
  assigned = new Map<string, Owned>();
  /** What it may still be working on: `assigned`, and what it was told to let go of and has not yet. */
  held = new Map<string, Owned>();
  cancelRevocation: (() => void) | undefined;

  constructor(memberId: string, request: JoinRequest, listener: MemberListener) {
    this.memberId = memberId;
    this.request = request;
    this.listener = listener;
    this.topics = new Set(request.topics);
  }

  assignment(): Assignment {
    const byTopic = new Map<string, { topic: string; topicId: string; partitions: number[] }>();
    for (const { topic, topicId, partition } of this.assigned.values()) {
      const of = byTopic.get(topicId) ?? { topic, topicId, partitions: [] };
      of.partitions.push(partition);
      byTopic.set(topicId, of);
    }
    return { memberEpoch: this.epoch, partitions: [...byTopic.values()] };
  }
}

export class Group {
  readonly groupId: string;
  readonly #topics: TopicCatalogue;
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  /** In the order they joined. */
  readonly #members = new Map<string, Member>();
  #epoch = 0;
  /** As they were last worked out. */
  #targetPartitions: TargetAssignment = new Map();

  /** `onEmpty`: the last member is gone. */
  constructor(groupId: string, topics: TopicCatalogue, clock: Clock, onEmpty: () => void) {
    this.#onEmpty = onEmpty;
    this.groupId = groupId;
    this.#topics = topics;
    this.#clock = clock;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Someone still has to let go of something. */
  get isReconciling(): boolean {
    return this.members().some((member) => member.held.size > member.assigned.size);
  }

  members(): Member[] {
    return [...this.#members.values()];
  }

  find(memberId: string): Member | undefined {
    return this.#members.get(memberId);
  }

  /** Takes the member in. A living member of the same id or instance is fenced first, and what it held is free at once. */
  add(member: Member): void {
    const { instanceId } = member.request;
    for (const older of this.members()) {
      if (older.memberId === member.memberId) {
        this.#drop(older, new LogError('FENCED_MEMBER_EPOCH', `Member ${older.memberId} joined from elsewhere.`));
      } else if (instanceId !== undefined && older.request.instanceId === instanceId) {
        const message = `Another member joined with the groupInstanceId ${JSON.stringify(instanceId)}.`;
        this.#drop(older, new LogError('FENCED_INSTANCE_ID', message));
      }
    }
    this.#members.set(member.memberId, member);
    member.epoch = ++this.#epoch;
    this.reconcile(member);
  }

  update(member: Member, topics: readonly string[]): void {
    member.topics = new Set(topics);
    this.reconcile(member);
  }

  /** The member says what it still has; what it was to let go of is free for others. An old epoch says nothing. */
  letGo(member: Member, memberEpoch: number, stillHeld: ReadonlySet<string>): void {
    if (memberEpoch !== member.epoch) return;
    for (const key of member.held.keys()) {
      if (!member.assigned.has(key) && !stillHeld.has(key)) member.held.delete(key);
    }
    this.reconcile();
  }

  remove(member: Member): void {
    if (this.#members.get(member.memberId) !== member) return;
    this.#drop(member);
    this.#settle();
  }

  /**
   * Moves every member towards its target, as far as others have let go. Whose assignment changed gets a new epoch and,
   * unless it is `answered` (its own request carries the news), a push.
   */
  reconcile(answered?: Member): void {
    const targets = this.#targets();
    const holders = new Map<string, Member>();
    for (const member of this.#members.values()) {
      for (const [key, owned] of member.held) {
        // Nobody can work on a partition that is gone.
        if (this.#exists(owned)) holders.set(key, member);
        else member.held.delete(key);
      }
    }
    const changed: Member[] = [];
    for (const member of this.#members.values()) {
      const next = new Map<string, Owned>();
      for (const [key, owned] of targets.get(member) ?? []) {
        const holder = holders.get(key);
        if (holder === undefined || holder === member) next.set(key, owned);
      }
      if (sameKeys(next, member.assigned)) continue;
      member.assigned = next;
      for (const [key, owned] of next) member.held.set(key, owned);
      member.epoch = ++this.#epoch;
      changed.push(member);
    }
    for (const member of changed) {
      this.#watchRevocation(member);
      if (member !== answered && this.#members.get(member.memberId) === member) {
        member.listener.onAssignment(member.assignment());
      }
    }
  }

  #targets(): Map<Member, Map<string, Owned>> {
    const names = new Set(this.members().flatMap((member) => [...member.topics]));
    const topics = [...names].sort().flatMap((name) => this.#topics.byName(name) ?? []);
    const shared = assignPartitions(
      agreedAssignor(this.members().map(({ request }) => request.assignor)),
      this.members().map(({ memberId, request: { instanceId }, topics: names }) => ({
        memberId,
        instanceId,
        topics: names,
        owned: this.#targetPartitions.get(memberId) ?? new Map(),
      })),
      topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partition }) => partition),
      })),
    );
    this.#targetPartitions = shared;
    const targets = new Map<Member, Map<string, Owned>>();
    for (const member of this.#members.values()) {
      const owned = new Map<string, Owned>();
      for (const [topicId, partitions] of shared.get(member.memberId) ?? []) {
        const topic = topics.find((one) => one.topicId === topicId)?.name ?? topicId;
        for (const partition of partitions) owned.set(groupKey({ topicId, partition }), { topic, topicId, partition });
      }
      targets.set(member, owned);
    }
    return targets;
  }

  #exists({ topicId, partition }: PartitionRef): boolean {
    return this.#topics.byId(topicId)?.partitions.some((one) => one.partition === partition) ?? false;
  }

  /** Who does not let go within its rebalanceTimeoutMs loses everything. */
  #watchRevocation(member: Member): void {
    member.cancelRevocation?.();
    member.cancelRevocation = undefined;
    if (member.held.size === member.assigned.size) return;
    const { rebalanceTimeoutMs } = member.request;
    member.cancelRevocation = this.#clock.after(rebalanceTimeoutMs, () => {
      if (member.held.size === member.assigned.size || this.#members.get(member.memberId) !== member) return;
      const message = `The member did not let go of its partitions within ${rebalanceTimeoutMs} ms.`;
      this.#drop(member, new LogError('FENCED_MEMBER_EPOCH', message));
      this.#settle();
    });
  }

  #settle(): void {
    if (this.isEmpty) this.#onEmpty();
    else this.reconcile();
  }

  #drop(member: Member, fenced?: LogError): void {
    member.cancelRevocation?.();
    this.#members.delete(member.memberId);
    ++this.#epoch;
    if (fenced !== undefined) member.listener.onFenced(fenced);
  }
}

export function groupKey({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}
