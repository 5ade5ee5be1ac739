// What a member knows and does when it leads its group: decides for all, remembers what it decided, sees when that is out of date. Knows nothing of requests.
import type { LogError } from 'distributedlog/protocol';
import type { Metadata } from '../../metadata.ts';
import { assignGroup, type GroupMember, union } from './assign.ts';
import {
  type ByTopic,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  type Subscription,
} from './consumer-protocol.ts';
import type { DescribedGroup, JoinAnswer, SyncArgs } from './requests.ts';

export class Leadership {
  /** What members had in the generation before, as far as it is known, by their names. */
  #previous: ReadonlyMap<string, ByTopic> = new Map();
  /** All that somebody subscribes to; undefined: another member leads. */
  #topics: readonly string[] | undefined;
  #shape = '';

  /** A member that was away has lost its memory of the others; the coordinator has not. */
  recall({ members }: DescribedGroup): void {
    this.#previous = new Map(members.map((one) => [nameOf(one), assignmentOf(one.memberAssignment)]));
  }
  /** Another member leads, as far as is known. */
  resign(): void {
    this.#topics = undefined;
    this.#previous = new Map();
  }
  /** Everybody's subscription, of the answer to the leader's join. */
  watch({ members }: JoinAnswer, metadata: Metadata): void {
    this.#topics = [...new Set(members.flatMap(({ metadata: bytes }) => subscriptionOf(bytes).topics))].sort();
    this.#shape = shapeOf(this.#topics, metadata);
  }
  /** What another one decided before, and this one goes on with, may be out of date already. */
  doubt(metadata: Metadata): void {
    const had = [...this.#previous.values()].reduce(union, new Map());
    const isWhole = this.#topics?.every((name) => {
      return (had.get(name)?.length ?? 0) === (metadata.byName.get(name)?.partitions.length ?? 0);
    });
    if (isWhole !== true) this.#shape = 'unknown';
  }
  /** Some topic that somebody subscribes to is not there. */
  isPuzzled(metadata: Metadata): boolean {
    return this.#topics?.some((name) => !metadata.byName.has(name)) ?? false;
  }
  /** Topics have come, gone or changed since `watch`: the group must decide anew. */
  isOutdated(metadata: Metadata): boolean {
    return this.#topics !== undefined && shapeOf(this.#topics, metadata) !== this.#shape;
  }

  decide({ members, protocolName }: JoinAnswer, metadata: Metadata): SyncArgs['assignments'] {
    const said = members.map((member) => ({ ...member, subscription: subscriptionOf(member.metadata) }));
    const newest = Math.max(...said.map(({ subscription }) => subscription.generation));
    const known = said.map(({ memberId, groupInstanceId, subscription }): GroupMember => {
      // Somebody else speaks for it since then, and could not find out what it has.
      const forgets = subscription.generation < Math.max(newest, 0);
      const before = forgets ? this.#previous.get(nameOf({ memberId, groupInstanceId })) : undefined;
      return { memberId, instanceId: groupInstanceId ?? undefined, ...subscription, before };
    });
    const decided = assignGroup(protocolName ?? '', known, (name) => metadata.byName.get(name)?.partitions.length);
    this.#previous = new Map(members.map((member) => [nameOf(member), decided.get(member.memberId) ?? new Map()]));
    return [...decided].map(([memberId, partitions]) => ({ memberId, assignment: encodeAssignment(partitions) }));
  }
}

/** What a member is called also when somebody else speaks for it: then the coordinator gives it another id. */
function nameOf({
  memberId,
  groupInstanceId,
}: Pick<JoinAnswer['members'][number], 'memberId' | 'groupInstanceId'>): string {
  return groupInstanceId ?? memberId;
}

/** Who cannot be understood gets nothing, and the others get on. */
const NOTHING: Subscription = { topics: [], owned: new Map(), generation: -1 };
function subscriptionOf(bytes: Buffer | null): Subscription {
  return orElse(NOTHING, () => decodeSubscription(bytes ?? Buffer.alloc(0)));
}
function assignmentOf(bytes: Buffer): ByTopic {
  return orElse(NOTHING.owned, () => decodeAssignment(bytes));
}
function orElse<T>(instead: T, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if ((error as LogError).code === 'INVALID_REQUEST') return instead;
    throw error;
  }
}

function shapeOf(topics: readonly string[], { byName }: Metadata): string {
  return topics.map((name) => `${byName.get(name)?.topicId}/${byName.get(name)?.partitions.length}`).join();
}
