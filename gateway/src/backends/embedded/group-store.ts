// Committed offsets on disk, for the group coordinator. Knows nothing of members.
import { LogError } from 'distributedlog/protocol';
import type { GroupOffsetToCommit, GroupStore } from 'distributedlog/server';
import { commitKey, commitPrefix, keyAfter, parseCommitKey } from './keys.ts';
import type { Store } from './store.ts';
import { parseCommit, type StoredCommit } from './stored.ts';
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
    if (groupId === '' || groupId.includes('\0') || Buffer.byteLength(groupId) > 1_024)
      throw new LogError('INVALID_GROUP_ID', 'a group id has 1 to 1,024 bytes and no NUL');
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

  async states() {
    return new Map();
  }

  async saveState(): Promise<void> {}

  async remove(): Promise<void> {}

  async groups(): Promise<string[]> {
    const groups = new Set<string>();
    for (const key of this.store.keys('commits', { from: Buffer.from([1]), to: Buffer.from([0xff]) })) {
      const { groupId, topicNumber } = parseCommitKey(key);
      if (this.topics.numbered(topicNumber) !== undefined) groups.add(groupId);
    }
    return [...groups];
  }
}
