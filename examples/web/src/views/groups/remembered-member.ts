// Remembers across reloads which member this tab was, so that the page can say whether it still is the same one.
import type { Membership } from '../../app-state.ts';

const KEY = 'dlog.group-member';

/** sessionStorage, where the browser allows it; else a reload is not told from a first visit. */
function read(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
function write(text: string): void {
  try {
    sessionStorage.setItem(KEY, text);
  } catch (error) {
    console.debug('storage is not available', error);
  }
}

const nameOf = ({ groupId, memberId }: Membership): string => `${memberId} ${groupId}`;
/** The member that this tab was before it was loaded. */
const before = read();

export const rememberedMember = {
  /** What a reload means, or has meant, for this membership. */
  tell(membership: Membership): string {
    const name = nameOf(membership);
    if (name === before) return 'the same member as before the reload';
    if (name !== read()) write(name);
    return 'a reload keeps it';
  },
};
