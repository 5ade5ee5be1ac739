// The consumer's side of its group: joins, follows assignments, gives up what it must, comes back after it was fenced. Knows nothing of records or readers.
import { LogError, type ServerFrameOf, type TopicPartition } from '../protocol/index.ts';
import type { ParsedConsumerConfig } from './consumer-config.ts';
import { pause } from './consumer-wait.ts';
import type { FetchChannel, Session } from './session.ts';
import { errorOf } from './session-requests.ts';

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
  /** They are gone: waits for the reader's next turn, tells the listener, lets go. Never rejects. */
  lose(partitions: readonly AssignedPartition[]): Promise<void>;
  /** Takes them on, tells the listener, delivers. Never rejects. */
  assign(partitions: readonly AssignedPartition[]): Promise<void>;
  /** false: the member may have been given up on, so nothing is delivered. */
  deliver(on: boolean): void;
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

const RETRY_MS = 100;

/** 'down': a member whose connection is gone; nothing may be said in its name before it has joined again. */
type Phase = 'out' | 'joining' | 'in' | 'down';

export class GroupMember {
  readonly #host: MemberHost;
  readonly #groupId: string;
  #phase: Phase = 'out';
  #topics: readonly string[] = [];
  #memberId: string | undefined;
  #memberEpoch = 0;
  #heartbeatIntervalMs = 3_000;
  #target: Assignment | undefined;
  /** The newest assignment, or what has changed since, has not been looked at. */
  #stale = false;
  #following: Promise<void> | undefined;
  readonly #revoking = new Set<string>();
  #abort = new AbortController();
  /** Resolved when the member is in; replaced when it is out again. */
  #inWaiters: (() => void)[] = [];

  constructor(host: MemberHost, groupId: string) {
    this.#host = host;
    this.#groupId = groupId;
  }

  /** Undefined while it is not a member. */
  get identity(): { readonly memberId: string; readonly memberEpoch: number } | undefined {
    return this.#memberId === undefined ? undefined : { memberId: this.#memberId, memberEpoch: this.#memberEpoch };
  }
  get heartbeatIntervalMs(): number {
    return this.#heartbeatIntervalMs;
  }
  get joined(): boolean {
    return this.#phase === 'in';
  }
  /** Resolves when the gateway (again) holds the member on this connection. */
  whenIn(): Promise<void> {
    if (this.#phase === 'in') return Promise.resolve();
    return new Promise((resolve) => {
      this.#inWaiters.push(resolve);
    });
  }

  /** Joins, or states another subscription. Rejects with what only the caller can mend, TIMED_OUT and ABORTED never. */
  async subscribe(topics: readonly string[]): Promise<void> {
    this.#topics = [...topics];
    await this.#join();
    await this.settled();
  }

  /** All that was assigned has been taken on, listeners included; what was taken away may still be in hand. */
  async settled(): Promise<void> {
    while (this.#following !== undefined) await this.#following;
  }

  onLive(): void {
    if (this.#phase !== 'down') return;
    this.#phase = 'joining';
    void this.#rejoin();
  }
  onDown(): void {
    if (this.#phase === 'out') return;
    this.#host.deliver(false);
    if (this.#phase === 'in') this.#phase = 'down';
  }
  onAssignment(assignment: Assignment): void {
    if (this.#phase !== 'in' || assignment.memberEpoch < this.#memberEpoch) return;
    this.#follow(assignment);
  }
  onFenced(frame: ServerFrameOf<'fenced'>): void {
    if (this.#phase === 'out') return;
    const error = errorOf(frame);
    this.#phase = 'joining';
    this.#host.deliver(false);
    if (error.code === 'FENCED_INSTANCE_ID') {
      this.#out();
      this.#host.fail(error);
      void this.#host.lose(this.#host.owned());
    } else {
      this.#memberId = undefined;
      void this.#rejoin();
    }
  }
  /** Leaves for good; `tell`: the gateway too. Never rejects; resolves with what went wrong. */
  async leave(tell: boolean): Promise<LogError | undefined> {
    // A join under way may have reached the gateway.
    const wasMember = this.#phase !== 'out';
    this.#out();
    if (!wasMember || !tell || this.#host.session.status.type !== 'live') return undefined;
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
  #out(): void {
    this.#phase = 'out';
    this.#memberId = undefined;
    this.#memberEpoch = 0;
    this.#target = undefined;
    this.#stale = false;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#enter();
  }
  #enter(): void {
    for (const resolve of this.#inWaiters.splice(0)) resolve();
  }

  async #rejoin(): Promise<void> {
    const { signal } = this.#abort;
    try {
      // Without an id the old member, and all it had, is gone.
      if (this.#memberId === undefined) await this.#host.lose(this.#host.owned());
      // Losing may have waited long, and the consumer have left meanwhile.
      if (!signal.aborted) await this.#join();
    } catch (error) {
      const { code } = LogError.from(error);
      if (code !== 'ABORTED' && code !== 'CLOSED') this.#host.fail(LogError.from(error));
    }
  }
  async #join(): Promise<void> {
    const { session, channel, config } = this.#host;
    const { signal } = this.#abort;
    if (this.#phase === 'out') this.#phase = 'joining';
    for (;;) {
      const topics = this.#topics;
      try {
        const reply = await session.request<'join'>(
          {
            type: 'join',
            consumer: channel.consumer,
            groupId: this.#groupId,
            memberId: this.#memberId,
            instanceId: config.groupInstanceId,
            topics: [...topics],
            sessionTimeoutMs: config.sessionTimeoutMs,
            rebalanceTimeoutMs: config.rebalanceTimeoutMs,
            maxPollIntervalMs: config.maxPollIntervalMs,
          },
          { signal },
        );
        if (signal.aborted) return;
        this.#memberId = reply.memberId;
        this.#heartbeatIntervalMs = reply.heartbeatIntervalMs;
        this.#phase = 'in';
        this.#host.deliver(true);
        this.#follow(reply);
        this.#enter();
        if (topics === this.#topics) return;
      } catch (cause) {
        const error = LogError.from(cause);
        if (signal.aborted) throw error;
        if (error.code === 'UNKNOWN_MEMBER_ID' || error.code === 'FENCED_MEMBER_EPOCH') {
          this.#memberId = undefined;
          await this.#host.lose(this.#host.owned());
          if (signal.aborted) throw error;
        } else if (error.retriable) {
          await pause(session.clock, RETRY_MS);
        } else {
          this.#phase = 'out';
          throw error;
        }
      }
    }
  }

  #follow(assignment: Assignment): void {
    this.#memberEpoch = assignment.memberEpoch;
    this.#target = assignment;
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
      if (added.length > 0) await this.#host.assign(added);
      this.#tellOwned();
    }
  }
  async #revoke(partitions: readonly AssignedPartition[]): Promise<void> {
    for (const partition of partitions) this.#revoking.add(keyOf(partition));
    await this.#host.revoke(partitions);
    for (const partition of partitions) this.#revoking.delete(keyOf(partition));
    if (this.#phase !== 'in') return;
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
