// Short names and lasting colours for the members of a group. Knows nothing of how they are shown.
import type { GroupMember } from 'distributedlog';

/** What is left of a member where it is only mentioned, also after it has gone. */
export interface MemberRef {
  readonly memberId: string;
  /** The instance id of a static member, else the client id. */
  readonly name: string;
  /** Tells members of one name apart: the last characters of the member id. */
  readonly tag: string;
}

const MIN_TAG = 4;

/** Tags of one length, as short as tells all of them apart. */
export function refsOf(members: readonly GroupMember[]): MemberRef[] {
  let length = MIN_TAG;
  const longest = Math.max(MIN_TAG, ...members.map(({ memberId }) => memberId.length));
  while (length < longest && new Set(members.map(({ memberId }) => memberId.slice(-length))).size < members.length) {
    length += 1;
  }
  return members.map(({ memberId, clientId, groupInstanceId }) => ({
    memberId,
    name: groupInstanceId ?? (clientId === '' ? 'member' : clientId),
    tag: memberId.slice(-length),
  }));
}

/** Colours there are for members; the style sheet has as many. */
export const MEMBER_COLORS = 12;
/** The clearest come first; the others are for when these are taken. */
const FIRST_COLORS = 8;
/** Members whose colour is remembered: the present ones and many that have gone. */
const MAX_REMEMBERED = 1000;

/** FNV-1a: the same colour for the same member in every tab, as long as it is free. */
function preferred(memberId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < memberId.length; i += 1) hash = Math.imul(hash ^ memberId.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % FIRST_COLORS;
}
/** Every colour, from the preferred one round the first ones, then the others. */
function choices(memberId: string): number[] {
  const first = preferred(memberId);
  return Array.from({ length: MEMBER_COLORS }, (_, n) => (n < FIRST_COLORS ? (first + n) % FIRST_COLORS : n));
}

/** A member keeps its colour for as long as it is there. Two have the same one only when there are more members than colours. */
export class MemberColors {
  #given = new Map<string, number>();

  update(memberIds: readonly string[]): void {
    const uses = new Array<number>(MEMBER_COLORS).fill(0);
    for (const id of memberIds) {
      const color = this.#given.get(id);
      if (color !== undefined) uses[color] = (uses[color] ?? 0) + 1;
    }
    for (const id of memberIds.filter((one) => !this.#given.has(one)).sort()) {
      const least = Math.min(...uses);
      const color = choices(id).find((one) => uses[one] === least) ?? 0;
      uses[color] = least + 1;
      this.#given.set(id, color);
    }
    if (this.#given.size <= MAX_REMEMBERED) return;
    const present = new Set(memberIds);
    for (const id of this.#given.keys()) {
      if (this.#given.size <= MAX_REMEMBERED) break;
      if (!present.has(id)) this.#given.delete(id);
    }
  }

  /** 0 to MEMBER_COLORS − 1. */
  of(memberId: string): number {
    return this.#given.get(memberId) ?? preferred(memberId);
  }
}
