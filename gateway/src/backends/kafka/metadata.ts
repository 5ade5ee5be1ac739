// What a cluster looks like at one moment: brokers, topics, who leads what; and what changed since another moment. Pure.
import type { BrokerAddress } from './options.ts';

export interface PartitionMetadata {
  readonly partition: number;
  /** −1: none now. */
  readonly leader: number;
  readonly leaderEpoch: number;
}
export interface TopicMetadata {
  readonly name: string;
  /** Canonical UUID. */
  readonly topicId: string;
  readonly internal: boolean;
  /** By number: partition n is the n-th. */
  readonly partitions: readonly PartitionMetadata[];
}
/** What Metadata answers, whichever version. */
export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly clusterId?: string | null | undefined;
  readonly controllerId: number;
  readonly topics: readonly {
    readonly errorCode: number;
    readonly name?: string | null | undefined;
    readonly topicId: string;
    readonly isInternal: boolean;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly leaderId: number;
      readonly leaderEpoch: number;
    }[];
  }[];
}

export class Metadata {
  static readonly NONE = new Metadata({ brokers: [], clusterId: null, controllerId: -1, topics: [] });
  readonly clusterId: string | undefined;
  readonly controllerId: number;
  readonly brokers: ReadonlyMap<number, BrokerAddress>;
  readonly byName: ReadonlyMap<string, TopicMetadata>;
  readonly byId: ReadonlyMap<string, TopicMetadata>;

  /** `before`: what was seen last; of two leaders of a partition, the one of the newer epoch leads, whoever spoke last. */
  constructor({ brokers, clusterId, controllerId, topics }: MetadataAnswer, before?: Metadata) {
    this.clusterId = clusterId ?? undefined;
    this.controllerId = controllerId;
    this.brokers = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    const known = topics.flatMap(({ errorCode, name, topicId, isInternal, partitions }): TopicMetadata[] => {
      // A partition without a leader has an error of its own and is still there; a topic with one is not to be had now.
      if (errorCode !== 0 || name === null || name === undefined) return [];
      const lastSeen = before?.byId.get(topicId)?.partitions;
      const byNumber = partitions
        .map(({ partitionIndex, leaderId, leaderEpoch }): PartitionMetadata => {
          const last = lastSeen?.[partitionIndex];
          if (last !== undefined && last.leaderEpoch > leaderEpoch) return last;
          return { partition: partitionIndex, leader: leaderId, leaderEpoch };
        })
        .sort((a, b) => a.partition - b.partition);
      return [{ name, topicId, internal: isInternal, partitions: byNumber }];
    });
    this.byName = new Map(known.map((topic) => [topic.name, topic]));
    this.byId = new Map(known.map((topic) => [topic.topicId, topic]));
  }

  /** What is new, has other partitions or another id than `before`; and the names that are gone. */
  changesSince(before: Metadata): { readonly changed: TopicMetadata[]; readonly deleted: string[] } {
    const changed = [...this.byName.values()].filter((topic) => {
      const old = before.byName.get(topic.name);
      return old === undefined || old.topicId !== topic.topicId || old.partitions.length !== topic.partitions.length;
    });
    const deleted = [...before.byName.keys()].filter((name) => !this.byName.has(name));
    return { changed, deleted };
  }
}
