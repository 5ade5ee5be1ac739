// What members are called: by their clients, and by coordinators. Knows nothing of what they do.
import type { Random } from 'distributedlog/core';
import { randomUuid } from 'distributedlog/server';

const MAX_CLIENT_ID = 27;
const HIDDEN = 'dlog.';
export const MARK_LENGTH = 16;
const UUID_LENGTH = 36;
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const OURS = new RegExp(`^(.*)-${UUID}$`);

/** For people who look at groups with Kafka's tools: what the client calls itself, as far as it fits, and what makes it unique. */
export function newMemberId(clientId: string, random: Random, mark = ''): string {
  const uuid = randomUuid(random);
  const digits = mark + uuid.replaceAll('-', '').slice(mark.length);
  const groups = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ];
  return `${clientId.replaceAll(/[^\w.-]/g, '_').slice(0, MAX_CLIENT_ID)}-${groups.join('-')}`;
}
/** The `mark` (hexadecimal digits) that a member's id was made with, if any. */
export function markOf(memberId: string): string {
  return memberId.slice(-UUID_LENGTH).replaceAll('-', '').slice(0, MARK_LENGTH);
}
export function clientIdOf(memberId: string): string {
  return OURS.exec(memberId)?.[1] ?? memberId;
}

/** What the coordinator takes for the instance id of a member whose client has none. */
export function hiddenInstanceId(memberId: string): string {
  return `${HIDDEN}${memberId}`;
}
/** undefined: it is one that a client gave. */
export function memberOfHidden(instanceId: string): string | undefined {
  return instanceId.startsWith(HIDDEN) && OURS.test(instanceId) ? instanceId.slice(HIDDEN.length) : undefined;
}
