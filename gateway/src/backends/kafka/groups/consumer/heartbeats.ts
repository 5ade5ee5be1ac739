// What one member says to its coordinator in its heartbeats, and what the answers mean. Pure; knows nothing of connections, timers or what clients are told.
import type { AssignorName, MemberWishes } from 'distributedlog/server';
import type { HeartbeatAnswer, TopicPartitions } from './requests.ts';

/** Kafka's numbers of the answers that mean more than "refused". */
export const CODES = {
  NONE: 0,
  UNKNOWN_MEMBER_ID: 25,
  GROUP_ID_NOT_FOUND: 69,
  FENCED_INSTANCE_ID: 82,
  FENCED_MEMBER_EPOCH: 110,
  UNRELEASED_INSTANCE_ID: 111,
} as const;

/** A heartbeat's variable part; what the coordinator knows already is left out. */
export interface Said {
  readonly memberEpoch: number;
  readonly rebalanceTimeoutMs?: number | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly assignor?: AssignorName | undefined;
  readonly owned?: readonly TopicPartitions[] | undefined;
}
/**
 * `fenced`: it was a member, and is none any more. `taken`: another one has its instanceId. `refused`: as before, but what was
 * asked is not to be had.
 */
export type Refusal = 'fenced' | 'taken' | 'refused';

/** joining (epoch 0) → member → over. */
export class Heartbeats {
  #epoch = 0;
  #wishes: MemberWishes;
  #owned: readonly TopicPartitions[] = [];
  /** What changed since the coordinator confirmed to have heard it. Whenever it is not certain what it heard, all of it. */
  #unsaid = { wishes: true, owned: true };
  /** Told while an answer is awaited: the answer does not confirm it. */
  #later = { wishes: false, owned: false };
  #heard: readonly TopicPartitions[] = [];

  constructor(wishes: MemberWishes) {
    this.#wishes = wishes;
  }

  /** 0: no member yet. */
  get epoch(): number {
    return this.#epoch;
  }
  get wishes(): MemberWishes {
    return this.#wishes;
  }
  /** As the coordinator said last. */
  get assignment(): readonly TopicPartitions[] {
    return this.#heard;
  }
  /** There is something that the coordinator should hear at once. */
  get isNews(): boolean {
    return this.#unsaid.wishes || this.#unsaid.owned;
  }

  wish(wishes: MemberWishes): void {
    const same = keyOf(wishes) === keyOf(this.#wishes);
    this.#wishes = wishes;
    if (same) return;
    this.#unsaid.wishes = true;
    this.#later.wishes = true;
  }
  /** What its client may be working on; `isNews`: less than before, so that others wait for it. */
  own(owned: readonly TopicPartitions[], isNews: boolean): void {
    this.#owned = owned;
    if (!isNews) return;
    this.#unsaid.owned = true;
    this.#later.owned = true;
  }

  next(): Said {
    this.#later = { wishes: false, owned: false };
    const { topics, assignor = 'uniform', rebalanceTimeoutMs } = this.#wishes;
    return {
      memberEpoch: this.#epoch,
      ...(this.#unsaid.wishes ? { rebalanceTimeoutMs, topics: [...new Set(topics)].sort(), assignor } : {}),
      // Who joins has nothing.
      ...(this.#unsaid.owned ? { owned: this.#epoch === 0 ? [] : this.#owned } : {}),
    };
  }

  answered({ memberEpoch, assignment }: Pick<HeartbeatAnswer, 'memberEpoch' | 'assignment'>): void {
    this.#unsaid = this.#later;
    this.#epoch = memberEpoch;
    this.#heard = assignment ?? this.#heard;
  }
  /** What an answer with an error code means that does not go away by itself. */
  refused(errorCode: number): Refusal {
    this.lost();
    switch (errorCode) {
      case CODES.FENCED_INSTANCE_ID:
      case CODES.UNRELEASED_INSTANCE_ID:
        return 'taken';
      case CODES.FENCED_MEMBER_EPOCH:
      case CODES.UNKNOWN_MEMBER_ID:
      case CODES.GROUP_ID_NOT_FOUND:
        return this.#epoch === 0 ? 'refused' : 'fenced';
      default:
        return 'refused';
    }
  }
  /** No answer: whether it was heard is not known. All is said again: so an answer that was lost does no harm. */
  lost(): void {
    this.#unsaid = { wishes: true, owned: true };
  }
}

function keyOf({ topics, assignor = 'uniform', rebalanceTimeoutMs }: MemberWishes): string {
  return JSON.stringify([[...new Set(topics)].sort(), assignor, rebalanceTimeoutMs]);
}
