// Who should own what in a group. Pure functions of the members and the topics; knows nothing of epochs, revocation or commits.
import { assignRanges } from './assignors/range.ts';
import { assignUniformly } from './assignors/uniform.ts';
import type { AssignorName } from './log.ts';

export interface AssignableMember {
  readonly memberId: string;
  readonly instanceId?: string | undefined;
  /** Names of the topics it subscribes to. */
  readonly topics: ReadonlySet<string>;
  /** What it was to own so far, as topic id → partition numbers, the first the last to be given away. Names of topics and partitions that are gone are of no account. */
  readonly owned: ReadonlyMap<string, readonly number[]>;
}
export interface AssignableTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly number[];
}
/** Partitions of each member, as topic id → partition numbers. */
export type TargetAssignment = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/** Every partition of a topic that somebody subscribes to has exactly one owner, a subscriber. Every member is in the answer. */
export function assignPartitions(
  assignor: AssignorName,
  members: readonly AssignableMember[],
  topics: readonly AssignableTopic[],
): TargetAssignment {
  return assignor === 'range' ? assignRanges(members, topics) : assignUniformly(members, topics);
}

/** The assignor that most members want; who does not say wants `uniform`, and so does a draw. */
export function agreedAssignor(wanted: readonly (AssignorName | undefined)[]): AssignorName {
  const range = wanted.filter((name) => name === 'range').length;
  return range > wanted.length - range ? 'range' : 'uniform';
}
