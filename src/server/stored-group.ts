// The members of a group as they survive a restart: written out, and read back with suspicion. Knows nothing of where they are kept.
import * as z from 'zod/mini';
import type { Clock } from '../core/index.ts';
import type { Group } from './group.ts';
import type { StoredGroup } from './log.ts';
import { Member, partitionsOf } from './member.ts';

const count = z.int().check(z.gte(0));
const owned = z.array(z.object({ topic: z.string(), topicId: z.string(), partition: count }));
const storedGroup = z.object({
  epoch: count,
  members: z.array(
    z.object({
      memberId: z.string().check(z.minLength(1)),
      instanceId: z.optional(z.string()),
      clientId: z.string(),
      principal: z.optional(z.string()),
      assignor: z.optional(z.enum(['uniform', 'range'])),
      topics: z.array(z.string()),
      sessionTimeoutMs: count,
      rebalanceTimeoutMs: count,
      maxPollIntervalMs: count,
      epoch: count,
      assigned: owned,
      held: owned,
      tokenHashes: z.array(z.string()),
    }),
  ),
});

/** undefined: it has no members. */
export function storedForm(group: Group): StoredGroup | undefined {
  if (group.size === 0) return undefined;
  return {
    epoch: group.epoch,
    members: group.members().map(({ identity, wishes, epoch, assigned, held, tokenHashes }) => ({
      memberId: identity.memberId,
      instanceId: identity.instanceId,
      clientId: identity.clientId,
      principal: identity.principal,
      assignor: wishes.assignor,
      topics: [...wishes.topics],
      sessionTimeoutMs: wishes.sessionTimeoutMs,
      rebalanceTimeoutMs: wishes.rebalanceTimeoutMs,
      maxPollIntervalMs: wishes.maxPollIntervalMs,
      epoch,
      assigned: [...assigned.values()],
      held: [...held.values()],
      tokenHashes: [...tokenHashes],
    })),
  };
}

/** Throws where it is not what `storedForm` made. */
export function readStoredForm(stored: unknown, clock: Clock): { readonly epoch: number; readonly members: Member[] } {
  const { epoch, members } = storedGroup.parse(stored);
  return {
    epoch,
    members: members.map((one) => {
      const member = new Member(one, one, clock);
      member.epoch = one.epoch;
      member.assigned = partitionsOf(one.assigned);
      member.held = partitionsOf([...one.held, ...one.assigned]);
      member.tokenHashes = one.tokenHashes;
      return member;
    }),
  };
}
