// What the group coordinator keeps on disk: committed offsets and members. Knows nothing of what either means, nor which group ids are allowed.
import type { GroupOffsetToCommit, GroupStore, StoredGroup } from 'distributedlog/server';
import { commitKey, commitPrefix, groupKey, keyAfter, parseCommitKey, parseGroupKey } from './keys.ts';
import type { Store } from './store.ts';
import { anyJson, parseCommit, type StoredCommit } from './stored.ts';
import type { Topics } from './topics.ts';
import type { Writer } from './writer.ts';

export class EmbeddedGroupStore implements GroupStore {
  private readonly store: Store;
  private readonly writer: Writer;
  private readonly topics: Topics;

  constructor(store: Store, writer: Writer, topics: Topics) {
    this.store = store;
    this.writer = writer;
    this.topics = topics;
  }

  async write(groupId: string, offsets: readonly GroupOffsetToCommit[]): Promise<void> {
    if (offsets.length === 0) return;
    await this.writer.submit(offsets.length * 64, (transaction) => {
      const entries = offsets.map((commit) => {
        const partition = this.topics.partition(commit.topicId, commit.partition);
        const stored: StoredCommit = {
          offset: commit.offset,
          metadata: commit.metadata ?? '',
          ...(commit.leaderEpoch === undefined ? {} : { leaderEpoch: commit.leaderEpoch }),
        };
        return { key: commitKey(groupId, partition.key), value: Buffer.from(JSON.stringify(stored)) };
      });
      for (const { key, value } of entries) transaction.put('commits', key, value);
      return () => undefined;
    });
  }

  async read(groupId: string) {
    const from = commitPrefix(groupId);
    const found: (StoredCommit & { topicId: string; partition: number })[] = [];
    for (const { key, value } of this.store.entries('commits', { from, to: keyAfter(from) })) {
      const { topicNumber, partition } = parseCommitKey(key);
      const topic = this.topics.numbered(topicNumber);
      // Of a topic that is deleted and not yet cleared away: nobody sees it any more.
      if (topic !== undefined) found.push({ topicId: topic.topicId, partition, ...parseCommit(value) });
    }
    return found;
  }

  /** One that cannot be read is left out: its members join anew, and everybody else is served. */
  async states(): Promise<ReadonlyMap<string, unknown>> {
    const states = new Map<string, unknown>();
    for (const { key, value } of this.store.entries('groups')) {
      const state = anyJson(value);
      if (state !== undefined) states.set(parseGroupKey(key), state);
    }
    return states;
  }

  /** Rejects with KAFKA_STORAGE_ERROR while the disk is full. That there are no members any more is tried even then. */
  async saveState(groupId: string, state: StoredGroup | undefined): Promise<void> {
    const key = groupKey(groupId);
    const value = state === undefined ? undefined : Buffer.from(JSON.stringify(state));
    await this.writer.submit(
      value?.length ?? 0,
      (transaction) => {
        if (value === undefined) transaction.remove('groups', key);
        else transaction.put('groups', key, value);
        return () => undefined;
      },
      { frees: value === undefined },
    );
  }

  async remove(groupId: string): Promise<void> {
    await this.writer.submit(
      0,
      (transaction) => {
        const from = commitPrefix(groupId);
        const stored = this.store.keys('commits', { from, to: keyAfter(from) });
        // And what this very transaction is about to write.
        const staged = transaction.mutations.filter(
          ({ table, key }) => table === 'commits' && key.subarray(0, from.length).equals(from),
        );
        for (const key of [...stored, ...staged.map((mutation) => mutation.key)]) transaction.remove('commits', key);
        transaction.remove('groups', groupKey(groupId));
        return () => undefined;
      },
      { frees: true },
    );
  }

  async groups(): Promise<string[]> {
    const groups = new Set<string>();
    for (const key of this.store.keys('commits', { from: Buffer.from([1]), to: Buffer.from([0xff]) })) {
      const { groupId, topicNumber } = parseCommitKey(key);
      if (this.topics.numbered(topicNumber) !== undefined) groups.add(groupId);
    }
    return [...groups];
  }
}
