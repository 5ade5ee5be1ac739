// Keeps who a member is over a reload of its page. Knows nothing of joining, nor of where it is kept.
import { isLabel, isObject } from './config.ts';
import type { KeepsakeSlot, Transport } from './transport.ts';

interface KeptMember {
  readonly memberId: string;
  readonly resumeToken: string;
}

export class MemberKeepsake {
  #keepsake: Transport['keepsake'];
  #claim: Promise<void> | undefined;
  #slot: KeepsakeSlot | undefined;
  #kept: KeptMember | undefined;
  #released = false;

  /** Without `keepsake` there is nothing to keep it in. */
  constructor(keepsake: Transport['keepsake']) {
    this.#keepsake = keepsake;
  }

  /** Finds the place for it; undefined where that is done: there is nothing to wait for. */
  claim(groupId: string): Promise<void> | undefined {
    const keepsake = this.#keepsake;
    this.#keepsake = undefined;
    this.#claim ??= keepsake?.(groupId).then((slot) => {
      this.#claim = undefined;
      this.#slot = slot;
      this.#kept = parse(slot?.saved);
      if (this.#released) slot?.release();
    });
    return this.#claim;
  }
  /** What the page's earlier life has left, once. */
  take(): KeptMember | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return kept;
  }
  /** undefined: there is no member to come back to. */
  save(member: KeptMember | undefined): void {
    this.#slot?.save(member && JSON.stringify(member));
  }
  release(): void {
    this.#released = true;
    this.#slot?.release();
  }
}

/** undefined: nothing, or nothing that could be used. */
function parse(text = ''): KeptMember | undefined {
  try {
    const kept: unknown = JSON.parse(text);
    if (!isObject(kept) || !('memberId' in kept) || !('resumeToken' in kept)) return undefined;
    const { memberId, resumeToken } = kept;
    return isLabel(memberId, 64) && isLabel(resumeToken, 128) ? { memberId, resumeToken } : undefined;
  } catch {
    return undefined;
  }
}
