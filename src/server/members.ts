// The group members that one socket holds, one for each of its consumers at most. Knows nothing of how partitions are assigned.
import type { Clock } from '../core/index.ts';
import { type ClientFrameOf, LogError, type ServerFrame, type ServerFrameOf } from '../protocol/index.ts';
import { errorEntry } from './error-frames.ts';
import type { Assignment, GroupPort, MemberListener, Membership } from './log.ts';

export interface MembersOptions {
  readonly groups: GroupPort;
  readonly clientId: () => string;
  readonly send: (frame: ServerFrame) => void;
  readonly onError: (error: unknown, message: string) => void;
  /** A member wants to be asked for a sign of life at least this often. */
  readonly heartbeatEvery: (intervalMs: number) => void;
  /** Another connection has one of the members now: this one has to go. */
  readonly onTakenOver: () => void;
  readonly clock: Clock;
  /** When the client was last heard, or could have been. */
  readonly heardAt: () => number;
}
/** A join from its request to its answer. What happens to the member meanwhile is in the answer, or told after it. */
interface Joining {
  readonly id: number;
  pushed?: Assignment | undefined;
  fenced?: LogError | undefined;
  /** Has left before it was in. */
  left: boolean;
}
interface Held {
  readonly membership: Membership;
  readonly listener: MemberListener;
  /** A new member of which nothing was heard yet: it may not know who it is, and has done nothing. Nobody will come back for it. */
  isUnheard: boolean;
  maxPollIntervalMs: number;
  sessionTimeoutMs: number;
}
/** A timer that is later than this says that we were asleep, not the client. */
const LATE_TIMER_MS = 1_000;

type Release = Parameters<Membership['release']>[0];
type JoinFrame = ClientFrameOf<'join'>;

export class Members {
  readonly #options: MembersOptions;
  readonly #held = new Map<number, Held>();
  readonly #joining = new Map<number, Joining>();
  /** Set once the socket is gone. */
  #released: Release | undefined;
  /** Ends the watch over sessions; undefined: there is none. */
  #cancelWatch: (() => void) | undefined;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  has(consumer: number): boolean {
    return this.#held.has(consumer) || this.#joining.has(consumer);
  }

  consumers(): number[] {
    return [...this.#held.keys(), ...this.#joining.keys()];
  }

  /** Joins, takes a member up, or states another subscription of the one this consumer has. Call `answered` after the answer, whatever it is. */
  async join(frame: JoinFrame): Promise<ServerFrameOf<'join'>> {
    const { consumer, id } = frame;
    if (this.#joining.get(consumer)?.left === false) {
      throw new LogError('INVALID_REQUEST', `Consumer ${consumer} is already joining a group.`);
    }
    const joining: Joining = { id, left: false };
    this.#joining.set(consumer, joining);
    const { membership } = await this.#member(frame, joining);
    const { memberId, heartbeatIntervalMs, resumeToken } = membership;
    this.#options.heartbeatEvery(heartbeatIntervalMs);
    const { memberEpoch, partitions } =
      joining.pushed !== undefined && joining.pushed.memberEpoch > membership.memberEpoch ? joining.pushed : membership;
    joining.pushed = undefined;
    return {
      type: 'join',
      id,
      memberId,
      memberEpoch,
      heartbeatIntervalMs,
      resumeToken,
      partitions: mutable(partitions),
    };
  }

  /** The answer to that join has been sent. */
  answered({ consumer, id }: JoinFrame): void {
    const joining = this.#joining.get(consumer);
    if (joining?.id !== id) return;
    this.#joining.delete(consumer);
    if (joining.fenced !== undefined) this.#tellFenced(consumer, joining.fenced);
    else if (joining.pushed !== undefined) this.#tellAssignment(consumer, joining.pushed);
  }

  async #member(frame: JoinFrame, joining: Joining): Promise<Held> {
    const { consumer, groupId, memberId } = frame;
    const held = this.#held.get(consumer);
    if (held !== undefined && held.membership.groupId === groupId && held.membership.memberId === memberId) {
      await held.membership.update(frame);
      if (joining.left || this.#released !== undefined) throw leftMeanwhile();
      held.maxPollIntervalMs = frame.maxPollIntervalMs;
      held.sessionTimeoutMs = frame.sessionTimeoutMs;
      this.#watch();
      return held;
    }
    this.#held.delete(consumer);
    await held?.membership.leave();
    const entered = await this.#enter(frame, joining);
    const { membership } = entered;
    if (joining.left) {
      await membership.leave();
      throw leftMeanwhile();
    }
    if (this.#released !== undefined) {
      await letGo(entered, this.#released);
      throw leftMeanwhile();
    }
    const { fenced } = joining;
    joining.fenced = undefined;
    if (fenced !== undefined) throw fenced;
    this.#held.set(consumer, entered);
    this.#watch();
    return entered;
  }

  async #enter(frame: JoinFrame, joining: Joining): Promise<Held> {
    const { type: _, id: __, consumer, ...request } = frame;
    let over = false;
    const isOver = (): boolean => over || joining.left || this.#released !== undefined;
    const listener: MemberListener = {
      isOver,
      onAssignment: (assignment) => {
        if (isOver()) return;
        const waiting = this.#joining.get(consumer);
        if (waiting === undefined) this.#tellAssignment(consumer, assignment);
        else waiting.pushed = assignment;
      },
      onTakenOver: () => {
        if (isOver()) return;
        over = true;
        this.#forget(consumer, listener);
        this.#options.onTakenOver();
      },
      onFenced: (error) => {
        if (isOver()) return;
        over = true;
        this.#forget(consumer, listener);
        this.#fence(consumer, error);
      },
    };
    const membership = await this.#options.groups.join({ ...request, clientId: this.#options.clientId() }, listener);
    const { maxPollIntervalMs, sessionTimeoutMs } = frame;
    const isUnheard = frame.memberId === undefined && frame.instanceId === undefined;
    return { membership, listener, isUnheard, maxPollIntervalMs, sessionTimeoutMs };
  }

  #forget(consumer: number, listener: MemberListener): void {
    if (this.#held.get(consumer)?.listener === listener) this.#held.delete(consumer);
  }

  #tellAssignment(consumer: number, { memberEpoch, partitions }: Assignment): void {
    this.#options.send({ type: 'assignment', consumer, memberEpoch, partitions: mutable(partitions) });
  }

  /** Told after the answer to a join that is under way: the newest word is what the client acts upon. */
  #fence(consumer: number, error: LogError): void {
    const waiting = this.#joining.get(consumer);
    if (waiting === undefined) this.#tellFenced(consumer, error);
    else waiting.fenced = error;
  }

  #tellFenced(consumer: number, error: LogError): void {
    this.#options.send({ type: 'fenced', consumer, ...errorEntry(error) });
  }

  owned(frame: ClientFrameOf<'owned'>): void {
    const held = this.#held.get(frame.consumer);
    if (held === undefined) return;
    held.isUnheard = false;
    held.membership.owned(frame.memberEpoch, frame.partitions);
  }

  /** A consumer that is in no group has left already. */
  async leave(consumer: number): Promise<void> {
    const joining = this.#joining.get(consumer);
    if (joining !== undefined) joining.left = true;
    const held = this.#held.get(consumer);
    this.#held.delete(consumer);
    this.#watch();
    await held?.membership.leave();
  }

  /** What the heartbeat’s answer says: a member that works longer than it promised has to go, so that others get its partitions. */
  async busy(consumer: number, busyMs: number): Promise<void> {
    const held = this.#held.get(consumer);
    if (held === undefined || busyMs <= held.maxPollIntervalMs) return;
    this.#held.delete(consumer);
    const message = `The application was at its work for ${busyMs} ms, longer than maxPollIntervalMs (${held.maxPollIntervalMs}); the member has left its group.`;
    this.#fence(consumer, new LogError('FENCED_MEMBER_EPOCH', message));
    await held.membership.leave();
  }

  /** A client that is not heard loses its members in time, also where its socket still stands: a process that was stopped, a full pipe. */
  #watch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
    const { clock, heardAt } = this.#options;
    const shortest = Math.min(...[...this.#held.values()].map(({ sessionTimeoutMs }) => sessionTimeoutMs));
    if (!Number.isFinite(shortest) || this.#released !== undefined) return;
    const now = clock.now();
    const delayMs = Math.max(1, heardAt() + shortest - now);
    const due = now + delayMs;
    this.#cancelWatch = clock.after(delayMs, () => {
      // What came while we were asleep has not been read yet.
      if (clock.now() - due < LATE_TIMER_MS) this.#expire();
      this.#watch();
    });
  }

  #expire(): void {
    const { clock, heardAt } = this.#options;
    for (const [consumer, { membership, sessionTimeoutMs }] of [...this.#held]) {
      const silentMs = clock.now() - heardAt();
      if (silentMs < sessionTimeoutMs) continue;
      this.#held.delete(consumer);
      const message = `The client was not heard for ${silentMs} ms, longer than sessionTimeoutMs (${sessionTimeoutMs}); the member has left its group.`;
      this.#fence(consumer, new LogError('FENCED_MEMBER_EPOCH', message));
      membership.release({ heardAt: heardAt() });
    }
  }

  /** The socket is gone: its members are kept, `atMostMs` from now, but for those that never said anything. */
  closeAll(atMostMs: number | undefined): void {
    if (this.#released !== undefined) return;
    const release = { heardAt: this.#options.heardAt(), atMostMs };
    this.#released = release;
    this.#cancelWatch?.();
    const members = [...this.#held.values()];
    this.#held.clear();
    for (const member of members) {
      letGo(member, release).catch((error: unknown) => this.#options.onError(error, 'A member could not be released'));
    }
  }
}

/** Who was there before, or has said what it owns, can come back. */
async function letGo({ membership, isUnheard }: Held, release: Release): Promise<void> {
  if (isUnheard) await membership.leave();
  else membership.release(release);
}

function leftMeanwhile(): LogError {
  return new LogError('UNKNOWN_MEMBER_ID', 'The member left while it joined.');
}

function mutable(partitions: Assignment['partitions']): ServerFrameOf<'join'>['partitions'] {
  return partitions.map((of) => ({ ...of, partitions: [...of.partitions] }));
}
