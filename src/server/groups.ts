// The group coordinator of our own logs: who may join or take a member up, and that nothing is told before it survives a restart. Knows nothing of how partitions are shared out.
import type { Clock, Random } from '../core/index.ts';
import { type GroupDescription, type GroupSummary, LogError } from '../protocol/index.ts';
import { Group, type TopicCatalogue } from './group.ts';
import { describeGroup, stateOf } from './group-description.ts';
import { checkGroupId } from './group-id.ts';
import { type CommitAnswer, GroupOffsets } from './group-offsets.ts';
import { GroupSaver } from './group-saver.ts';
import type {
  CommittedOffset,
  GroupCounts,
  GroupOffsetToCommit,
  GroupPort,
  GroupStore,
  JoinRequest,
  MemberListener,
  Membership,
  PartitionRef,
  StoredGroup,
} from './log.ts';
import { Member } from './member.ts';
import type { Holder } from './member-presence.ts';
import { HeldMembership, unknownMember } from './membership.ts';
import { randomUuid } from './random-id.ts';
import { createResumeToken, hashOfToken } from './resume-tokens.ts';
import { readStoredForm, storedForm } from './stored-group.ts';

export interface CoordinatedGroupsOptions {
  readonly store: GroupStore;
  readonly topics: TopicCatalogue;
  readonly clock: Clock;
  readonly random: Random;
  /** More members of one group are refused with GROUP_MAX_SIZE_REACHED. Default 1,000. */
  readonly maxGroupMembers?: number | undefined;
  /** What is kept of a resume token. Default: its SHA-256. */
  readonly hashToken?: ((token: string) => Promise<string>) | undefined;
  /** Members could not be saved, or not be read back: groups go on without. Default: nobody is told. */
  readonly onError?: ((error: unknown, message: string) => void) | undefined;
}
export interface CoordinatedGroups extends GroupPort {
  /** Call after topics were created, changed or deleted: assignments follow. */
  topicsChanged(): void;
  /** The member (all of them, without an id) is gone at once, as when its session ends; one that is connected is fenced. UNKNOWN_MEMBER_ID. */
  expire(groupId: string, memberId?: string): Promise<void>;
  /** Hands every partition on to the next member, where there are two that want it. */
  rebalance(groupId: string): Promise<void>;
  /** Tells nobody anything any more, cancels every timer and resolves when everything is saved. */
  close(): Promise<void>;
}

const MAX_GROUP_MEMBERS = 1_000;

export function coordinatedGroups(options: CoordinatedGroupsOptions): CoordinatedGroups {
  return new Coordinator(options);
}

interface Entry {
  readonly group: Group;
  readonly saver: GroupSaver<StoredGroup | undefined>;
}

class Coordinator implements CoordinatedGroups {
  readonly #options: CoordinatedGroupsOptions;
  readonly #hashToken: (token: string) => Promise<string>;
  readonly #offsets: GroupOffsets;
  /** Groups with members, and those whose last member's end is still being saved. The others live in the store alone. */
  readonly #entries = new Map<string, Entry>();
  /** What was saved has been read back. Never rejects. */
  readonly #loaded: Promise<void>;
  #closed = false;
  #rebalanced = 0;
  #resumed = 0;

  constructor(options: CoordinatedGroupsOptions) {
    this.#options = options;
    this.#hashToken = options.hashToken ?? hashOfToken;
    this.#offsets = new GroupOffsets(options.store, options.topics);
    this.#loaded = this.#load();
  }

  async join(request: JoinRequest, listener: MemberListener): Promise<Membership> {
    const { groupId, resumeToken } = request;
    checkGroupId(groupId);
    const presented = resumeToken === undefined ? undefined : await this.#hashToken(resumeToken);
    const { token, hash } = await this.#freshToken();
    await this.#loaded;
    // From here to the save nothing is awaited: no two joins are decided on the same state.
    if (this.#closed) throw new LogError('BROKER_NOT_AVAILABLE', 'The log is closed.');
    const holder: Holder = { listener, answering: true };
    const member = this.#enter(request, holder, presented, hash);
    const { group, saver } = this.#entry(groupId);
    const save = () => saver.save();
    await save();
    holder.answering = false;
    const { clock } = this.#options;
    return new HeldMembership({ group, member, holder, resumeToken: token, clock, save });
  }

  /** Who held the member until now hears of it before this returns. */
  #enter(request: JoinRequest, holder: Holder, presented: string | undefined, fresh: string): Member {
    const { groupId, memberId, instanceId, clientId, principal } = request;
    const { clock, random, maxGroupMembers = MAX_GROUP_MEMBERS } = this.#options;
    const found = this.#find(groupId);
    if (memberId !== undefined) {
      const member = found?.find(memberId);
      const isTheirs =
        presented !== undefined &&
        member?.tokenHashes.includes(presented) === true &&
        member.identity.principal === principal;
      if (found === undefined || member === undefined || !isTheirs) {
        // Who comes back late does not take back what a newer one took: it would fence that one for good.
        if (instanceId !== undefined && member === undefined && found?.findInstance(instanceId) !== undefined) {
          throw instanceTaken(instanceId);
        }
        throw new LogError(
          'UNKNOWN_MEMBER_ID',
          `Group "${groupId}" has no member ${memberId} for this resume token; join without a memberId.`,
        );
      }
      // The answer may be lost, so what the client came with stays good until it says what it owns.
      member.tokenHashes = [fresh, presented];
      member.identity = { ...member.identity, clientId: request.clientId };
      this.#resumed++;
      const older = found.takeUp(member, request, holder);
      older?.listener.onTakenOver();
      return member;
    }
    const member = new Member({ memberId: randomUuid(random), instanceId, clientId, principal }, request, clock);
    member.tokenHashes = [fresh];
    const static_ = instanceId === undefined ? undefined : found?.findInstance(instanceId);
    if (found !== undefined && instanceId !== undefined && static_ !== undefined) {
      this.#resumed++;
      const older = found.replace(static_, member, holder);
      older?.listener.onFenced(instanceTaken(instanceId));
      return member;
    }
    if (found !== undefined && found.size >= maxGroupMembers) {
      throw new LogError(
        'GROUP_MAX_SIZE_REACHED',
        `Group "${groupId}" has ${found.size} members; no more are allowed.`,
      );
    }
    this.#entry(groupId).group.add(member, holder);
    return member;
  }

  async #freshToken() {
    const token = createResumeToken();
    return { token, hash: await this.#hashToken(token) };
  }

  /** With members. */
  #find(groupId: string): Group | undefined {
    const group = this.#entries.get(groupId)?.group;
    return group?.size === 0 ? undefined : group;
  }

  #entry(groupId: string): Entry {
    const known = this.#entries.get(groupId);
    if (known !== undefined) return known;
    const { topics, clock, store } = this.#options;
    const onRebalance = () => {
      this.#rebalanced++;
    };
    const group = new Group(groupId, { topics, clock, onChanged: () => void saver.save(), onRebalance });
    const saver = new GroupSaver<StoredGroup | undefined>({
      clock,
      begin: () => ({ state: storedForm(group), saved: this.#telling(group) }),
      write: (state) => store.saveState(groupId, state),
      onFailed: (error) => this.#report(error, `The members of group "${groupId}" could not be saved`),
      onIdle: () => {
        if (group.size === 0 && this.#entries.get(groupId) === entry) this.#entries.delete(groupId);
      },
    });
    const entry: Entry = { group, saver };
    this.#entries.set(groupId, entry);
    return entry;
  }

  /** What members are to be told once the present state is saved: they are told that, whatever happens meanwhile. */
  #telling(group: Group): () => void {
    const news = group.members().flatMap((member) => {
      if (!member.untold) return [];
      member.untold = false;
      return [{ member, assignment: member.assignment() }];
    });
    return () => {
      for (const { member, assignment } of news) {
        if (group.find(member.memberId) !== member) continue;
        member.told = assignment;
        const { holder } = member.presence;
        if (holder?.answering === false) holder.listener.onAssignment(assignment);
      }
    };
  }

  async #load(): Promise<void> {
    const { store, clock } = this.#options;
    const unreadable: string[] = [];
    try {
      for (const [groupId, stored] of await store.states()) {
        if (this.#closed) return;
        try {
          const { epoch, members } = readStoredForm(stored, clock);
          this.#entry(groupId).group.restore(epoch, members);
        } catch (error) {
          this.#report(error, `The saved members of group "${groupId}" cannot be read; they are forgotten`);
          unreadable.push(groupId);
        }
      }
      for (const groupId of unreadable) await store.saveState(groupId, undefined);
    } catch (error) {
      this.#report(error, 'The saved members of groups cannot be read');
    }
  }

  #report(error: unknown, message: string): void {
    this.#options.onError?.(error, message);
  }

  async commit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<CommitAnswer[]> {
    checkGroupId(groupId);
    await this.#loaded;
    return this.#offsets.commit(groupId, this.#admit(groupId, member), offsets);
  }

  /** The member that commits, if it may. */
  #admit(
    groupId: string,
    member: { readonly memberId: string; readonly memberEpoch: number } | undefined,
  ): Member | undefined {
    const group = this.#find(groupId);
    if (member === undefined) {
      if (group === undefined) return undefined;
      throw new LogError(
        'UNKNOWN_MEMBER_ID',
        `Group "${groupId}" has members: only they may commit. Use another groupId with assign().`,
      );
    }
    const found = group?.find(member.memberId);
    if (found === undefined) throw unknownMember(groupId, member.memberId);
    // What is not told yet its client cannot know.
    if (member.memberEpoch < found.told.memberEpoch) {
      const message = `Member epoch ${member.memberEpoch} is old; the present one is ${found.told.memberEpoch}.`;
      throw new LogError('STALE_MEMBER_EPOCH', message);
    }
    if (member.memberEpoch > found.epoch) {
      const message = `Member epoch ${member.memberEpoch} was never given; the present one is ${found.epoch}.`;
      throw new LogError('FENCED_MEMBER_EPOCH', message);
    }
    return found;
  }

  committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]> {
    return this.#offsets.committed(groupId, partitions);
  }

  async list(): Promise<GroupSummary[]> {
    await this.#loaded;
    const stored = await this.#options.store.groups();
    const alive = [...this.#entries.keys()].filter((groupId) => this.#find(groupId) !== undefined);
    return [...new Set([...alive, ...stored])].sort().map((groupId) => {
      const group = this.#find(groupId);
      return { groupId, state: stateOf(group), members: group?.size ?? 0 };
    });
  }

  async describe(groupId: string): Promise<GroupDescription> {
    checkGroupId(groupId);
    await this.#loaded;
    const stored = await this.#offsets.read(groupId);
    const group = this.#find(groupId);
    if (group === undefined && stored.size === 0) {
      throw new LogError('GROUP_ID_NOT_FOUND', `There is no group "${groupId}".`);
    }
    return describeGroup(groupId, group, stored, this.#options.topics);
  }

  async delete(groupId: string): Promise<void> {
    await this.describe(groupId);
    const members = this.#find(groupId)?.size ?? 0;
    if (members > 0) {
      const message = `Group "${groupId}" has ${members === 1 ? 'a member' : `${members} members`}.`;
      throw new LogError('NON_EMPTY_GROUP', message);
    }
    await this.#options.store.remove(groupId);
  }

  async expire(groupId: string, memberId?: string): Promise<void> {
    await this.#loaded;
    const group = this.#find(groupId);
    const members = memberId === undefined ? (group?.members() ?? []) : [group?.find(memberId)];
    for (const member of members) {
      if (group === undefined || member === undefined) throw unknownMember(groupId, memberId ?? '');
      group.remove(
        member,
        new LogError('FENCED_MEMBER_EPOCH', `The session of member ${member.memberId} has expired.`),
      );
    }
    await this.#entries.get(groupId)?.saver.pending;
  }

  async rebalance(groupId: string): Promise<void> {
    await this.#loaded;
    this.#find(groupId)?.rotate();
    await this.#entries.get(groupId)?.saver.pending;
  }

  counts(): GroupCounts {
    const groups = [...this.#entries.values()].filter(({ group }) => group.size > 0);
    const members = groups.flatMap(({ group }) => group.members());
    const membersConnected = members.filter(({ presence }) => presence.holder !== undefined).length;
    return {
      groups: groups.length,
      membersConnected,
      membersHeld: members.length - membersConnected,
      rebalanced: this.#rebalanced,
      resumed: this.#resumed,
    };
  }

  topicsChanged(): void {
    if (this.#closed) return;
    for (const { group } of this.#entries.values()) group.topicsChanged();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#loaded;
    for (const { group, saver } of this.#entries.values()) {
      group.end();
      saver.end();
    }
    await Promise.all([...this.#entries.values()].map(({ saver }) => saver.pending));
  }
}

function instanceTaken(instanceId: string): LogError {
  const message = `Another member joined with the groupInstanceId ${JSON.stringify(instanceId)}.`;
  return new LogError('FENCED_INSTANCE_ID', message);
}
