// One member of a classic group, from its join to its end: joins, takes what it is given, is heard of, and joins again whenever the group or its own client wants it. Knows nothing of connections.
import { LogError } from 'distributedlog/protocol';
import type { Assignment, MemberWishes, PartitionRef } from 'distributedlog/server';
import { brokerError } from '../../errors.ts';
import type { Metadata } from '../../metadata.ts';
import { pause, within } from '../../pause.ts';
import { Holding, type NamedPartition } from '../holding.ts';
import { markOf, memberOfHidden } from '../identity.ts';
import type { DriverContext, DriverListener, DriverRequest, MemberDriver } from '../member-driver.ts';
import { COOPERATIVE_STICKY, RANGE, union } from './assign.ts';
import { type ByTopic, decodeAssignment, decodeSubscription, encodeSubscription } from './consumer-protocol.ts';
import { Leadership } from './leadership.ts';
import { type ClassicCoordinator, CODES, type Identity, type JoinAnswer, type Protocol } from './requests.ts';

/** What a member sees of the cluster's topics. */
export interface Topics {
  readonly metadata: Metadata;
  onMetadata(listener: () => void): () => void;
  refresh(): Promise<Metadata>;
}
export interface ClassicMemberOptions extends Pick<DriverContext, 'clock' | 'random'> {
  readonly coordinator: ClassicCoordinator;
  readonly topics: Topics;
  readonly request: DriverRequest;
  readonly listener: DriverListener;
}

/** How late a member may hear that its group rebalances. */
const MAX_HEARTBEAT_INTERVAL_MS = 1_000;
const RETRY_MS = 200;
/** How long who leaves waits for the answer to its first join. */
const ENTER_WITHIN_MS = 1_000;
/** What brokers allow unless they are told otherwise (`group.min.session.timeout.ms`, `group.max.session.timeout.ms`). */
const USUAL_SESSION_MS = { min: 6_000, max: 1_800_000 } as const;

interface Waiter {
  readonly resolve: (assignment: Assignment) => void;
  readonly reject: (error: LogError) => void;
}

/**
 * Kafka's two ways to rebalance. Cooperative ('uniform', as cooperative-sticky): members keep what they have while they join
 * again; who is to let go of something is not given it any more, lets go, and joins once more so that others can have it.
 * Eager ('range'): members let go of everything before they join again. A member that wants 'range' can also do the
 * other, eagerly: where anybody wants 'uniform', that is what the group does.
 */
export class ClassicMember implements MemberDriver {
  readonly #options: ClassicMemberOptions;
  readonly #holding = new Holding();
  readonly #leadership = new Leadership();
  #memberId = '';
  #generation = -1;
  /** The generation of what the client was told last. */
  #told = -1;
  #wishes: MemberWishes;
  /** Whoever asked for something else than before. */
  readonly #waiters: Waiter[] = [];
  /** Whoever wants to have heard the coordinator. */
  readonly #listening: (() => void)[] = [];
  /** What the newest generation gives it, by names. */
  #given: ByTopic = new Map();
  #isRebalancing = false;
  /** It is to join again. */
  #mustJoin = false;
  #heardAt = 0;
  #wake: (() => void) | undefined;
  #cancelRevocation: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  /** Settles with the answer to the last JoinGroup. */
  #entering: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(options: ClassicMemberOptions) {
    this.#options = options;
    this.#wishes = options.request.wishes;
  }

  /** '' before it has joined. */
  get memberId(): string {
    return this.#memberId;
  }
  get memberEpoch(): number {
    return this.#generation;
  }
  owns(partition: PartitionRef): boolean {
    return this.#holding.has(partition);
  }
  revoking(): NamedPartition[] {
    return this.#holding.revoking();
  }

  async join(): Promise<Assignment> {
    const { request, topics, clock } = this.#options;
    try {
      const isOutdated = request.replaces !== undefined && (await this.#recall());
      await this.#rebalance();
      // Who takes a member's place does not make the group decide anew, whatever it subscribes to.
      if (isOutdated) this.#mustJoin = true;
    } catch (error) {
      // Nobody will speak for a new one; one that was there before may be asked for again.
      if (request.replaces === undefined) this.#leaveSilently();
      this.#end();
      throw error;
    }
    const assignment = this.#follow();
    // Whoever called is to hear that first.
    clock.after(0, () => {
      if (this.#ended) return;
      this.#unwatch = topics.onMetadata(() => this.#topicsChanged());
      this.#topicsChanged();
      void this.#live();
    });
    return assignment;
  }

  update(wishes: MemberWishes): Promise<Assignment> {
    if (this.#ended) return Promise.reject(gone());
    const differs = !sameWishes(this.#wishes, wishes);
    this.#wishes = wishes;
    const isTold = this.#told >= 0 && this.#waiters.length === 0;
    if (!differs && isTold) return Promise.resolve(this.#assignment());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#joinAgain();
    });
  }

  owned(memberEpoch: number, partitions: readonly { topicId: string; partitions: readonly number[] }[]): void {
    // An older answer says nothing of what it was given since.
    if (this.#ended || memberEpoch !== this.#told) return;
    const letGo = this.#holding.letGo(partitions);
    if (this.#holding.isRevoking) return;
    this.#stopRevocation();
    // What it let go of is free once it has joined without it.
    if (letGo) this.#joinAgain();
  }

  refresh(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#listening.push(resolve);
      this.#wake?.();
    });
  }

  async leave(): Promise<void> {
    if (this.#ended) return;
    const { clock } = this.#options;
    // Who leaves before it is known to be in would be let in behind its leaving.
    if (this.#memberId === '') await within(clock, ENTER_WITHIN_MS, this.#entering);
    this.#end();
    const { errorCode } = await this.#options.coordinator.leave(this.#identity());
    if (errorCode === CODES.NONE || errorCode === CODES.UNKNOWN_MEMBER_ID || errorCode === CODES.FENCED_INSTANCE_ID)
      return;
    throw this.#failed(errorCode, 'LeaveGroup');
  }
  stop(): void {
    this.#end();
  }

  /** Beats, and joins again when that is called for, until the end. */
  async #live(): Promise<void> {
    const { clock, random } = this.#options;
    while (!this.#ended) {
      if (this.#mustJoin && this.#isEager) this.#giveUpAll();
      await this.#turn();
      if (this.#ended) return;
      const listening = this.#listening.splice(0);
      try {
        if (this.#mayJoin) {
          await this.#rebalance();
          this.#tell(this.#follow());
        } else await this.#beat();
      } catch (error) {
        if (this.#ended) return;
        const known = LogError.from(error);
        if (!known.retriable) this.#fence(known);
        // The group may still have it: it goes on as who it is.
        else await pause(clock, RETRY_MS * (0.5 + random()));
      } finally {
        for (const heard of listening) heard();
      }
    }
  }
  /** Resolves when there is something to do. */
  #turn(): Promise<void> {
    if (this.#mayJoin || this.#listening.length > 0) return Promise.resolve();
    const { clock } = this.#options;
    const third = Math.floor(this.#wishes.sessionTimeoutMs / 3);
    const nextBeat = this.#heardAt + Math.min(MAX_HEARTBEAT_INTERVAL_MS, third);
    return new Promise((resolve) => {
      const cancel = clock.after(nextBeat - clock.now(), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
  async #beat(): Promise<void> {
    const { coordinator, clock } = this.#options;
    this.#heardAt = clock.now();
    const { errorCode } = await coordinator.heartbeat({ ...this.#identity(), generation: this.#generation });
    if (errorCode === CODES.REBALANCE_IN_PROGRESS || errorCode === CODES.ILLEGAL_GENERATION) this.#joinAgain();
    else if (errorCode !== CODES.NONE) throw this.#failed(errorCode, 'Heartbeat');
  }
  #joinAgain(): void {
    this.#mustJoin = true;
    this.#wake?.();
  }
  /** Who rebalances eagerly lets go of everything before. */
  get #mayJoin(): boolean {
    return this.#mustJoin && (!this.#isEager || this.#holding.held().length === 0);
  }
  get #isEager(): boolean {
    return this.#wishes.assignor === 'range';
  }
  #giveUpAll(): void {
    this.#given = new Map();
    if (!this.#holding.assign([])) return;
    this.#watchRevocation();
    this.#options.listener.onAssignment(this.#assignment());
  }

  /** Joins until it is given something, maybe nothing. */
  async #rebalance(): Promise<void> {
    const { topics, coordinator, clock } = this.#options;
    this.#isRebalancing = true;
    try {
      for (;;) {
        this.#mustJoin = false;
        const joined = await this.#joinGroup();
        const assignments = await this.#decide(joined);
        const { protocolName } = joined;
        const sync = {
          ...this.#identity(),
          generation: this.#generation,
          protocolName: protocolName ?? '',
          assignments,
        };
        const { errorCode, assignment } = await coordinator.sync(sync);
        this.#mustGoOn();
        if (errorCode === CODES.REBALANCE_IN_PROGRESS || errorCode === CODES.ILLEGAL_GENERATION) continue;
        if (errorCode !== CODES.NONE) throw this.#failed(errorCode, 'SyncGroup');
        this.#given = decodeAssignment(assignment);
        this.#heardAt = clock.now();
        if (this.#leadership.isOutdated(topics.metadata)) this.#mustJoin = true;
        return;
      }
    } catch (error) {
      this.#mustJoin = true;
      throw error;
    } finally {
      this.#isRebalancing = false;
    }
  }
  async #joinGroup(): Promise<JoinAnswer> {
    const { coordinator } = this.#options;
    for (let { sessionTimeoutMs } = this.#wishes; ; ) {
      const { rebalanceTimeoutMs } = this.#wishes;
      const protocols = this.#protocols();
      const joining = coordinator.join({ ...this.#identity(), sessionTimeoutMs, rebalanceTimeoutMs, protocols });
      // What comes of it is told below.
      this.#entering = joining.catch(() => undefined);
      const answer = await joining;
      this.#mustGoOn();
      const { errorCode, memberId, generationId } = answer;
      if (errorCode === CODES.NONE) {
        this.#memberId = memberId ?? this.#memberId;
        this.#generation = generationId;
        return answer;
      }
      if (errorCode !== CODES.INVALID_SESSION_TIMEOUT) throw this.#failed(errorCode, 'JoinGroup');
      // Longer than was asked for: whoever speaks for the member gives it up in time. Shorter is better than not at all.
      const usual = Math.min(Math.max(sessionTimeoutMs, USUAL_SESSION_MS.min), USUAL_SESSION_MS.max);
      if (usual === sessionTimeoutMs) throw this.#badSessionTimeout(usual);
      sessionTimeoutMs = usual;
    }
  }
  #protocols(): Protocol[] {
    const { topics, assignor } = this.#wishes;
    const { memberId, replaces } = this.#options.request;
    const subscription = {
      topics: sorted(topics),
      owned: claimsOf(this.#holding),
      generation: this.#generation,
      // The coordinator lets us name nobody: by what it was taken up stands here instead of in the member's name.
      mark: replaces === undefined ? undefined : markOf(memberId),
    };
    const metadata = encodeSubscription(subscription);
    const names = assignor === 'range' ? [RANGE, COOPERATIVE_STICKY] : [COOPERATIVE_STICKY];
    return names.map((name) => ({ name, metadata }));
  }
  async #decide(joined: JoinAnswer): Promise<ReturnType<Leadership['decide']>> {
    const { topics, coordinator } = this.#options;
    if (joined.leader !== this.#memberId) {
      this.#leadership.resign();
      return [];
    }
    this.#leadership.watch(joined, topics.metadata);
    if (this.#leadership.isPuzzled(topics.metadata)) {
      // It may just have been created. Where the cluster cannot be seen, what is known must do.
      await topics.refresh().catch(() => undefined);
      this.#mustGoOn();
      this.#leadership.watch(joined, topics.metadata);
    }
    if (!joined.skipAssignment) return this.#leadership.decide(joined, topics.metadata);
    const group = await coordinator.describe();
    this.#mustGoOn();
    if (group !== undefined) this.#leadership.recall(group);
    this.#leadership.doubt(topics.metadata);
    return [];
  }

  /** What it is given, as the client is to hear it. */
  #follow(): Assignment {
    this.#holding.assign(this.#resolve(this.#given));
    this.#watchRevocation();
    return this.#assignment();
  }
  #assignment(): Assignment {
    this.#told = this.#generation;
    return this.#holding.assignment(this.#told);
  }
  /** Who waits for it hears of it as the answer. */
  #tell(assignment: Assignment): void {
    // While it is to join again, it may be for them.
    const answered = this.#mustJoin ? [] : this.#waiters.splice(0);
    for (const { resolve } of answered) resolve(assignment);
    if (answered.length === 0) this.#options.listener.onAssignment(assignment);
  }
  #topicsChanged(): void {
    if (this.#ended || this.#isRebalancing) return;
    if (this.#leadership.isOutdated(this.#options.topics.metadata)) this.#joinAgain();
    if (this.#holding.assign(this.#resolve(this.#given))) {
      this.#watchRevocation();
      this.#options.listener.onAssignment(this.#assignment());
    }
  }
  /** Topics that are not known yet are left out until they are. */
  #resolve(byTopic: ByTopic): NamedPartition[] {
    const { byName } = this.#options.topics.metadata;
    return [...byTopic].flatMap(([topic, numbers]) => {
      const topicId = byName.get(topic)?.topicId;
      return topicId === undefined ? [] : numbers.map((partition) => ({ topic, topicId, partition }));
    });
  }

  /** What the coordinator knows of the member that it replaces; true: that one had another subscription. */
  async #recall(): Promise<boolean> {
    const { coordinator, request } = this.#options;
    const group = await coordinator.describe();
    this.#mustGoOn();
    const code = group?.errorCode ?? CODES.NONE;
    if (code !== CODES.NONE && code !== CODES.GROUP_ID_NOT_FOUND) throw this.#failed(code, 'DescribeGroups');
    const me = group?.members.find(({ groupInstanceId }) => groupInstanceId === request.instanceId);
    // While a group rebalances, its coordinator does not say what its members have.
    if (group === undefined || me === undefined || me.memberMetadata.length === 0) return false;
    const { topics, owned } = decodeSubscription(me.memberMetadata);
    this.#holding.recall(this.#resolve(union(owned, decodeAssignment(me.memberAssignment))));
    this.#leadership.recall(group);
    return !sameNames(topics, this.#wishes.topics);
  }

  #watchRevocation(): void {
    this.#stopRevocation();
    if (!this.#holding.isRevoking) return;
    const { rebalanceTimeoutMs } = this.#wishes;
    const message = `The member did not let go of its partitions within ${rebalanceTimeoutMs} ms.`;
    this.#cancelRevocation = this.#options.clock.after(rebalanceTimeoutMs, () => {
      this.#leaveSilently();
      this.#fence(new LogError('FENCED_MEMBER_EPOCH', message));
    });
  }
  #stopRevocation(): void {
    this.#cancelRevocation?.();
    this.#cancelRevocation = undefined;
  }

  #identity(): Identity {
    return { memberId: this.#memberId, instanceId: this.#options.request.instanceId };
  }
  #failed(code: number, what: string): LogError {
    return brokerError(code, `${what} of a member of group "${this.#options.request.groupId}"`);
  }
  #badSessionTimeout(tried: number): LogError {
    const message = `The brokers do not allow a sessionTimeoutMs of ${this.#wishes.sessionTimeoutMs} (nor ${tried}); group.min.session.timeout.ms and group.max.session.timeout.ms say what they do.`;
    return new LogError('INVALID_REQUEST', message);
  }
  #mustGoOn(): void {
    if (this.#ended) throw gone();
  }
  #leaveSilently(): void {
    // It may have got in, and not have heard as who. Another one may have the instance id if a client chose it.
    if (this.#memberId === '' && memberOfHidden(this.#options.request.instanceId) === undefined) return;
    // Where that fails the coordinator finds out by itself.
    this.#options.coordinator.leave(this.#identity()).catch(() => undefined);
  }
  #fence(error: LogError): void {
    if (this.#ended) return;
    this.#end(error);
    this.#options.listener.onFenced(error);
  }
  #end(error: LogError = gone()): void {
    this.#ended = true;
    this.#stopRevocation();
    this.#unwatch?.();
    this.#wake?.();
    this.#options.coordinator.close();
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    for (const heard of this.#listening.splice(0)) heard();
  }
}

function gone(): LogError {
  return new LogError('UNKNOWN_MEMBER_ID', 'The member has left its group.');
}
/** By name and in order, so that the same partitions are the same bytes. */
function claimsOf(holding: Holding): ByTopic {
  const names = new Map<string, Set<number>>();
  for (const { topic, partition } of holding.held()) {
    const numbers = names.get(topic);
    if (numbers === undefined) names.set(topic, new Set([partition]));
    else numbers.add(partition);
  }
  const ordered = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(ordered.map(([name, numbers]) => [name, [...numbers].sort((a, b) => a - b)]));
}
function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return sorted(a).join() === sorted(b).join();
}
function sameWishes(a: MemberWishes, b: MemberWishes): boolean {
  return sameNames(a.topics, b.topics) && (a.assignor ?? 'uniform') === (b.assignor ?? 'uniform');
}
