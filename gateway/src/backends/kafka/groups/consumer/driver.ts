// Speaks for one member to its coordinator in Kafka's newer protocol: one heartbeat at a time, at once when there is news, else when the coordinator wants one. Knows nothing of who the member's client is.
import { LogError } from 'distributedlog/protocol';
import type { Assignment, MemberWishes, PartitionRef } from 'distributedlog/server';
import type { Cluster } from '../../cluster.ts';
import { brokerError, toLogError } from '../../errors.ts';
import { pause } from '../../pause.ts';
import { Holding, type NamedPartition } from '../holding.ts';
import { laneOf } from '../lanes.ts';
import type { DriverContext, DriverListener, DriverRequest, MemberDriver } from '../member-driver.ts';
import { CODES, Heartbeats, type Refusal, type Said } from './heartbeats.ts';
import {
  CONSUMER_GROUP_DESCRIBE,
  CONSUMER_GROUP_HEARTBEAT,
  type DescribedMember,
  type HeartbeatAnswer,
  LEAVES,
  LEAVES_FOR_A_WHILE,
  type TopicPartitions,
} from './requests.ts';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;
/** How long a member that leaves waits for its coordinator to be back; then its session ends there by itself. */
const LEAVE_WITHIN_MS = 5_000;

type Outcome = { readonly type: 'in' } | { readonly type: Refusal | 'lost'; readonly error: LogError };
interface Waiter {
  /** The first heartbeat that will do: one that began after the question. */
  readonly beat: number;
  resolve(): void;
  reject(error: LogError): void;
}

/** What is needed of a cluster. */
export type DriverCluster = Pick<Cluster, 'coordinator' | 'metadata' | 'refresh' | 'settings'>;
interface Context extends Pick<DriverContext, 'clock'> {
  readonly cluster: DriverCluster;
}

export class ConsumerDriver implements MemberDriver {
  readonly memberId: string;
  readonly #context: Context;
  readonly #request: DriverRequest;
  readonly #listener: DriverListener;
  readonly #heartbeats: Heartbeats;
  readonly #holding = new Holding();
  /** Of topics by their ids. */
  readonly #names = new Map<string, string>();
  #waiters: Waiter[] = [];
  #beats = 0;
  #failures = 0;
  #beating = false;
  /** Somebody waits for the next answer. */
  #urgent = false;
  #joined = false;
  #over = false;
  /** Of the assignment that its client was told last. */
  #toldEpoch = 0;
  /** What was taken on last, and whether some of it could not be told for want of its topic's name. */
  #learnt: { readonly assignment: readonly TopicPartitions[]; readonly isTold: boolean } = {
    assignment: [],
    isTold: true,
  };
  #intervalMs = RETRY_MAX_MS;
  #cancelTimer: (() => void) | undefined;

  constructor(context: Context, request: DriverRequest, listener: DriverListener) {
    this.#context = context;
    this.#request = request;
    this.#listener = listener;
    this.memberId = request.memberId;
    this.#heartbeats = new Heartbeats(request.wishes);
  }

  get memberEpoch(): number {
    return this.#heartbeats.epoch;
  }
  owns(partition: PartitionRef): boolean {
    return this.#holding.has(partition);
  }
  revoking(): NamedPartition[] {
    return this.#holding.revoking();
  }

  async join(): Promise<Assignment> {
    const { cluster, clock } = this.#context;
    const until = clock.now() + cluster.settings.requestTimeoutMs;
    try {
      if (this.#request.replaces !== undefined) await this.#release(this.#request.replaces);
      this.#mustGoOn();
      for (let attempt = 0; ; attempt++) {
        const outcome = await this.#ask();
        this.#mustGoOn();
        if (outcome.type === 'in') break;
        const waitMs = retryMs(attempt);
        if (outcome.type === 'taken') await this.#releaseInstance();
        else if (outcome.type !== 'lost') throw outcome.error;
        if (clock.now() + waitMs >= until) throw outcome.error;
        if (outcome.type === 'lost' || attempt > 0) await pause(clock, waitMs);
        this.#mustGoOn();
      }
      await this.#learn();
      this.#mustGoOn();
    } catch (error) {
      this.stop();
      // It may have got in all the same; who takes a member's place may be asked to do so again.
      if (this.#request.replaces === undefined) void this.#sayGoodbye();
      throw error;
    }
    this.#joined = true;
    this.#arm();
    return this.#told();
  }

  async update(wishes: MemberWishes): Promise<Assignment> {
    const before = this.#heartbeats.wishes;
    this.#heartbeats.wish(wishes);
    if (this.#heartbeats.isNews) {
      try {
        await this.refresh();
      } catch (error) {
        if (!this.#over && this.#heartbeats.wishes === wishes) this.#heartbeats.wish(before);
        throw error;
      }
    }
    return this.#told();
  }

  owned(memberEpoch: number, partitions: readonly TopicPartitions[]): void {
    // An older answer says nothing of what its client was told since, and may have begun to work on.
    if (this.#over || memberEpoch < this.#toldEpoch) return;
    const released = this.#holding.letGo(partitions);
    this.#heartbeats.own(this.#holding.owned(), released);
    if (released) this.#beatSoon();
  }

  refresh(): Promise<void> {
    if (this.#over) return Promise.reject(this.#gone());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ beat: this.#beats + 1, resolve, reject });
      this.#urgent = true;
      this.#beatSoon();
    });
  }

  async leave(): Promise<void> {
    const wasOver = this.#over;
    this.stop();
    if (!wasOver) await this.#sayGoodbye();
  }

  stop(): void {
    this.#over = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const { reject } of this.#waiters.splice(0)) reject(this.#gone());
  }

  #told(): Assignment {
    this.#toldEpoch = this.#heartbeats.epoch;
    return this.#holding.assignment(this.#heartbeats.epoch);
  }

  #beatSoon(): void {
    // The one under way is followed by another one where there is news by then.
    if (this.#beating || !this.#joined || this.#over) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    void this.#beat();
  }

  async #beat(): Promise<void> {
    this.#beating = true;
    this.#urgent = false;
    const beat = ++this.#beats;
    const outcome = await this.#ask();
    if (outcome.type === 'in' && !this.#over) {
      const changed = await this.#learn();
      if (!this.#over && changed) this.#listener.onAssignment(this.#told());
    }
    this.#beating = false;
    if (this.#over) return;
    const waiting = this.#waiters.filter((waiter) => waiter.beat <= beat);
    switch (outcome.type) {
      case 'in':
        this.#failures = 0;
        this.#waiters = this.#waiters.filter((waiter) => !waiting.includes(waiter));
        for (const { resolve } of waiting) resolve();
        break;
      case 'lost':
        this.#failures++;
        break;
      case 'refused':
        // What was asked is not to be had; where nothing was asked, it cannot go on.
        this.#failures++;
        if (waiting.length === 0) {
          this.#fence(outcome.error);
          return;
        }
        this.#waiters = this.#waiters.filter((waiter) => !waiting.includes(waiter));
        for (const { reject } of waiting) reject(outcome.error);
        break;
      default:
        this.#fence(outcome.type === 'taken' ? outcome.error : await this.#whyFenced(outcome.error));
        return;
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#over) return;
    if (this.#failures === 0 && (this.#urgent || this.#heartbeats.isNews)) {
      this.#beatSoon();
      return;
    }
    const delayMs = this.#failures === 0 ? this.#intervalMs : retryMs(this.#failures - 1);
    this.#cancelTimer = this.#context.clock.after(delayMs, () => this.#beatSoon());
  }

  #fence(error: LogError): void {
    if (this.#over) return;
    this.stop();
    this.#listener.onFenced(error);
  }

  /** Whoever takes the member up makes room for itself first: a heartbeat just then says no more than that the epoch is wrong. */
  async #whyFenced(error: LogError): Promise<LogError> {
    try {
      const holder = await this.#holder();
      if (holder === undefined) return error;
      if (holder.memberId === this.memberId && holder.memberEpoch !== LEAVES_FOR_A_WHILE) return error;
      return this.#taken();
    } catch {
      // Its coordinator cannot say more now.
      return error;
    }
  }

  /** One heartbeat, once. */
  async #ask(): Promise<Outcome> {
    let error: LogError;
    try {
      // Not repeated as it is: what was left out may be what gets lost.
      const answer = await this.#send(this.#heartbeats.next(), 0);
      if (answer.heartbeatIntervalMs > 0) this.#intervalMs = answer.heartbeatIntervalMs;
      if (answer.errorCode === CODES.NONE) {
        this.#heartbeats.answered(answer);
        return { type: 'in' };
      }
      error = brokerError(answer.errorCode, this.#about(), {}, answer.errorMessage);
      if (!error.retriable) return { type: this.#heartbeats.refused(answer.errorCode), error };
    } catch (cause) {
      error = toLogError(cause, this.#about());
    }
    this.#heartbeats.lost();
    return { type: error.retriable ? 'lost' : 'refused', error };
  }

  #send(said: Said, timeoutMs: number, memberId = this.memberId): Promise<HeartbeatAnswer> {
    const { groupId, instanceId } = this.#request;
    const beat = { groupId, memberId, instanceId, ...said };
    const codeOf = ({ errorCode }: HeartbeatAnswer): number => errorCode;
    return this.#context.cluster.coordinator(
      groupId,
      laneOf(instanceId),
      codeOf,
      CONSUMER_GROUP_HEARTBEAT,
      [beat],
      timeoutMs,
    );
  }

  /** Takes on what the coordinator says the member should own; true: that is something else than it was told last. */
  async #learn(): Promise<boolean> {
    const { assignment } = this.#heartbeats;
    await this.#name(assignment.map(({ topicId }) => topicId));
    const partitions = assignment.flatMap(({ topicId, partitions: numbers }): NamedPartition[] => {
      const topic = this.#names.get(topicId);
      return topic === undefined ? [] : numbers.map((partition) => ({ topic, topicId, partition }));
    });
    const changed = this.#holding.assign(partitions);
    // What its client was never told it will not let go of, and the coordinator waits until that is said.
    const { assignment: before, isTold } = this.#learnt;
    const isNews = !isTold && JSON.stringify(before) !== JSON.stringify(assignment);
    this.#learnt = { assignment, isTold: assignment.every(({ topicId }) => this.#names.has(topicId)) };
    this.#heartbeats.own(this.#holding.owned(), isNews);
    return changed;
  }

  /** Topics keep their names, and what a broker does not know just now the coordinator does. */
  async #name(topicIds: readonly string[]): Promise<void> {
    const { cluster } = this.#context;
    const isUnknown = (topicId: string): boolean => !this.#names.has(topicId);
    const look = (): void => {
      for (const topicId of topicIds.filter(isUnknown)) {
        const name = cluster.metadata.byId.get(topicId)?.name;
        if (name !== undefined) this.#names.set(topicId, name);
      }
    };
    look();
    if (!topicIds.some(isUnknown)) return;
    // A new topic may be gone again, or the cluster out of reach: its partitions are told after a later heartbeat, or never.
    await cluster.refresh().catch(() => undefined);
    look();
  }

  async #holder(): Promise<DescribedMember | undefined> {
    const { groupId, instanceId } = this.#request;
    const { groups } = await this.#context.cluster.coordinator(
      groupId,
      'group',
      ({ groups: [group] }) => group?.errorCode ?? 0,
      CONSUMER_GROUP_DESCRIBE,
      [[groupId]],
    );
    return groups[0]?.members.find((member) => member.instanceId === instanceId);
  }

  /** Makes room for this one. Who comes for the place of one member must not get that of another one, who came before. */
  async #releaseInstance(): Promise<void> {
    const { replaces } = this.#request;
    const holder = await this.#holder();
    if (holder === undefined) return;
    if (replaces !== undefined && ![replaces, this.memberId].includes(holder.memberId)) throw this.#taken();
    await this.#release(holder.memberId);
  }

  /** The coordinator keeps the partitions of the instanceId, and fences whoever speaks for it as soon as another one does. */
  async #release(memberId: string): Promise<void> {
    const answer = await this.#send({ memberEpoch: LEAVES_FOR_A_WHILE }, RETRY_MAX_MS, memberId);
    switch (answer.errorCode) {
      case CODES.NONE:
      case CODES.UNKNOWN_MEMBER_ID:
      case CODES.GROUP_ID_NOT_FOUND:
        return;
      case CODES.FENCED_INSTANCE_ID:
        if (this.#request.replaces === undefined) return;
        throw this.#taken();
      default:
        throw brokerError(answer.errorCode, this.#about(), {}, answer.errorMessage);
    }
  }

  /** Where this cannot be heard, or is refused, the session ends at the coordinator by itself. */
  async #sayGoodbye(): Promise<void> {
    await this.#send({ memberEpoch: LEAVES }, LEAVE_WITHIN_MS).catch(() => undefined);
  }

  #mustGoOn(): void {
    if (this.#over) throw this.#gone();
  }
  #taken(): LogError {
    return brokerError(CODES.FENCED_INSTANCE_ID, this.#about());
  }
  #gone(): LogError {
    return new LogError('UNKNOWN_MEMBER_ID', `${this.#about()} is no member any more.`);
  }
  #about(): string {
    return `Member ${this.memberId} of group "${this.#request.groupId}"`;
  }
}

function retryMs(attempt: number): number {
  return Math.min(RETRY_MIN_MS * 2 ** Math.min(attempt, 10), RETRY_MAX_MS);
}
