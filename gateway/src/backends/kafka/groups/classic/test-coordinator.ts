// A group's coordinator in memory, for static members of the classic protocol, on a clock of the test's own; and a way to it on which requests and answers get lost.
import type { Clock, Random } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { pause } from '../../pause.ts';
import {
  type ClassicCoordinator,
  CODES,
  type Identity,
  type JoinAnswer,
  type JoinArgs,
  type SyncArgs,
} from './requests.ts';

type SyncAnswer = Awaited<ReturnType<ClassicCoordinator['sync']>>;
interface Member extends JoinArgs {
  assignment: Buffer;
  joining: ((answer: JoinAnswer) => void) | undefined;
  syncing: ((answer: SyncAnswer) => void) | undefined;
  cancelSession: () => void;
}
const NOTHING = Buffer.alloc(0);

export class TestCoordinator {
  state: 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' = 'Empty';
  generation = 0;
  readonly members = new Map<string, Member>();
  readonly #clock: Clock;
  #protocol = '';
  #leader = '';
  #serial = 0;
  #cancelRebalance = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(args: JoinArgs): Promise<JoinAnswer> {
    return new Promise((resolve) => {
      let { memberId } = args;
      const before = memberId === '' ? this.#ofInstance(args.instanceId) : this.members.get(memberId);
      const refused = memberId === '' ? CODES.NONE : this.#check(args);
      if (refused !== CODES.NONE) return resolve(this.#refusal(refused));
      const same =
        before !== undefined &&
        before.protocols.every(({ name, metadata }, i) => {
          const now = args.protocols[i];
          return now?.name === name && now.metadata.equals(metadata);
        });
      if (memberId === '') {
        memberId = `${args.instanceId}#${++this.#serial}`;
        if (before !== undefined) this.#replace(before, memberId);
      } else before?.joining?.(this.#refusal(CODES.REBALANCE_IN_PROGRESS));
      const assignment = before?.assignment ?? NOTHING;
      const member: Member = {
        ...args,
        memberId,
        assignment,
        joining: undefined,
        syncing: undefined,
        cancelSession: () => {},
      };
      before?.cancelSession();
      this.members.set(memberId, member);
      this.#live(member);
      const isReplaced = args.memberId === '' && before !== undefined;
      const isDisturbing = isReplaced
        ? this.#select() !== this.#protocol
        : !same || (this.state === 'Stable' && memberId === this.#leader);
      if (this.state === 'Stable' && !isDisturbing) return resolve(this.#answer(member, isReplaced));
      if (this.state === 'CompletingRebalance' && same && !isReplaced) return resolve(this.#answer(member, false));
      member.joining = resolve;
      this.#prepare();
    });
  }

  sync(args: SyncArgs): Promise<SyncAnswer> {
    return new Promise((resolve) => {
      const refused =
        this.#check(args) || (args.generation === this.generation ? CODES.NONE : CODES.ILLEGAL_GENERATION);
      const member = this.members.get(args.memberId);
      if (refused !== CODES.NONE || member === undefined) return resolve({ errorCode: refused, assignment: NOTHING });
      this.#live(member);
      if (this.state === 'PreparingRebalance') {
        return resolve({ errorCode: CODES.REBALANCE_IN_PROGRESS, assignment: NOTHING });
      }
      if (this.state === 'Stable') return resolve({ errorCode: CODES.NONE, assignment: member.assignment });
      member.syncing = resolve;
      if (args.memberId !== this.#leader) return;
      this.state = 'Stable';
      for (const one of this.members.values()) {
        one.assignment = args.assignments.find(({ memberId }) => memberId === one.memberId)?.assignment ?? NOTHING;
        one.syncing?.({ errorCode: CODES.NONE, assignment: one.assignment });
        one.syncing = undefined;
      }
    });
  }

  async heartbeat(args: Identity & { readonly generation: number }): Promise<{ errorCode: number }> {
    const refused = this.#check(args) || (args.generation === this.generation ? CODES.NONE : CODES.ILLEGAL_GENERATION);
    const member = this.members.get(args.memberId);
    if (refused !== CODES.NONE || member === undefined) return { errorCode: refused };
    this.#live(member);
    return { errorCode: this.state === 'PreparingRebalance' ? CODES.REBALANCE_IN_PROGRESS : CODES.NONE };
  }

  async leave(args: Identity): Promise<{ errorCode: number }> {
    const memberId = args.memberId === '' ? (this.#ofInstance(args.instanceId)?.memberId ?? '') : args.memberId;
    const refused = this.#check({ ...args, memberId });
    if (refused === CODES.NONE) this.#remove(memberId);
    return { errorCode: refused };
  }

  async describe(): ReturnType<ClassicCoordinator['describe']> {
    const isStable = this.state === 'Stable';
    return {
      errorCode: CODES.NONE,
      groupState: this.state,
      protocolData: this.#protocol,
      members: [...this.members.values()].map(({ memberId, instanceId, protocols, assignment }) => ({
        memberId,
        groupInstanceId: instanceId,
        memberMetadata: isStable ? (protocols[0]?.metadata ?? NOTHING) : NOTHING,
        memberAssignment: isStable ? assignment : NOTHING,
      })),
    };
  }

  /** Requests take their time; where `isLost` says so they do not arrive, or their answers do not. */
  reach(clock: Clock, random: Random, isLost: () => boolean): ClassicCoordinator {
    let closed = false;
    const through = async <T>(ask: () => Promise<T>): Promise<T> => {
      await pause(clock, 1 + random() * 20);
      const lost = new LogError('REQUEST_TIMED_OUT', 'lost');
      if (isLost()) throw lost;
      const answer = await ask();
      await pause(clock, 1 + random() * 20);
      if (closed || isLost()) throw lost;
      return answer;
    };
    return {
      join: (args) => through(() => this.join(args)),
      sync: (args) => through(() => this.sync(args)),
      heartbeat: (args) => through(() => this.heartbeat(args)),
      leave: (args) => this.leave(args),
      describe: () => through(() => this.describe()),
      close: () => {
        closed = true;
      },
    };
  }

  #ofInstance(instanceId: string): Member | undefined {
    return [...this.members.values()].find((member) => member.instanceId === instanceId);
  }
  #check({ memberId, instanceId }: Identity): number {
    const present = this.#ofInstance(instanceId);
    if (present === undefined) return CODES.UNKNOWN_MEMBER_ID;
    return present.memberId === memberId ? CODES.NONE : CODES.FENCED_INSTANCE_ID;
  }
  #refusal(errorCode: number): JoinAnswer {
    return { errorCode, generationId: -1, leader: '', skipAssignment: false, memberId: '', members: [] };
  }
  #replace(before: Member, memberId: string): void {
    this.members.delete(before.memberId);
    before.joining?.(this.#refusal(CODES.FENCED_INSTANCE_ID));
    before.syncing?.({ errorCode: CODES.FENCED_INSTANCE_ID, assignment: NOTHING });
    if (this.#leader === before.memberId) this.#leader = memberId;
  }
  #answer({ memberId }: Member, skipAssignment: boolean): JoinAnswer {
    const leads = memberId === this.#leader;
    return {
      errorCode: CODES.NONE,
      generationId: this.generation,
      protocolName: this.#protocol,
      leader: this.#leader,
      skipAssignment: leads && skipAssignment,
      memberId,
      members: leads
        ? [...this.members.values()].map((one) => ({
            memberId: one.memberId,
            groupInstanceId: one.instanceId,
            metadata: one.protocols.find(({ name }) => name === this.#protocol)?.metadata ?? NOTHING,
          }))
        : [],
    };
  }
  #live(member: Member): void {
    member.cancelSession();
    member.cancelSession = this.#clock.after(member.sessionTimeoutMs, () => {
      if (member.joining === undefined) this.#remove(member.memberId);
      else this.#live(member);
    });
  }
  #remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member === undefined) return;
    member.cancelSession();
    member.joining?.(this.#refusal(CODES.UNKNOWN_MEMBER_ID));
    member.syncing?.({ errorCode: CODES.UNKNOWN_MEMBER_ID, assignment: NOTHING });
    this.members.delete(memberId);
    this.#prepare();
  }
  #prepare(): void {
    if (this.state !== 'PreparingRebalance') {
      this.state = 'PreparingRebalance';
      for (const member of this.members.values()) {
        member.syncing?.({ errorCode: CODES.REBALANCE_IN_PROGRESS, assignment: NOTHING });
        member.syncing = undefined;
      }
      const longest = Math.max(0, ...[...this.members.values()].map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs));
      this.#cancelRebalance = this.#clock.after(longest, () => this.#complete());
    }
    if ([...this.members.values()].every(({ joining }) => joining !== undefined)) this.#complete();
  }
  /** Static members that have not come stay, until their session ends. */
  #complete(): void {
    this.#cancelRebalance();
    const members = [...this.members.values()];
    this.generation++;
    if (members.length === 0) {
      this.state = 'Empty';
      return;
    }
    this.#protocol = this.#select();
    const present = members.filter(({ joining }) => joining !== undefined);
    if (!present.some(({ memberId }) => memberId === this.#leader)) this.#leader = present[0]?.memberId ?? '';
    this.state = 'CompletingRebalance';
    for (const member of present) {
      member.joining?.(this.#answer(member, false));
      member.joining = undefined;
      this.#live(member);
    }
  }
  /** Of those that all can do, what most like best. */
  #select(): string {
    const lists = [...this.members.values()].map(({ protocols }) => protocols.map(({ name }) => name));
    const common = (lists[0] ?? []).filter((name) => lists.every((names) => names.includes(name)));
    const votes = lists.map((names) => names.find((name) => common.includes(name)));
    const count = (name: string): number => votes.filter((vote) => vote === name).length;
    return common.toSorted((a, b) => count(b) - count(a))[0] ?? '';
  }
}
