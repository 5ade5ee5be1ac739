// The requests of the classic group protocol, and the coordinator of one group as its members see it. Knows nothing of what is in them.
import {
  describeGroupsV5,
  heartbeatV4,
  joinGroupV6,
  joinGroupV7,
  joinGroupV8,
  joinGroupV9,
  leaveGroupV4,
  leaveGroupV5,
  syncGroupV4,
  syncGroupV5,
} from '@platformatic/kafka';
import { answered, apiFamily } from '../../api-family.ts';
import type { Cluster, Purpose } from '../../cluster.ts';

/** Kafka's numbers of the answers that mean something else than "it failed". */
export const CODES = {
  NONE: 0,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  GROUP_ID_NOT_FOUND: 69,
  FENCED_INSTANCE_ID: 82,
} as const;

export interface Protocol {
  readonly name: string;
  readonly metadata: Buffer;
}
export interface Identity {
  /** '' as a newcomer: whoever had the instanceId before is fenced, and the newcomer has what that one had. */
  readonly memberId: string;
  readonly instanceId: string;
}
export interface JoinArgs extends Identity {
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly Protocol[];
}
export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolName?: string | null | undefined;
  readonly leader: string;
  /** The leader is told of the members, and is not to decide anything. */
  readonly skipAssignment: boolean;
  readonly memberId?: string | null | undefined;
  /** Of the leader only. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId?: string | null | undefined;
    readonly metadata: Buffer | null;
  }[];
}
export interface SyncArgs extends Identity {
  readonly generation: number;
  readonly protocolName: string;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}
export interface DescribedGroup {
  readonly errorCode: number;
  readonly groupState: string;
  readonly protocolData: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null | undefined;
    readonly memberMetadata: Buffer;
    readonly memberAssignment: Buffer;
  }[];
}
/** Answers hold error codes; what has to do with finding the coordinator is done. Rejects with LogError. */
export interface ClassicCoordinator {
  /** Is answered when all members have joined, at the latest after the group's rebalance timeout. */
  join(args: JoinArgs): Promise<JoinAnswer>;
  sync(args: SyncArgs): Promise<{ readonly errorCode: number; readonly assignment: Buffer }>;
  heartbeat(args: Identity & { readonly generation: number }): Promise<{ readonly errorCode: number }>;
  /** The code is the member's, if not the whole request's. Without a memberId: whoever has the instanceId. */
  leave(args: Identity): Promise<{ readonly errorCode: number }>;
  describe(): Promise<DescribedGroup | undefined>;
  /** What waits for an answer to `join` or `sync` rejects. */
  close(): void;
}

const JOIN_GROUP = apiFamily('JoinGroup', joinGroupV9.api.key, {
  6: answered(joinGroupV6.api),
  7: answered(joinGroupV7.api),
  8: answered(joinGroupV8.api),
  9: answered(joinGroupV9.api),
});
const SYNC_GROUP = apiFamily('SyncGroup', syncGroupV5.api.key, {
  4: answered(syncGroupV4.api),
  5: answered(syncGroupV5.api),
});
const HEARTBEAT = apiFamily('Heartbeat', heartbeatV4.api.key, { 4: answered(heartbeatV4.api) });
const LEAVE_GROUP = apiFamily('LeaveGroup', leaveGroupV5.api.key, {
  4: answered(leaveGroupV4.api),
  5: answered(leaveGroupV5.api),
});
const DESCRIBE_GROUPS = apiFamily('DescribeGroups', describeGroupsV5.api.key, { 5: answered(describeGroupsV5.api) });

const PROTOCOL_TYPE = 'consumer';
/** What the coordinator may take beyond the time that it waits for others. */
const GRACE_MS = 5_000;

const codeOf = ({ errorCode }: { readonly errorCode: number }): number => errorCode;

/** `name`: tells the connections of its member from those of others. */
export function classicCoordinator(cluster: Cluster, groupId: string, name: string): ClassicCoordinator {
  // A join keeps its connection busy until all have joined: each member has one of its own for that.
  const waiting = `join/${name}`;
  const over = new AbortController();
  // The answer comes after the longest rebalance timeout of all members, and whose that is nobody else knows.
  let answerWithinMs = 0;
  const purpose = (): Purpose => ({ name: waiting, answerWithinMs, signal: over.signal });
  return {
    join: ({ memberId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocols }) => {
      answerWithinMs = rebalanceTimeoutMs + GRACE_MS;
      return cluster.coordinator(groupId, purpose(), codeOf, JOIN_GROUP, [
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        instanceId,
        PROTOCOL_TYPE,
        [...protocols],
        null,
      ]);
    },
    sync: ({ generation, memberId, instanceId, protocolName, assignments }) =>
      cluster.coordinator(groupId, purpose(), codeOf, SYNC_GROUP, [
        groupId,
        generation,
        memberId,
        instanceId,
        PROTOCOL_TYPE,
        protocolName,
        [...assignments],
      ]),
    heartbeat: ({ generation, memberId, instanceId }) =>
      cluster.coordinator(groupId, 'group', codeOf, HEARTBEAT, [groupId, generation, memberId, instanceId]),
    leave: async ({ memberId, instanceId }) => {
      const members = [{ memberId, groupInstanceId: instanceId, reason: null }];
      const { errorCode, members: answers } = await cluster.coordinator(groupId, 'group', codeOf, LEAVE_GROUP, [
        groupId,
        members,
      ]);
      return { errorCode: errorCode === CODES.NONE ? (answers[0]?.errorCode ?? CODES.NONE) : errorCode };
    },
    describe: async () => {
      const first = ({ groups }: { readonly groups: readonly DescribedGroup[] }) => groups[0]?.errorCode ?? 0;
      const { groups } = await cluster.coordinator(groupId, 'group', first, DESCRIBE_GROUPS, [[groupId], false]);
      return groups[0];
    },
    close: () => {
      over.abort();
      cluster.release(waiting);
    },
  };
}
