// What a group may be called. Knows nothing of groups.
import { LogError } from '../protocol/index.ts';

const MAX_LENGTH = 255;

/** Throws INVALID_GROUP_ID. */
export function checkGroupId(groupId: string): void {
  if (groupId.length > 0 && groupId.length <= MAX_LENGTH && !groupId.includes('\0')) return;
  const was = groupId.includes('\0') ? 'one with a NUL' : groupId.length;
  throw new LogError('INVALID_GROUP_ID', `A group id has 1 to ${MAX_LENGTH} characters, not ${was}.`);
}
