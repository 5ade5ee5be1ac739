// The group members that one socket holds, one for each of its consumers at most. Knows nothing of how partitions are assigned.
import { type ClientFrameOf, LogError, type ServerFrame, type ServerFrameOf } from '../protocol/index.ts';
import { errorEntry } from './error-frames.ts';
import type { Assignment, GroupPort, Membership } from './log.ts';

export interface MembersOptions {
  readonly groups: GroupPort;
  readonly clientId: () => string;
  readonly send: (frame: ServerFrame) => void;
  readonly onError: (error: unknown, message: string) => void;
  /** A member wants to be asked for a sign of life at least this often. */
  readonly heartbeatEvery: (intervalMs: number) => void;
}
interface Joining {
  /** The newest assignment meanwhile. */
  pushed?: Assignment;
  /** Has left before it was in. */
  left: boolean;
}
interface Held {
  readonly membership: Membership;
  readonly maxPollIntervalMs: number;
}

export class Members {
  readonly #options: MembersOptions;
  readonly #held = new Map<number, Held>();
  /** Consumers whose join is under way. */
  readonly #joining = new Map<number, Joining>();
  #closed = false;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  has(consumer: number): boolean {
    return this.#held.has(consumer) || this.#joining.has(consumer);
  }

  consumers(): number[] {
    return [...this.#held.keys(), ...this.#joining.keys()];
  }

  /** Joins, or states another subscription of the member this consumer has. */
  async join(frame: ClientFrameOf<'join'>): Promise<ServerFrameOf<'join'>> {
    const { consumer, groupId, memberId, topics } = frame;
    if (this.#joining.get(consumer)?.left === false) {
      throw new LogError('INVALID_REQUEST', `Consumer ${consumer} is already joining a group.`);
    }
    const held = this.#held.get(consumer);
    if (held !== undefined) {
      const { membership } = held;
      if (membership.groupId === groupId && membership.memberId === memberId) {
        const assignment = await membership.update(topics);
        return joined(frame.id, membership, assignment);
      }
      this.#held.delete(consumer);
      await membership.leave();
    }
    const underWay: Joining = { left: false };
    this.#joining.set(consumer, underWay);
    try {
      const membership = await this.#enter(frame, underWay);
      if (this.#closed || underWay.left) {
        await membership.leave();
        throw new LogError('UNKNOWN_MEMBER_ID', 'The member left while it joined.');
      }
      this.#held.set(consumer, { membership, maxPollIntervalMs: frame.maxPollIntervalMs });
      this.#options.heartbeatEvery(membership.heartbeatIntervalMs);
      const newest =
        underWay.pushed !== undefined && underWay.pushed.memberEpoch > membership.memberEpoch
          ? underWay.pushed
          : membership;
      return joined(frame.id, membership, newest);
    } finally {
      if (this.#joining.get(consumer) === underWay) this.#joining.delete(consumer);
    }
  }

  #enter(frame: ClientFrameOf<'join'>, underWay: Joining): Promise<Membership> {
    const { consumer, groupId, memberId, instanceId, topics } = frame;
    let over = false;
    return this.#options.groups.join(
      {
        groupId,
        memberId,
        instanceId,
        clientId: this.#options.clientId(),
        topics,
        sessionTimeoutMs: frame.sessionTimeoutMs,
        rebalanceTimeoutMs: frame.rebalanceTimeoutMs,
        maxPollIntervalMs: frame.maxPollIntervalMs,
      },
      {
        onAssignment: (assignment) => {
          if (over || this.#closed) return;
          // The answer to the join carries what came before it.
          if (this.#joining.get(consumer) === underWay) underWay.pushed = assignment;
          else {
            const { memberEpoch, partitions } = assignment;
            this.#options.send({ type: 'assignment', consumer, memberEpoch, partitions: mutable(partitions) });
          }
        },
        onTakenOver: () => {
          over = true;
          this.#held.delete(consumer);
        },
        onFenced: (error) => {
          if (over || this.#closed) return;
          over = true;
          this.#held.delete(consumer);
          this.#options.send({ type: 'fenced', consumer, ...errorEntry(error) });
        },
      },
    );
  }

  owned(frame: ClientFrameOf<'owned'>): void {
    this.#held.get(frame.consumer)?.membership.owned(frame.memberEpoch, frame.partitions);
  }

  /** A consumer that is in no group has left already. */
  async leave(consumer: number): Promise<void> {
    const joining = this.#joining.get(consumer);
    if (joining !== undefined) joining.left = true;
    const held = this.#held.get(consumer);
    this.#held.delete(consumer);
    await held?.membership.leave();
  }

  /** What the heartbeat’s answer says: a member that works longer than it promised has to go, so that others get its partitions. */
  async busy(consumer: number, busyMs: number): Promise<void> {
    const held = this.#held.get(consumer);
    if (held === undefined || busyMs <= held.maxPollIntervalMs) return;
    this.#held.delete(consumer);
    const error = new LogError(
      'FENCED_MEMBER_EPOCH',
      `The application was at its work for ${busyMs} ms, longer than maxPollIntervalMs (${held.maxPollIntervalMs}); the member has left its group.`,
    );
    this.#options.send({ type: 'fenced', consumer, ...errorEntry(error) });
    await held.membership.leave();
  }

  closeAll(): void {
    if (this.#closed) return;
    this.#closed = true;
    const memberships = [...this.#held.values()];
    this.#held.clear();
    for (const { membership } of memberships) {
      membership.leave().catch((error: unknown) => this.#options.onError(error, 'A member could not leave its group'));
    }
  }
}

function joined(id: number, membership: Membership, { memberEpoch, partitions }: Assignment): ServerFrameOf<'join'> {
  const { memberId, heartbeatIntervalMs } = membership;
  return { type: 'join', id, memberId, memberEpoch, heartbeatIntervalMs, partitions: mutable(partitions) };
}

function mutable(partitions: Assignment['partitions']): ServerFrameOf<'join'>['partitions'] {
  return partitions.map((of) => ({ ...of, partitions: [...of.partitions] }));
}
