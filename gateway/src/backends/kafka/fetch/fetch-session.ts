// An incremental fetch session (KIP-227) as the reader keeps it: what the broker already knows of what we want, so that only changes are sent. Pure.
import type { PartitionRef } from 'distributedlog/server';
import type { FetchPartition } from './fetch-api.ts';

/** How the next request of a session differs from the last. */
export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly PartitionRef[];
}
export const NO_SESSION = 0;
/** With NO_SESSION: asks outside any session. With a session: ends it. */
export const FINAL_EPOCH = -1;
const FIRST_EPOCH = 0;
const MAX_EPOCH = 0x7fff_ffff;
const FETCH_SESSION_ID_NOT_FOUND = 70;
const INVALID_FETCH_SESSION_EPOCH = 71;
const FETCH_SESSION_TOPIC_ID_ERROR = 106;

/** The session is to blame, and the next request begins another one. */
export function isOfSession(errorCode: number): boolean {
  return (
    errorCode === FETCH_SESSION_ID_NOT_FOUND ||
    errorCode === INVALID_FETCH_SESSION_EPOCH ||
    errorCode === FETCH_SESSION_TOPIC_ID_ERROR
  );
}

export function keyOf({ topicId, partition }: PartitionRef): string {
  return `${topicId}/${partition}`;
}

/** One request at a time: `next`, then `answered` or `lost`. */
export class FetchSession {
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  /** What the broker has, by key, once it has answered. */
  #known = new Map<string, FetchPartition>();

  /** NO_SESSION: there is none on the broker. */
  get id(): number {
    return this.#id;
  }

  /** All that is wanted in this turn; at most once each. */
  next(wanted: readonly FetchPartition[]): SessionRequest {
    const known = this.#known;
    this.#known = new Map(wanted.map((partition) => [keyOf(partition), partition]));
    const { id: sessionId } = this;
    const sessionEpoch = this.#epoch;
    if (sessionEpoch === FIRST_EPOCH) return { sessionId, sessionEpoch, partitions: wanted, forgotten: [] };
    return {
      sessionId,
      sessionEpoch,
      partitions: wanted.filter((partition) => isNew(partition, known.get(keyOf(partition)))),
      forgotten: [...known.values()].filter((partition) => !this.#known.has(keyOf(partition))),
    };
  }

  answered(errorCode: number, sessionId: number): void {
    if (errorCode !== 0) {
      // The broker may not have it any more; otherwise the full request that follows replaces it.
      if (errorCode === FETCH_SESSION_ID_NOT_FOUND) this.#id = NO_SESSION;
      this.lost();
      return;
    }
    if (sessionId === NO_SESSION) {
      // It has no room for a session, or has let go of ours: all is said every time.
      this.#id = NO_SESSION;
      this.lost();
    } else {
      this.#id = sessionId;
      this.#epoch = epochAfter(this.#epoch);
    }
  }

  /** Whether the broker has seen the last request is not known: all is said anew. */
  lost(): void {
    this.#epoch = FIRST_EPOCH;
    this.#known.clear();
  }
}

/** 0 begins a session, so that it is passed over. */
export function epochAfter(epoch: number): number {
  return epoch === MAX_EPOCH ? 1 : epoch + 1;
}

function isNew(partition: FetchPartition, known: FetchPartition | undefined): boolean {
  return (
    known === undefined ||
    known.offset !== partition.offset ||
    known.maxBytes !== partition.maxBytes ||
    known.leaderEpoch !== partition.leaderEpoch
  );
}
