// The requests by which groups are listed, described and deleted, whichever protocol their members speak. Knows nothing of what is made of the answers.
import { deleteGroupsV2, describeGroupsV5, listGroupsV4, listGroupsV5 } from '@platformatic/kafka';
import { answered, apiFamily, type Send } from '../api-family.ts';

export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: string;
  /** 'Consumer', 'Classic' and others; '' where the broker does not say. */
  readonly type: string;
}
interface Listed {
  readonly groupId: string | null;
  readonly protocolType: string;
  readonly groupState: string;
  readonly groupType?: string;
}
interface ListAnswer {
  readonly errorCode: number;
  readonly groups: readonly Listed[];
}
export interface ListedGroups {
  readonly errorCode: number;
  readonly groups: readonly ListedGroup[];
}
const listed = ({ errorCode, groups }: ListAnswer): ListedGroups => ({
  errorCode,
  groups: groups.map(({ groupId, protocolType, groupState, groupType }) => ({
    groupId: groupId ?? '',
    protocolType,
    state: groupState,
    type: groupType ?? '',
  })),
});
const listV4 = answered(listGroupsV4.api);
const listV5 = answered(listGroupsV5.api);

export const LIST_GROUPS = apiFamily<[], ListedGroups>('ListGroups', listGroupsV5.api.key, {
  4: async (connection) => listed(await listV4(connection, [], [])),
  5: async (connection) => listed(await listV5(connection, [], [])),
});

export interface ClassicGroup {
  readonly errorCode: number;
  readonly groupId: string;
  readonly groupState: string;
  readonly protocolType: string;
  /** Its assignor. */
  readonly protocolData: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId?: string | null | undefined;
    readonly clientId: string;
    readonly memberMetadata: Buffer;
    readonly memberAssignment: Buffer;
  }[];
}
export interface ClassicGroups {
  readonly groups: readonly ClassicGroup[];
}
const describeV5 = answered(describeGroupsV5.api);
const describe: Send<[readonly string[]], ClassicGroups> = (connection, groupIds) =>
  describeV5(connection, [...groupIds], false);
export const DESCRIBE_GROUPS = apiFamily('DescribeGroups', describeGroupsV5.api.key, { 5: describe });

export interface DeletedGroups {
  readonly results: readonly { readonly groupId: string; readonly errorCode: number }[];
}
const deleteV2 = answered(deleteGroupsV2.api);
const remove: Send<[string], DeletedGroups> = (connection, groupId) => deleteV2(connection, [groupId]);
export const DELETE_GROUPS = apiFamily('DeleteGroups', deleteGroupsV2.api.key, { 2: remove });
