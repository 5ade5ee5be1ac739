// One connection's hold on a group member, as the Log port wants it. Knows nothing of other groups or of who may have the member.
import type { Clock } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import type { Group } from './group.ts';
import type { Assignment, Membership, MemberWishes } from './log.ts';
import { type Member, partitionId } from './member.ts';
import type { Holder } from './member-presence.ts';

export interface MembershipOptions {
  readonly group: Group;
  readonly member: Member;
  readonly holder: Holder;
  readonly resumeToken: string;
  readonly clock: Clock;
  /** Resolves when what is the case now survives a restart. */
  readonly save: () => Promise<void>;
}

const MAX_HEARTBEAT_INTERVAL_MS = 25_000;

export class HeldMembership implements Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly resumeToken: string;
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.groupId = options.group.groupId;
    this.memberId = options.member.memberId;
    this.resumeToken = options.resumeToken;
  }

  get memberEpoch(): number {
    return this.#options.member.told.memberEpoch;
  }
  get partitions(): Assignment['partitions'] {
    return this.#options.member.told.partitions;
  }
  get heartbeatIntervalMs(): number {
    const third = Math.floor(this.#options.member.wishes.sessionTimeoutMs / 3);
    return Math.max(1, Math.min(MAX_HEARTBEAT_INTERVAL_MS, third));
  }

  async update(wishes: MemberWishes): Promise<Assignment> {
    this.#mustBeAlive();
    const { group, member, holder, save } = this.#options;
    holder.answering = true;
    try {
      group.update(member, wishes);
      await save();
      return member.told;
    } finally {
      holder.answering = false;
    }
  }

  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void {
    if (!this.#isAlive) return;
    const { group, member, save } = this.#options;
    if (member.tokenHashes.length > 1) {
      // The client has shown that it has the newest one.
      member.tokenHashes = member.tokenHashes.slice(0, 1);
      void save();
    }
    const held = new Set<string>();
    for (const { topicId, partitions: numbers } of partitions) {
      for (const partition of numbers) held.add(partitionId({ topicId, partition }));
    }
    group.letGo(member, memberEpoch, held);
  }

  async leave(): Promise<void> {
    if (!this.#isAlive) return;
    const { group, member, save } = this.#options;
    group.remove(member);
    await save();
  }

  release({ heardAt, atMostMs = Number.POSITIVE_INFINITY }: Parameters<Membership['release']>[0]): void {
    if (!this.#isAlive) return;
    const { group, member, clock } = this.#options;
    const heardMsAgo = clock.now() - heardAt;
    group.release(member, Math.min(member.wishes.sessionTimeoutMs - heardMsAgo, atMostMs));
  }

  get #isAlive(): boolean {
    const { group, member, holder } = this.#options;
    return group.find(member.memberId) === member && member.presence.holder === holder;
  }

  #mustBeAlive(): void {
    if (!this.#isAlive) throw unknownMember(this.groupId, this.memberId);
  }
}

export function unknownMember(groupId: string, memberId: string): LogError {
  return new LogError('UNKNOWN_MEMBER_ID', `Group "${groupId}" has no member ${memberId}.`);
}
