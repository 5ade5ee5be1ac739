// One group: its members, who owns what, who must let go first, and at which epoch. Knows nothing of offsets, tokens, disks or of how partitions are shared out.
import type { Clock } from '../core/index.ts';
import { LogError, type TopicInfo } from '../protocol/index.ts';
import { agreedAssignor, assignPartitions } from './group-assignment.ts';
import type { AssignorName, MemberWishes, StoredOwned } from './log.ts';
import { type Member, numbersByTopic, type Partitions, partitionId } from './member.ts';
import type { Holder } from './member-presence.ts';

export interface TopicCatalogue {
  /** As they are now, ends included; undefined: there is none. */
  byName(name: string): TopicInfo | undefined;
  byId(topicId: string): TopicInfo | undefined;
}
export interface GroupOptions {
  readonly topics: TopicCatalogue;
  readonly clock: Clock;
  /** Something has changed that must survive a restart. */
  readonly onChanged: () => void;
  /** Somebody is to own something else than before. */
  readonly onRebalance: () => void;
}

export class Group {
  readonly groupId: string;
  readonly #options: GroupOptions;
  /** In the order they joined. */
  #members = new Map<string, Member>();
  #epoch = 0;
  #assignor: AssignorName = 'uniform';
  /** The topics that somebody subscribes to, as they were when the targets were last decided. */
  #shape = '';

  constructor(groupId: string, options: GroupOptions) {
    this.groupId = groupId;
    this.#options = options;
  }

  get epoch(): number {
    return this.#epoch;
  }
  /** How partitions are shared out: as most members want it. */
  get assignor(): AssignorName {
    return this.#assignor;
  }
  get size(): number {
    return this.#members.size;
  }
  /** Someone still has to let go of something. */
  get isReconciling(): boolean {
    return this.members().some((member) => member.isRevoking || !sameKeys(member.assigned, member.target));
  }
  members(): Member[] {
    return [...this.#members.values()];
  }
  find(memberId: string): Member | undefined {
    return this.#members.get(memberId);
  }
  findInstance(instanceId: string): Member | undefined {
    return this.members().find(({ identity }) => identity.instanceId === instanceId);
  }

  /** As it was saved. Nobody speaks for the members: each is kept for its sessionTimeoutMs. */
  restore(epoch: number, members: readonly Member[]): void {
    this.#epoch = Math.max(epoch, ...members.map((member) => member.epoch));
    const holders = new Set<string>();
    for (const member of members) {
      this.#members.set(member.memberId, member);
      for (const key of member.held.keys()) {
        if (holders.has(key)) member.held.delete(key);
        holders.add(key);
      }
      member.assigned = kept(member.assigned, (key) => member.held.has(key));
      member.target = member.assigned;
      member.told = member.assignment();
      this.release(member, member.wishes.sessionTimeoutMs);
    }
    this.#retarget();
  }

  add(member: Member, holder: Holder): void {
    this.#members.set(member.memberId, member);
    member.presence.take(holder);
    this.#raise(member);
    this.#retarget();
  }

  /** The newcomer gets what the older one had and nobody else's changes; returns who spoke for the older one, to be fenced. */
  replace(older: Member, member: Member, holder: Holder): Holder | undefined {
    const replaced = older.presence.holder;
    older.end();
    this.#members = new Map(
      this.members()
        .map((one) => (one === older ? member : one))
        .map((one) => [one.memberId, one]),
    );
    member.target = older.target;
    member.assigned = older.assigned;
    // What the older one was to let go of is free: it is fenced.
    member.held = new Map(older.assigned);
    member.presence.take(holder);
    this.#raise(member);
    this.#rewish(older.wishes, member.wishes);
    return replaced;
  }

  /** Another connection speaks for the member from now on; returns who did before. */
  takeUp(member: Member, wishes: MemberWishes, holder: Holder): Holder | undefined {
    const older = member.presence.holder;
    member.presence.take(holder);
    this.#watchRevocation(member);
    this.update(member, wishes);
    return older;
  }

  update(member: Member, wishes: MemberWishes): void {
    const before = member.wishes;
    member.wishes = wishes;
    this.#rewish(before, wishes);
  }

  /** The member says what it still has; what it was to let go of is free for others. An old epoch says nothing. */
  letGo(member: Member, memberEpoch: number, stillHeld: ReadonlySet<string>): void {
    if (memberEpoch !== member.epoch || !member.isRevoking) return;
    const before = member.held.size;
    for (const key of member.held.keys()) {
      if (!member.assigned.has(key) && !stillHeld.has(key)) member.held.delete(key);
    }
    if (member.held.size < before) this.#reconcile();
    if (!member.isRevoking) stopRevocation(member);
  }

  /** Nobody speaks for the member any more; it is gone after `delayMs`. */
  release(member: Member, delayMs: number): void {
    // It cannot answer now; its session's end comes first or its next connection.
    stopRevocation(member);
    if (delayMs > 0) member.presence.keep(delayMs, () => this.remove(member));
    else this.remove(member);
  }

  /** What it had is free at once. `fenced`: what is told to who speaks for it. */
  remove(member: Member, fenced?: LogError): void {
    if (this.#members.get(member.memberId) !== member) return;
    const { holder } = member.presence;
    member.end();
    this.#members.delete(member.memberId);
    ++this.#epoch;
    this.#retarget();
    if (fenced !== undefined) holder?.listener.onFenced(fenced);
  }

  /** Follows topics that were created, changed or deleted. */
  topicsChanged(): void {
    if (this.#subscribed().shape !== this.#shape) this.#retarget();
  }

  /** Hands every partition on to the next subscriber of its topic, until the group has a reason to decide anew. */
  rotate(): void {
    const targets = new Map(this.members().map((member) => [member, new Map<string, StoredOwned>()]));
    for (const member of this.#members.values()) {
      for (const [key, owned] of member.target) {
        const subscribers = this.members().filter(({ wishes }) => wishes.topics.includes(owned.topic));
        const next = subscribers[(subscribers.indexOf(member) + 1) % subscribers.length] ?? member;
        targets.get(next)?.set(key, owned);
      }
    }
    this.#aim(targets);
    this.#reconcile();
  }

  /** No timer is left, and nobody is told of anything. */
  end(): void {
    for (const member of this.#members.values()) member.end();
  }

  #rewish(before: MemberWishes, now: MemberWishes): void {
    const topics = new Set(now.topics);
    const same = topics.size === new Set(before.topics).size && before.topics.every((topic) => topics.has(topic));
    if (same && before.assignor === now.assignor) this.#reconcile();
    else this.#retarget();
  }

  #raise(member: Member): void {
    member.epoch = ++this.#epoch;
    member.untold = true;
  }

  /** Topics that somebody subscribes to and that exist; `shape` tells them from those of another time. */
  #subscribed(): { readonly topics: TopicInfo[]; readonly shape: string } {
    const names = [...new Set(this.members().flatMap(({ wishes }) => wishes.topics))].sort();
    const topics = names.flatMap((name) => this.#options.topics.byName(name) ?? []);
    return { topics, shape: topics.map(({ topicId, partitions }) => `${topicId}/${partitions.length}`).join() };
  }

  /** Decides anew who is to own what. */
  #retarget(): void {
    const members = this.members();
    const { topics, shape } = this.#subscribed();
    this.#shape = shape;
    this.#assignor = agreedAssignor(members.map(({ wishes }) => wishes.assignor));
    const aimed = new Set(members.flatMap(({ target }) => [...target.keys()]));
    const shared = assignPartitions(
      this.#assignor,
      members.map(({ memberId, identity, wishes, target, held }) => ({
        memberId,
        instanceId: identity.instanceId,
        topics: new Set(wishes.topics),
        // What it was to hand over to somebody who is gone it may keep: it has it still.
        owned: numbersByTopic(new Map([...target, ...kept(held, (key) => !aimed.has(key))])),
      })),
      topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partition }) => partition),
      })),
    );
    const names = new Map(topics.map(({ name, topicId }) => [topicId, name]));
    const targets = new Map<Member, Partitions>();
    for (const member of members) {
      const target = new Map<string, StoredOwned>();
      for (const [topicId, partitions] of shared.get(member.memberId) ?? []) {
        const topic = names.get(topicId) ?? topicId;
        for (const partition of partitions) {
          target.set(partitionId({ topicId, partition }), { topic, topicId, partition });
        }
      }
      targets.set(member, target);
    }
    this.#aim(targets);
    this.#forgetGone(topics);
    this.#reconcile();
  }

  #aim(targets: ReadonlyMap<Member, Partitions>): void {
    const changes = [...targets].some(([member, target]) => !sameKeys(member.target, target));
    for (const [member, target] of targets) member.target = target;
    if (changes) this.#options.onRebalance();
  }

  /** Nobody can work on a partition that is gone. */
  #forgetGone(known: readonly TopicInfo[]): void {
    const topics = new Map(known.map((topic): [string, TopicInfo | undefined] => [topic.topicId, topic]));
    for (const { held } of this.#members.values()) {
      for (const [key, { topicId, partition }] of held) {
        if (!topics.has(topicId)) topics.set(topicId, this.#options.topics.byId(topicId));
        if (!topics.get(topicId)?.partitions.some((one) => one.partition === partition)) held.delete(key);
      }
    }
  }

  /** Moves every member towards its target, as far as others have let go. Whose assignment changes gets a new epoch. */
  #reconcile(): void {
    const holders = new Map<string, Member>();
    for (const member of this.#members.values()) for (const key of member.held.keys()) holders.set(key, member);
    for (const member of this.#members.values()) {
      const next = kept(member.target, (key) => (holders.get(key) ?? member) === member);
      if (sameKeys(next, member.assigned)) continue;
      member.assigned = next;
      for (const [key, owned] of next) member.held.set(key, owned);
      this.#raise(member);
      this.#watchRevocation(member);
    }
    this.#options.onChanged();
  }

  /** Who could let go and does not within its rebalanceTimeoutMs loses everything. */
  #watchRevocation(member: Member): void {
    stopRevocation(member);
    if (!member.isRevoking || member.presence.holder === undefined) return;
    const { rebalanceTimeoutMs } = member.wishes;
    const message = `The member did not let go of its partitions within ${rebalanceTimeoutMs} ms.`;
    member.cancelRevocation = this.#options.clock.after(rebalanceTimeoutMs, () =>
      this.remove(member, new LogError('FENCED_MEMBER_EPOCH', message)),
    );
  }
}

function stopRevocation(member: Member): void {
  member.cancelRevocation?.();
  member.cancelRevocation = undefined;
}

function kept(partitions: Partitions, isKept: (key: string) => boolean): Map<string, StoredOwned> {
  return new Map([...partitions].filter(([key]) => isKept(key)));
}

function sameKeys(a: Partitions, b: Partitions): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}
