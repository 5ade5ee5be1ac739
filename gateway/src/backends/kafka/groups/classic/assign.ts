// What the leader of a classic group decides for all of its members. Pure; knows nothing of who asks.
import { type AssignableMember, assignPartitions } from 'distributedlog/server';
import type { ByTopic, Subscription } from './consumer-protocol.ts';

/** As the protocol names them. */
export const COOPERATIVE_STICKY = 'cooperative-sticky';
export const RANGE = 'range';

export interface GroupMember extends Subscription {
  readonly memberId: string;
  readonly instanceId?: string | undefined;
  /** What it had before, though it does not say so: it is to keep that if it can, and nobody waits until it lets go of it. */
  readonly before?: ByTopic | undefined;
}

/**
 * Every partition of a topic that somebody subscribes to has one owner, with one exception: a partition that a member still
 * has and that is to be another one's is nobody's this time. Who has it sees that it is to let go of it, does so and joins
 * again, and then it is given to its new owner. Where members let go of everything before they join, as those of 'range' do,
 * there is none such. `partitions`: how many a topic has; undefined: there is no such topic.
 */
export function assignGroup(
  protocol: string,
  members: readonly GroupMember[],
  partitions: (topic: string) => number | undefined,
): ReadonlyMap<string, ByTopic> {
  // Who was away for a while may claim what is another one's by now: who heard later is right.
  const ordered = [...members].sort((a, b) => b.generation - a.generation || (a.memberId < b.memberId ? -1 : 1));
  const names = [...new Set(members.flatMap(({ topics }) => topics))].sort();
  const targets = assignPartitions(
    protocol === RANGE ? 'range' : 'uniform',
    ordered.map(({ memberId, instanceId, topics, owned, before }): AssignableMember => {
      return {
        memberId,
        instanceId,
        topics: new Set(topics),
        owned: before === undefined ? owned : union(owned, before),
      };
    }),
    names.flatMap((name) => {
      const count = partitions(name);
      // Classic members know topics by their names only.
      return count === undefined
        ? []
        : [{ name, topicId: name, partitions: Array.from({ length: count }, (_, i) => i) }];
    }),
  );
  return withoutWhatOthersHave(targets, members);
}

export function union(a: ByTopic, b: ByTopic): ByTopic {
  const all = new Map(a);
  for (const [topic, numbers] of b) all.set(topic, [...new Set([...(all.get(topic) ?? []), ...numbers])]);
  return all;
}

function withoutWhatOthersHave(
  targets: ReadonlyMap<string, ByTopic>,
  members: readonly GroupMember[],
): ReadonlyMap<string, ByTopic> {
  const claims = new Map<string, string[]>();
  for (const { memberId, owned } of members) {
    for (const [topic, numbers] of owned) {
      for (const partition of numbers) {
        const key = `${topic}/${partition}`;
        const claimants = claims.get(key);
        if (claimants === undefined) claims.set(key, [memberId]);
        else claimants.push(memberId);
      }
    }
  }
  const isFree = (memberId: string, topic: string, partition: number): boolean => {
    const claimants = claims.get(`${topic}/${partition}`);
    return claimants === undefined || claimants.includes(memberId);
  };
  return new Map(
    [...targets].map(([memberId, target]) => {
      const given = new Map<string, readonly number[]>();
      for (const [topic, numbers] of target) {
        const free = numbers.filter((partition) => isFree(memberId, topic, partition));
        if (free.length > 0) given.set(topic, free);
      }
      return [memberId, given] as const;
    }),
  );
}
