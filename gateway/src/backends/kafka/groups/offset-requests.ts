// The requests by which offsets of groups are kept at their coordinator. Knows nothing of who may commit what.
import { offsetCommitV8, offsetCommitV9, offsetFetchV8, offsetFetchV9 } from '@platformatic/kafka';
import { answered, apiFamily, type Send } from '../api-family.ts';

export interface CommitRequest {
  readonly groupId: string;
  /** '' and −1: of no member. */
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly committedOffset: bigint;
      readonly committedLeaderEpoch: number;
      readonly committedMetadata: string;
    }[];
  }[];
}
export interface CommitResponse {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[];
  }[];
}
const v8 = answered(offsetCommitV8.api);
const v9 = answered(offsetCommitV9.api);
type SendCommit = typeof v9;
const commit =
  (send: SendCommit): Send<[CommitRequest], CommitResponse> =>
  (connection, { groupId, memberEpoch, memberId, instanceId, topics }) =>
    send(
      connection,
      groupId,
      memberEpoch,
      memberId,
      instanceId,
      topics.map(({ name, partitions }) => ({ name, partitions: [...partitions] })),
    );

export const OFFSET_COMMIT = apiFamily('OffsetCommit', offsetCommitV9.api.key, { 8: commit(v8), 9: commit(v9) });

export interface FetchGroup {
  readonly groupId: string;
  /** null: all that the group has. */
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null;
}
export interface FetchedGroup {
  readonly groupId: string;
  readonly errorCode: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly FetchedOffset[];
  }[];
}
export interface FetchedOffset {
  readonly partitionIndex: number;
  /** −1: none. */
  readonly committedOffset: bigint;
  readonly committedLeaderEpoch: number;
  readonly metadata?: string | null | undefined;
  readonly errorCode: number;
}
export interface FetchResponse {
  readonly groups: readonly FetchedGroup[];
}
const f8 = answered(offsetFetchV8.api);
const f9 = answered(offsetFetchV9.api);
/** Offsets that a transaction is about to change are not told until it is decided. */
const STABLE = true;
const fetch =
  (send: typeof f9): Send<[readonly FetchGroup[]], FetchResponse> =>
  async (connection, groups) =>
    send(
      connection,
      groups.map(({ groupId, topics }) => ({
        groupId,
        memberId: null,
        memberEpoch: -1,
        topics:
          topics?.map(({ name, partitionIndexes }) => ({ name, partitionIndexes: [...partitionIndexes] })) ?? null,
      })),
      STABLE,
    );

export const OFFSET_FETCH = apiFamily('OffsetFetch', offsetFetchV9.api.key, { 8: fetch(f8), 9: fetch(f9) });
