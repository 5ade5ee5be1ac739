// Which topic and group names are allowed. Knows nothing of who asks.
import { LogError } from '../protocol/index.ts';
import { show } from './config.ts';

const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/;

/** Throws INVALID_TOPIC_EXCEPTION saying what is allowed. */
export function checkTopicName(name: unknown): asserts name is string {
  if (typeof name === 'string' && TOPIC_NAME.test(name) && name !== '.' && name !== '..') return;
  throw new LogError(
    'INVALID_TOPIC_EXCEPTION',
    `topic ${show(name)} is not allowed: a name has 1 to 249 of the characters a-z A-Z 0-9 . _ - and is neither "." nor ".."`,
    typeof name === 'string' ? { topic: name } : {},
  );
}

/** Throws INVALID_GROUP_ID saying what is allowed. */
export function checkGroupId(groupId: unknown): asserts groupId is string {
  if (typeof groupId === 'string' && groupId.length > 0 && groupId.length <= 255) return;
  throw new LogError(
    'INVALID_GROUP_ID',
    `group ${show(groupId)} is not allowed: a group id is a string of 1 to 255 characters`,
  );
}

/** Topics whose names begin with two underscores belong to the log itself. */
export const isInternalTopic = (name: string): boolean => name.startsWith('__');
