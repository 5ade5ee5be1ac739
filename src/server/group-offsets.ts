// Committed offsets of groups: who may commit what, and what is read back. Knows nothing of how members come and go.
import { type ErrorCode, LogError, PROTOCOL_LIMITS, type TopicInfo } from '../protocol/index.ts';
import type { TopicCatalogue } from './group.ts';
import type { StoredOffsets } from './group-description.ts';
import type { CommittedOffset, GroupOffsetToCommit, GroupStore, PartitionRef } from './log.ts';
import { type Member, partitionId } from './member.ts';
import { utf8Length } from './utf8-length.ts';

export type CommitAnswer = PartitionRef & { readonly error?: LogError | undefined };

export class GroupOffsets {
  readonly #store: GroupStore;
  readonly #topics: TopicCatalogue;
  /** The last write of each group that has one under way: who reads a group’s offsets waits for it. */
  readonly #writes = new Map<string, Promise<void>>();

  constructor(store: GroupStore, topics: TopicCatalogue) {
    this.#store = store;
    this.#topics = topics;
  }

  /** `holder`: the member that commits; undefined: the group has none. Each wrong entry is refused by itself. */
  async commit(
    groupId: string,
    holder: Member | undefined,
    offsets: readonly GroupOffsetToCommit[],
  ): Promise<CommitAnswer[]> {
    const topics = this.#known(offsets);
    const answers = offsets.map((offset) =>
      checkCommit(offset, topics.get(offset.topicId), holder === undefined || holder.held.has(partitionId(offset))),
    );
    const accepted = offsets.filter((_, i) => answers[i]?.error === undefined);
    // Nothing is awaited before the write begins: commits reach the store in the order they were made.
    if (accepted.length > 0) await this.#write(groupId, accepted);
    return answers;
  }

  async committed(groupId: string, partitions: readonly PartitionRef[]): Promise<CommittedOffset[]> {
    const stored = await this.read(groupId);
    return partitions.map(({ topicId, partition }) => {
      const found = stored.get(partitionId({ topicId, partition }));
      return {
        topicId,
        partition,
        offset: found?.offset ?? null,
        metadata: found?.metadata ?? '',
        leaderEpoch: found?.leaderEpoch,
      };
    });
  }

  /** Offsets of topics that exist; those of a deleted one mean nothing any more. */
  async read(groupId: string): Promise<StoredOffsets> {
    await this.#writes.get(groupId);
    const stored = await this.#store.read(groupId);
    const topics = this.#known(stored);
    const existing = stored.filter(({ topicId }) => topics.get(topicId) !== undefined);
    return new Map(existing.map((offset) => [partitionId(offset), offset]));
  }

  /** Each topic is looked up once: what is known of it names all its partitions. */
  #known(offsets: readonly PartitionRef[]): ReadonlyMap<string, TopicInfo | undefined> {
    return new Map([...new Set(offsets.map(({ topicId }) => topicId))].map((id) => [id, this.#topics.byId(id)]));
  }

  #write(groupId: string, offsets: readonly GroupOffsetToCommit[]): Promise<void> {
    const write = this.#store.write(groupId, offsets);
    const before = this.#writes.get(groupId);
    // A write that fails is told to whoever committed; who only waits for it goes on.
    const settled = Promise.allSettled([before, write]).then(() => {
      if (this.#writes.get(groupId) === settled) this.#writes.delete(groupId);
    });
    this.#writes.set(groupId, settled);
    return write;
  }
}

/** What one entry of a commit is answered before any store sees it; with an error: it never gets there. */
export function checkCommit(
  offset: GroupOffsetToCommit,
  topic: { readonly name: string; readonly partitions: readonly { readonly partition: number }[] } | undefined,
  isOwned: boolean,
): CommitAnswer {
  const { topicId, partition, metadata } = offset;
  const refuse = (code: ErrorCode, message: string) => ({
    topicId,
    partition,
    error: new LogError(code, message, { partition }),
  });
  if (!Number.isSafeInteger(offset.offset) || offset.offset < 0) {
    return refuse('INVALID_REQUEST', `Offset ${offset.offset} cannot be committed: 0 to 2^53 - 1 are allowed.`);
  }
  if (topic === undefined) return refuse('UNKNOWN_TOPIC_ID', `There is no topic with the id ${topicId}.`);
  if (!topic.partitions.some((one) => one.partition === partition)) {
    return refuse('UNKNOWN_TOPIC_OR_PARTITION', `Topic "${topic.name}" has no partition ${partition}.`);
  }
  if (!isOwned) {
    return refuse('FENCED_MEMBER_EPOCH', `The member does not own ${topic.name}-${partition}.`);
  }
  const limit = PROTOCOL_LIMITS.maxOffsetMetadataBytes;
  if (metadata !== undefined && utf8Length(metadata, limit) > limit) {
    return refuse('OFFSET_METADATA_TOO_LARGE', `Metadata may have ${limit} bytes.`);
  }
  return { topicId, partition };
}
