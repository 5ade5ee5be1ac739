// One member that this gateway holds for a client: who speaks for it, what it was told, and which tokens take it up. Knows nothing of other members or of coordinators.
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { type Assignment, type Holder, type Membership, type MemberWishes, Presence } from 'distributedlog/server';
import { within } from '../pause.ts';
import type { DriverListener, MemberDriver } from './member-driver.ts';

export interface HeldMemberOptions {
  readonly groupId: string;
  /** What its client knows it by. */
  readonly memberId: string;
  /** What the coordinator knows it by. */
  readonly instanceId: string;
  /** Its client gave it no instance id. */
  readonly hidden: boolean;
  /** Its client had no token of it before. */
  readonly isNew: boolean;
  readonly clientId: string;
  readonly principal: string | undefined;
  readonly wishes: MemberWishes;
  readonly clock: Clock;
  readonly drive: (listener: DriverListener) => MemberDriver;
  /** It is this gateway's no more. */
  readonly onGone: (member: HeldMember) => void;
  readonly onRebalanced: () => void;
  /** Its coordinator is being told that it leaves. Never rejects. */
  readonly onLeaving: (left: Promise<void>) => void;
  /** A coordinator could not be told that the member is gone. */
  readonly onError: (error: unknown, message: string) => void;
}

const MAX_HEARTBEAT_INTERVAL_MS = 25_000;
const CONFIRM_WITHIN_MS = 1_000;

export class HeldMember {
  readonly #options: HeldMemberOptions;
  readonly driver: MemberDriver;
  readonly presence: Presence;
  clientId: string;
  wishes: MemberWishes;
  /** The newest assignment that its client may know. */
  told: Assignment = { memberEpoch: 0, partitions: [] };
  /** Those that take it up; the newest first, then one whose successor may not have arrived. */
  tokens: readonly string[] = [];
  #gone = false;

  constructor(options: HeldMemberOptions) {
    this.#options = options;
    this.clientId = options.clientId;
    this.wishes = options.wishes;
    this.presence = new Presence(options.clock);
    this.driver = options.drive({
      onAssignment: (assignment) => this.#assigned(assignment),
      onFenced: (error) => this.fence(error),
    });
  }

  get groupId(): string {
    return this.#options.groupId;
  }
  get memberId(): string {
    return this.#options.memberId;
  }
  get instanceId(): string {
    return this.#options.instanceId;
  }
  /** Its client gave it none. */
  get hidden(): boolean {
    return this.#options.hidden;
  }
  get principal(): string | undefined {
    return this.#options.principal;
  }
  /** Its client may have nothing that takes the member up elsewhere: the answer that brings it may not have reached it. */
  get isUnanswered(): boolean {
    return this.tokens.length === 0 && this.#options.isNew;
  }
  /** The client has shown that it has the newest token. */
  acknowledge(): void {
    this.tokens = this.tokens.slice(0, 1);
  }
  get isGone(): boolean {
    return this.#gone;
  }

  async join(holder: Holder): Promise<void> {
    this.presence.take(holder);
    try {
      this.told = await this.driver.join();
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Asks the coordinator whether nobody else speaks for it by now; where that does not answer soon, it is taken for granted. */
  async isCurrent(): Promise<boolean> {
    const heard = within(this.#options.clock, CONFIRM_WITHIN_MS, this.driver.refresh());
    // Why it could not be heard does not matter, but for the one reason that ends the member.
    await heard.catch(() => undefined);
    return !this.#gone;
  }

  /** Another connection speaks for it from now on; who did before hears of it before this returns. */
  async takeUp(holder: Holder, wishes: MemberWishes): Promise<void> {
    const older = this.presence.holder;
    this.presence.take(holder);
    older?.listener.onTakenOver();
    try {
      await this.update(wishes);
    } catch (error) {
      this.release(holder, wishes.sessionTimeoutMs);
      throw error;
    }
  }

  async update(wishes: MemberWishes): Promise<void> {
    this.wishes = wishes;
    this.told = await this.driver.update(wishes);
  }

  /** Nobody speaks for it any more; it leaves after `delayMs`. */
  release(holder: Holder, delayMs: number): void {
    if (this.presence.holder !== holder) return;
    if (delayMs > 0) this.presence.keep(delayMs, () => void this.leave());
    else void this.leave();
  }

  /** It is gone at once. Never rejects: where the coordinator cannot be told, its session ends there by itself. */
  async leave(): Promise<void> {
    if (this.#gone) return;
    this.#end();
    const { onLeaving, onError } = this.#options;
    const left = this.driver
      .leave()
      .catch((error: unknown) => onError(error, `Member ${this.memberId} of group "${this.groupId}" could not leave`));
    onLeaving(left);
    await left;
  }

  /** The coordinator has it no more, or lets somebody else speak for it. */
  fence(error: LogError): void {
    if (this.#gone) return;
    const { holder } = this.presence;
    this.#end();
    this.driver.stop();
    // Nobody but a gateway that was shown its token knows this instance id.
    if (error.code === 'FENCED_INSTANCE_ID' && this.hidden) holder?.listener.onTakenOver();
    else holder?.listener.onFenced(error);
  }

  /** Somebody else speaks for it at the coordinator, and its client comes by another connection. */
  giveWay(): void {
    const { holder } = this.presence;
    this.stop();
    holder?.listener.onTakenOver();
  }

  /** Nothing is said to anybody any more; another gateway may go on with it. */
  stop(): void {
    this.#end();
    this.driver.stop();
  }

  #assigned(assignment: Assignment): void {
    this.#options.onRebalanced();
    this.told = assignment;
    const { holder } = this.presence;
    if (holder?.answering === false) holder.listener.onAssignment(assignment);
  }

  #end(): void {
    this.#gone = true;
    this.presence.end();
    this.#options.onGone(this);
  }
}

/** One connection's hold on a member, as the Log port wants it. */
export class HeldMembership implements Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly resumeToken: string;
  readonly #member: HeldMember;
  readonly #holder: Holder;
  readonly #clock: Clock;

  constructor(member: HeldMember, holder: Holder, resumeToken: string, clock: Clock) {
    this.groupId = member.groupId;
    this.memberId = member.memberId;
    this.resumeToken = resumeToken;
    this.#member = member;
    this.#holder = holder;
    this.#clock = clock;
  }

  get memberEpoch(): number {
    return this.#member.told.memberEpoch;
  }
  get partitions(): Assignment['partitions'] {
    return this.#member.told.partitions;
  }
  get heartbeatIntervalMs(): number {
    const third = Math.floor(this.#member.wishes.sessionTimeoutMs / 3);
    return Math.max(1, Math.min(MAX_HEARTBEAT_INTERVAL_MS, third));
  }

  async update(wishes: MemberWishes): Promise<Assignment> {
    if (!this.#isMine) throw unknownMember(this.groupId, this.memberId);
    const holder = this.#holder;
    holder.answering = true;
    try {
      await this.#member.update(wishes);
      return this.#member.told;
    } finally {
      holder.answering = false;
    }
  }

  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void {
    if (!this.#isMine) return;
    this.#member.acknowledge();
    this.#member.driver.owned(memberEpoch, partitions);
  }

  async leave(): Promise<void> {
    if (this.#isMine) await this.#member.leave();
  }

  release({ heardAt, atMostMs = Number.POSITIVE_INFINITY }: Parameters<Membership['release']>[0]): void {
    const heardMsAgo = this.#clock.now() - heardAt;
    this.#member.release(this.#holder, Math.min(this.#member.wishes.sessionTimeoutMs - heardMsAgo, atMostMs));
  }

  get #isMine(): boolean {
    return !this.#member.isGone && this.#member.presence.holder === this.#holder;
  }
}

export function unknownMember(groupId: string, memberId: string): LogError {
  return new LogError('UNKNOWN_MEMBER_ID', `Group "${groupId}" has no member ${memberId}.`);
}
