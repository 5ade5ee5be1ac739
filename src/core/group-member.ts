// The consumer's side of its group: joins, follows assignments, gives up what it must, comes back after it was fenced. Knows nothing of records or readers.
import { LogError, type ServerFrame, type ServerFrameOf, type TopicPartition } from '../protocol/index.ts';
import { MAX_DELAY_MS } from './config.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import { pause, RETRY_MS } from './consumer-wait.ts';
import { MemberKeepsake } from './member-keepsake.ts';
import type { FetchChannel, Session } from './session.ts';
import { aborted, errorOf } from './session-requests.ts';

export type AssignedTopics = ServerFrameOf<'assignment'>['partitions'];
interface Assignment {
  readonly memberEpoch: number;
  readonly partitions: AssignedTopics;
}
/** A partition with the identity of its topic. */
export interface AssignedPartition extends TopicPartition {
  readonly topicId: string;
}

export interface MemberHost {
  readonly session: Session;
  readonly channel: FetchChannel;
  readonly config: ParsedConsumerConfig;
  /** Topics by their present ids: what was read of an earlier one is another's. */
  recognise(target: AssignedTopics): void;
  /** What the consumer has now. */
  owned(): readonly AssignedPartition[];
  /** Stops delivery, waits until nothing is in hand (or rebalanceTimeoutMs is over), commits, tells the listener, lets go. Never rejects. */
  revoke(partitions: readonly AssignedPartition[]): Promise<void>;
  /** All of it is gone: waits for the reader's next turn, tells the listener, lets go. Never rejects. */
  lose(): Promise<void>;
  /** Takes them on, tells the listener, delivers. Never rejects. */
  assign(partitions: readonly AssignedPartition[]): Promise<void>;
  /** false: the member may have been given up on, so nothing is delivered. */
  deliver(on: boolean): void;
  /** Something may be delivered again. */
  wake(): void;
  /** The consumer cannot go on as a member. */
  fail(error: LogError): void;
}

/** What to let go and what to take on to get from one assignment to the next. A topic with another id is another topic. */
export function reconcile(
  owned: readonly AssignedPartition[],
  target: AssignedTopics,
): { readonly revoked: AssignedPartition[]; readonly added: AssignedPartition[] } {
  const wanted = new Map<string, AssignedPartition>();
  for (const { topic, topicId, partitions } of target) {
    for (const partition of partitions) {
      const one = { topic, topicId, partition };
      wanted.set(keyOf(one), one);
    }
  }
  const revoked: AssignedPartition[] = [];
  for (const partition of owned) {
    if (!wanted.delete(keyOf(partition))) revoked.push(partition);
  }
  return { revoked, added: [...wanted.values()] };
}

/** 'down': a member whose connection is gone; nothing may be said in its name before it has joined again. */
type Phase = 'out' | 'joining' | 'in' | 'down';

interface Waiter {
  resolve(): void;
  reject(error: LogError): void;
}

export class GroupMember {
  readonly #host: MemberHost;
  readonly #groupId: string;
  readonly #keepsake: MemberKeepsake;
  #phase: Phase = 'out';
  #topics: readonly string[] = [];
  #memberId: string | undefined;
  #latestId: string | undefined;
  /** From the newest answer to a join: whoever has it can take the member up. */
  #resumeToken: string | undefined;
  /** 0: not a member. */
  #memberEpoch = 0;
  /** Why the membership that the consumer still acts upon is no more. */
  #lost: LogError | undefined;
  #heartbeatIntervalMs = 3_000;
  #target: Assignment | undefined;
  /** One that came when the gateway may have given the member up already: looked at once it has answered. */
  #doubted: Assignment | undefined;
  /** The newest assignment, or what has changed since, has not been looked at. */
  #stale = false;
  #following: Promise<void> | undefined;
  /** The one attempt to get in, or to state other topics, that is under way. */
  #entering: Promise<void> | undefined;
  readonly #revoking = new Set<string>();
  #abort = new AbortController();
  #waiters: Waiter[] = [];
  /** The gateway has been asked whether it hears us still. */
  #asking = false;

  constructor(host: MemberHost, groupId: string) {
    const { session, config } = host;
    this.#host = host;
    this.#groupId = groupId;
    // A static member needs none: its id takes it up.
    const keeps = config.resumeAfterReload && config.groupInstanceId === undefined;
    this.#keepsake = new MemberKeepsake(keeps ? session.keepsake : undefined);
  }

  /** Undefined while it is not a member. */
  get identity(): { readonly memberId: string; readonly memberEpoch: number } | undefined {
    const memberId = this.#memberId;
    const memberEpoch = this.#memberEpoch;
    return memberId === undefined || memberEpoch === 0 ? undefined : { memberId, memberEpoch };
  }
  /** Of the latest membership, over or not. */
  get latestId(): string | undefined {
    return this.#latestId;
  }
  get heartbeatIntervalMs(): number {
    return this.#heartbeatIntervalMs;
  }
  /** What the consumer still has as a member is not its own any more. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }
  /** Has asked to be a member and not left since. */
  get wanted(): boolean {
    return this.#phase !== 'out';
  }
  /**
   * The gateway may have given the member up since it was last certain to hear us (we slept, say), so nothing may be delivered before
   * it has answered. Asks it, and wakes the reader when it has.
   */
  get lapsed(): boolean {
    const { session, config, wake } = this.#host;
    if (this.#phase !== 'in' || session.clock.now() - session.heardAt < config.sessionTimeoutMs) return false;
    if (!this.#asking) {
      this.#asking = true;
      const answered = (): void => {
        this.#asking = false;
      };
      const heard = (): void => {
        wake();
        if (this.#doubted !== undefined) this.onAssignment(this.#doubted);
      };
      session
        .request<'ping'>({ type: 'ping' }, { retry: false })
        .finally(answered)
        .then(heard, () => undefined);
    }
    return true;
  }
  /** Resolves when the gateway (again) holds the member on this connection; rejects when it no longer knows it. */
  whenIn(): Promise<void> {
    if (this.#phase === 'in') return Promise.resolve();
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  /** Joins, or states another subscription. Rejects with what only the caller can mend, TIMED_OUT and ABORTED never. */
  async subscribe(topics: readonly string[]): Promise<void> {
    this.#topics = [...topics];
    await this.#enter();
    await this.settled();
  }

  /** All that was assigned has been taken on, listeners included; what was taken away may still be in hand. */
  async settled(): Promise<void> {
    while (this.#following !== undefined) await this.#following;
  }

  onLive(): void {
    if (this.#phase === 'down') this.#rejoin();
  }
  onDown(): void {
    if (this.#phase === 'out') return;
    this.#host.deliver(false);
    if (this.#phase === 'in') this.#phase = 'down';
  }
  onAssignment(assignment: Assignment): void {
    if (this.#phase !== 'in' || assignment.memberEpoch < this.#memberEpoch) return;
    this.#memberEpoch = assignment.memberEpoch;
    if (this.lapsed) this.#doubted = assignment;
    else this.#follow(assignment);
  }
  onFenced(frame: ServerFrameOf<'fenced'>): void {
    if (this.#phase === 'out') return;
    const error = errorOf(frame);
    if (error.code === 'FENCED_INSTANCE_ID') {
      this.#end(error);
      return;
    }
    this.#lose(error);
    this.#rejoin();
  }
  /** The connection is gone for good, and the membership with it. */
  onEnd(error: LogError): void {
    if (this.#phase !== 'out') this.#end(error);
  }
  /** Leaves for good; `tell`: the gateway too, else it keeps the member for its session's time. Never rejects; resolves with what went wrong. */
  async leave(tell: boolean): Promise<LogError | undefined> {
    // A join under way may have reached the gateway.
    const { wanted } = this;
    if (tell) this.#keepsake.save(undefined);
    this.#out();
    if (!wanted || !tell || this.#host.session.status.type !== 'live') return undefined;
    try {
      await this.#host.session.request<'leave'>(
        { type: 'leave', consumer: this.#host.channel.consumer },
        { retry: false },
      );
      return undefined;
    } catch (error) {
      return LogError.from(error);
    }
  }
  /** Nothing follows. */
  close(): void {
    this.#keepsake.release();
  }

  /** What was owned is lost, though the consumer has not let go of it yet. */
  #lose(error: LogError): void {
    this.#phase = 'joining';
    this.#host.deliver(false);
    if (this.#memberEpoch > 0) this.#refuse(error);
    this.#forget();
  }
  #refuse(error: LogError): void {
    this.#lost = error;
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
  #forget(): void {
    this.#memberId = undefined;
    this.#resumeToken = undefined;
    this.#memberEpoch = 0;
    this.#target = undefined;
    this.#doubted = undefined;
    this.#stale = false;
  }
  #out(): void {
    this.#phase = 'out';
    this.#lost = undefined;
    this.#forget();
    this.#entering = undefined;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#letIn();
  }
  /** It cannot be a member again. */
  #end(error: LogError): void {
    this.#keepsake.save(undefined);
    this.#host.deliver(false);
    this.#refuse(error);
    this.#out();
    this.#lost = error;
    this.#host.fail(error);
    void this.#host.lose();
  }
  #letIn(): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  #rejoin(): void {
    this.#phase = 'joining';
    this.#enter().catch((cause: unknown) => {
      const error = LogError.from(cause);
      if (error.code !== 'ABORTED' && error.code !== 'CLOSED') this.#end(error);
    });
  }
  #enter(): Promise<void> {
    if (this.#phase === 'out') this.#phase = 'joining';
    this.#entering ??= this.#join(this.#abort.signal);
    return this.#entering;
  }
  /** Until the gateway holds the member with the topics it wants by then. */
  async #join(signal: AbortSignal): Promise<void> {
    const { session, channel, config } = this.#host;
    try {
      for (let stated: readonly string[] | undefined; stated !== this.#topics || this.#phase !== 'in'; ) {
        await this.#keepsake.claim(this.#groupId);
        // Without an id the old member, and all it had, is gone.
        if (this.#memberId === undefined) await this.#host.lose();
        if (signal.aborted) throw aborted(signal);
        stated = this.#topics;
        const kept = this.#keepsake.take();
        if (kept !== undefined && this.#memberId === undefined) {
          this.#memberId = kept.memberId;
          this.#resumeToken = kept.resumeToken;
        }
        try {
          await session.request<'join'>(
            {
              type: 'join',
              consumer: channel.consumer,
              groupId: this.#groupId,
              memberId: this.#memberId,
              resumeToken: this.#phase === 'in' ? undefined : this.#resumeToken,
              instanceId: config.groupInstanceId,
              assignor: config.assignor,
              topics: [...stated],
              sessionTimeoutMs: config.sessionTimeoutMs,
              rebalanceTimeoutMs: config.rebalanceTimeoutMs,
              maxPollIntervalMs: config.maxPollIntervalMs,
            },
            // Not repeated by the session: on another connection the member must show its token. On the same one it must not ask twice.
            { signal, retry: false, timeoutMs: MAX_DELAY_MS, onAnswer: (reply) => this.#joined(reply) },
          );
        } catch (cause) {
          stated = undefined;
          const error = LogError.from(cause);
          if (signal.aborted) throw error;
          if (error.code === 'UNKNOWN_MEMBER_ID' || error.code === 'FENCED_MEMBER_EPOCH') this.#lose(error);
          else if (error.retriable) await pause(session.clock, error.retryAfterMs ?? RETRY_MS);
          else {
            if (this.#phase !== 'in') this.#phase = 'out';
            throw error;
          }
        }
      }
    } finally {
      if (!signal.aborted) this.#entering = undefined;
    }
  }
  /** On the read path: an assignment may be right behind the answer. */
  #joined(reply: ServerFrame): void {
    if (reply.type !== 'join') return;
    const { memberId, memberEpoch, resumeToken, heartbeatIntervalMs } = reply;
    this.#memberId = memberId;
    this.#latestId = memberId;
    this.#memberEpoch = memberEpoch;
    this.#resumeToken = resumeToken;
    this.#heartbeatIntervalMs = heartbeatIntervalMs;
    this.#lost = undefined;
    this.#phase = 'in';
    // Before the gateway hears that the answer came: then an older token is worth nothing.
    this.#keepsake.save(resumeToken === undefined ? undefined : { memberId, resumeToken });
    this.#host.deliver(true);
    this.onAssignment(reply);
    this.#letIn();
  }

  #follow(assignment: Assignment): void {
    this.#target = assignment;
    this.#doubted = undefined;
    this.#changed();
  }
  #changed(): void {
    this.#stale = true;
    this.#following ??= this.#reconcile().finally(() => {
      this.#following = undefined;
      if (this.#stale && this.#target !== undefined && this.#phase === 'in') this.#changed();
    });
  }
  /**
   * Towards the newest assignment. What is added is taken on at once; what is taken away goes when the application is done with
   * it, and nothing waits for that: it may take until its next poll.
   */
  async #reconcile(): Promise<void> {
    while (this.#stale && this.#target !== undefined && this.#phase === 'in') {
      this.#stale = false;
      const target = this.#target.partitions;
      this.#host.recognise(target);
      const { revoked, added } = reconcile(this.#host.owned(), target);
      const going = revoked.filter((partition) => !this.#revoking.has(keyOf(partition)));
      if (going.length > 0) void this.#revoke(going);
      const assigned = this.#host.assign(added);
      // Not after the listener: what others wait for must not wait for it.
      this.#tellOwned();
      await assigned;
    }
  }
  async #revoke(partitions: readonly AssignedPartition[]): Promise<void> {
    for (const partition of partitions) this.#revoking.add(keyOf(partition));
    await this.#host.revoke(partitions);
    for (const partition of partitions) this.#revoking.delete(keyOf(partition));
    if (this.#phase !== 'in') return;
    if (this.#following !== undefined) this.#tellOwned();
    // It may have been given back meanwhile.
    this.#changed();
  }
  #tellOwned(): void {
    if (this.#phase !== 'in') return;
    const byTopic = new Map<string, number[]>();
    for (const { topicId, partition } of this.#host.owned()) {
      const partitions = byTopic.get(topicId);
      if (partitions === undefined) byTopic.set(topicId, [partition]);
      else partitions.push(partition);
    }
    this.#host.channel.send({
      type: 'owned',
      memberEpoch: this.#memberEpoch,
      partitions: [...byTopic].map(([topicId, partitions]) => ({ topicId, partitions })),
    });
  }
}

function keyOf({ topicId, partition }: AssignedPartition): string {
  return `${topicId}:${partition}`;
}
