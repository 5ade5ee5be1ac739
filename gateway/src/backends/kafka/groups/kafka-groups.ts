// The groups of a Kafka cluster behind the Log port: who may join or take a member up, and which members this gateway holds. Knows nothing of either of Kafka's group protocols.
//
// Two gateways never serve one member, and none of them need know of the other. To its coordinator every member is a static one: where
// its client has no instance id, under one that only gateways know (identity.ts). A gateway that is shown a member's resume token, be it
// the same one after a restart or another one, asks the coordinator for the instance id and puts itself in the place of whoever had it:
// in Kafka's protocols that moves no partition and wakes no other member, and from then on the coordinator answers the one before with
// FENCED_INSTANCE_ID, whatever it says: heartbeats, commits, and its leaving when its hold ends. So an old holder can do no harm, and
// learns at its next heartbeat that it is one.
//
// A token names the life of the member that it is for, by what the coordinator calls it: every taking up gives it another name, so a token
// is good until somebody used it, wherever that was. In the gateway that holds the member it is good until its successor arrived. Where the
// protocol lets us choose the name, it tells by which token the member was taken up: that one is good until another one is used, since
// the gateway that used it may have ended before its client heard of it.
//
// A gateway that ends leaves for nobody who can come back. Clients find another gateway, and the coordinator keeps their members for its
// own session timeout; the sessionTimeoutMs of who does not come back is lost with the gateway, and that one takes its place.
import type { Clock, Random } from 'distributedlog/core';
import { type GroupDescription, type GroupSummary, LogError } from 'distributedlog/protocol';
import {
  type CommitAnswer,
  type CommittedOffset,
  checkGroupId,
  type GroupCounts,
  type GroupOffsetToCommit,
  type GroupPort,
  type Holder,
  type JoinRequest,
  type MemberListener,
  type Membership,
  type PartitionRef,
} from 'distributedlog/server';
import type { Cluster } from '../cluster.ts';
import { within } from '../pause.ts';
import { Descriptions, type EndsOf, type KnownGroup } from './descriptions.ts';
import { HeldMember, HeldMembership, unknownMember } from './held-member.ts';
import { hiddenInstanceId, memberOfHidden, newMemberId } from './identity.ts';
import type { DriverFactory } from './member-driver.ts';
import { GroupOffsets } from './offsets.ts';
import { ResumeTokens, type TokenSubject } from './resume-tokens.ts';

export interface GroupsOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly random: Random;
  readonly endsOf: EndsOf;
  readonly drivers: { readonly consumer: DriverFactory; readonly classic: DriverFactory };
  readonly onError: (error: unknown, message: string) => void;
}

/** How long a gateway that ends waits for its coordinators to hear that members leave. */
const LEAVE_WITHIN_MS = 2_000;

export class Groups implements GroupPort {
  readonly #options: GroupsOptions;
  readonly #tokens: ResumeTokens;
  readonly #offsets: GroupOffsets;
  readonly #descriptions: Descriptions;
  /** By `groupId/memberId`. */
  readonly #members = new Map<string, HeldMember>();
  /** Members that are being taken up from elsewhere. Never reject. */
  readonly #takingUp = new Map<string, Promise<void>>();
  /** Looks at groups that are under way. */
  readonly #looks = new Map<string, Promise<KnownGroup | undefined>>();
  /** Coordinators that are being told that a member leaves. Never reject. */
  readonly #leaving = new Set<Promise<void>>();
  #closed = false;
  #rebalanced = 0;
  #resumed = 0;

  constructor(options: GroupsOptions) {
    const { cluster, clock, endsOf } = options;
    this.#options = options;
    this.#tokens = new ResumeTokens(cluster.settings.resumeSecret);
    this.#offsets = new GroupOffsets(cluster, clock);
    this.#descriptions = new Descriptions({
      cluster,
      offsets: this.#offsets,
      endsOf,
      held: (groupId, coordinatorId) => this.#ofGroup(groupId).find(({ driver }) => driver.memberId === coordinatorId),
    });
  }

  async join(request: JoinRequest, listener: MemberListener): Promise<Membership> {
    checkGroupId(request.groupId);
    const { instanceId: given } = request;
    if (given !== undefined && memberOfHidden(given) !== undefined) {
      throw new LogError('INVALID_REQUEST', `groupInstanceId ${JSON.stringify(given)} is what gateways call a member.`);
    }
    this.#mustBeOpen();
    const holder: Holder = { listener, answering: true };
    const member =
      request.memberId === undefined
        ? await this.#joinAnew(request, holder)
        : await this.#takeUp(request.memberId, request, holder);
    const { memberId, groupId, instanceId, principal, driver } = member;
    const fresh = this.#tokens.issue({ groupId, memberId, instanceId, principal }, driver.memberId);
    // The answer may be lost, so what the client came with stays good until it says what it owns.
    member.tokens = request.resumeToken === undefined ? [fresh] : [fresh, request.resumeToken];
    holder.answering = false;
    return new HeldMembership(member, holder, fresh, this.#options.clock);
  }

  async #joinAnew(request: JoinRequest, holder: Holder): Promise<HeldMember> {
    const { groupId, instanceId, clientId } = request;
    const memberId = newMemberId(clientId, this.#options.random);
    const older =
      instanceId === undefined
        ? undefined
        : this.#ofGroup(groupId).find((member) => !member.hidden && member.instanceId === instanceId);
    const member = await this.#enter(request, memberId, undefined, holder);
    if (instanceId !== undefined && older !== undefined) {
      if (older.presence.holder === undefined) this.#resumed++;
      older.fence(instanceTaken(instanceId));
    }
    return member;
  }

  async #takeUp(memberId: string, request: JoinRequest, holder: Holder): Promise<HeldMember> {
    const { groupId, clientId } = request;
    const key = keyOf(groupId, memberId);
    for (;;) {
      for (let before = this.#takingUp.get(key); before !== undefined; before = this.#takingUp.get(key)) await before;
      const held = this.#members.get(key);
      if (held === undefined || !isTheirs(held, request)) break;
      // Another gateway may have had it since, and this one not have heard of it.
      if (!(await held.isCurrent()) || !isTheirs(held, request)) continue;
      mustBeWanted(holder, groupId, memberId);
      held.clientId = clientId;
      this.#resumed++;
      await held.takeUp(holder, request);
      if (held.isGone) throw notTheirs(groupId, memberId);
      return held;
    }
    const taken = this.#takeOver(memberId, request, holder);
    const settled = taken.then(
      () => undefined,
      () => undefined,
    );
    this.#takingUp.set(key, settled);
    try {
      const member = await taken;
      this.#resumed++;
      return member;
    } finally {
      this.#takingUp.delete(key);
    }
  }

  /** From another gateway, or from an earlier life of this one. */
  async #takeOver(memberId: string, request: JoinRequest, holder: Holder): Promise<HeldMember> {
    const { groupId, resumeToken } = request;
    if (resumeToken === undefined) throw notTheirs(groupId, memberId);
    // Where a gateway ended all its clients come at once, and one look at their group says what each of them needs to know. A look
    // that began before may be too old for who was elsewhere meanwhile.
    const before = this.#looks.get(groupId);
    const seen = before === undefined ? undefined : this.#judge(await before, memberId, request, resumeToken);
    const { verdict, known } =
      seen?.verdict === 'good' ? seen : this.#judge(await this.#look(groupId), memberId, request, resumeToken);
    // Who comes back late does not take back what a newer one took: it would fence that one for good.
    if (verdict === 'spent' && request.instanceId !== undefined) throw instanceTaken(request.instanceId);
    if (verdict !== 'good' || known === undefined) throw notTheirs(groupId, memberId);
    this.#mustBeOpen();
    mustBeWanted(holder, groupId, memberId);
    const held = this.#members.get(keyOf(groupId, memberId));
    // Who is held here has tokens of its own; who was held here before another gateway had it is not there any more.
    if (held?.driver.memberId === known.coordinatorId) throw notTheirs(groupId, memberId);
    held?.giveWay();
    try {
      return await this.#enter(request, memberId, known, holder);
    } catch (error) {
      // Another gateway was quicker.
      const isSpent = error instanceof LogError && error.code === 'FENCED_INSTANCE_ID';
      throw isSpent && request.instanceId === undefined ? notTheirs(groupId, memberId) : error;
    }
  }

  #look(groupId: string): Promise<KnownGroup | undefined> {
    const look = this.#descriptions.find(groupId);
    this.#looks.set(groupId, look);
    const over = (): void => {
      if (this.#looks.get(groupId) === look) this.#looks.delete(groupId);
    };
    look.then(over, over);
    return look;
  }

  #judge(group: KnownGroup | undefined, memberId: string, request: JoinRequest, token: string) {
    const { groupId, instanceId = hiddenInstanceId(memberId), principal } = request;
    const member = group?.members.find((one) => one.instanceId === instanceId);
    if (group === undefined || member === undefined) return { verdict: 'forged', known: undefined } as const;
    const subject: TokenSubject = { groupId, memberId, instanceId, principal };
    const { coordinatorId, mark } = member;
    const verdict = this.#tokens.check(token, subject, coordinatorId, mark);
    return { verdict, known: { coordinatorId, protocol: group.protocol } } as const;
  }

  async #enter(
    request: JoinRequest,
    memberId: string,
    replaces: { readonly coordinatorId: string; readonly protocol: 'consumer' | 'classic' } | undefined,
    holder: Holder,
  ): Promise<HeldMember> {
    const { groupProtocol } = this.#options.cluster.settings;
    const protocol = groupProtocol === 'auto' ? (replaces?.protocol ?? 'consumer') : groupProtocol;
    try {
      return await this.#enterWith(protocol, request, memberId, replaces?.coordinatorId, holder);
    } catch (error) {
      const isOther = error instanceof LogError && ['UNSUPPORTED_VERSION', 'GROUP_ID_NOT_FOUND'].includes(error.code);
      if (!isOther || protocol === 'classic' || groupProtocol !== 'auto') throw error;
      // Brokers that do not have the newer protocol, and groups whose members cannot change to it.
      return this.#enterWith('classic', request, memberId, replaces?.coordinatorId, holder);
    }
  }

  async #enterWith(
    protocol: 'consumer' | 'classic',
    request: JoinRequest,
    memberId: string,
    replaces: string | undefined,
    holder: Holder,
  ): Promise<HeldMember> {
    const { cluster, clock, random, drivers, onError } = this.#options;
    const { groupId, instanceId = hiddenInstanceId(memberId), clientId, principal, resumeToken = '' } = request;
    const context = { cluster, clock, random };
    const toCoordinator = {
      groupId,
      instanceId,
      memberId: replaces === undefined ? memberId : newMemberId(clientId, random, this.#tokens.mark(resumeToken)),
      replaces,
      wishes: request,
    };
    const key = keyOf(groupId, memberId);
    const member = new HeldMember({
      groupId,
      memberId,
      instanceId,
      hidden: request.instanceId === undefined,
      isNew: replaces === undefined,
      clientId,
      principal,
      wishes: request,
      clock,
      drive: (listener) => drivers[protocol](context, toCoordinator, listener),
      onGone: (gone) => {
        if (this.#members.get(key) === gone) this.#members.delete(key);
      },
      onLeaving: (left) => {
        this.#leaving.add(left);
        void left.then(() => this.#leaving.delete(left));
      },
      onRebalanced: () => {
        this.#rebalanced++;
      },
      onError,
    });
    this.#members.set(key, member);
    await member.join(holder);
    if (this.#closed) member.stop();
    this.#mustBeOpen();
    return member;
  }

  async commit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<CommitAnswer[]> {
    checkGroupId(groupId);
    if (member === undefined) return this.#offsets.commit(groupId, undefined, offsets);
    const { memberId, memberEpoch } = member;
    const held = this.#members.get(keyOf(groupId, memberId));
    if (held === undefined) throw unknownMember(groupId, memberId);
    // What is not told yet its client cannot know.
    if (memberEpoch < held.told.memberEpoch) {
      const message = `Member epoch ${memberEpoch} is old; the present one is ${held.told.memberEpoch}.`;
      throw new LogError('STALE_MEMBER_EPOCH', message);
    }
    if (memberEpoch > held.driver.memberEpoch) {
      const message = `Member epoch ${memberEpoch} was never given; the present one is ${held.driver.memberEpoch}.`;
      throw new LogError('FENCED_MEMBER_EPOCH', message);
    }
    return this.#offsets.commit(groupId, held, offsets);
  }

  committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]> {
    return this.#offsets.committed(groupId, partitions);
  }

  list(): Promise<GroupSummary[]> {
    return this.#descriptions.list();
  }
  async describe(groupId: string): Promise<GroupDescription> {
    checkGroupId(groupId);
    return this.#descriptions.describe(groupId);
  }
  async delete(groupId: string): Promise<void> {
    checkGroupId(groupId);
    return this.#descriptions.delete(groupId);
  }

  counts(): GroupCounts {
    const members = [...this.#members.values()];
    const membersConnected = members.filter(({ presence }) => presence.holder !== undefined).length;
    return {
      groups: new Set(members.map(({ groupId }) => groupId)).size,
      membersConnected,
      membersHeld: members.length - membersConnected,
      rebalanced: this.#rebalanced,
      resumed: this.#resumed,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { cluster, clock } = this.#options;
    const members = [...this.#members.values()];
    const isLost = (member: HeldMember): boolean =>
      member.hidden && (member.isUnanswered || cluster.settings.resumeSecret === undefined);
    for (const member of members) {
      // Nobody can take a lost one up: what it has goes to others now, not when its session ends.
      if (isLost(member)) void member.leave();
      else member.stop();
    }
    await within(clock, LEAVE_WITHIN_MS, Promise.all(this.#leaving));
  }

  #ofGroup(groupId: string): HeldMember[] {
    return [...this.#members.values()].filter((member) => member.groupId === groupId);
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new LogError('BROKER_NOT_AVAILABLE', 'The log is closed.');
  }
}

function keyOf(groupId: string, memberId: string): string {
  return `${groupId}\0${memberId}`;
}

function isTheirs({ tokens, principal }: HeldMember, request: JoinRequest): boolean {
  return request.resumeToken !== undefined && tokens.includes(request.resumeToken) && principal === request.principal;
}

/** Whose connection ended while it was looked for may have come back through another gateway, and must not be fenced there. */
function mustBeWanted({ listener }: Holder, groupId: string, memberId: string): void {
  if (listener.isOver?.() === true) throw notTheirs(groupId, memberId);
}

function notTheirs(groupId: string, memberId: string): LogError {
  return new LogError(
    'UNKNOWN_MEMBER_ID',
    `Group "${groupId}" has no member ${memberId} for this resume token; join without a memberId.`,
  );
}

function instanceTaken(instanceId: string): LogError {
  const message = `Another member joined with the groupInstanceId ${JSON.stringify(instanceId)}.`;
  return new LogError('FENCED_INSTANCE_ID', message);
}
