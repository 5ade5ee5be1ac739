// Secrets by which a client takes its group member up again, also from another gateway that has the same key. Knows nothing of members.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { MARK_LENGTH } from './identity.ts';

const NONCE_BYTES = 16;
const LIFE_BYTES = 8;

/** Whom a token takes up. */
export interface TokenSubject {
  readonly groupId: string;
  /** What the client knows the member by. */
  readonly memberId: string;
  readonly instanceId: string;
  readonly principal: string | undefined;
}

/** A token is a nonce, which life of the member it is for, and a seal over both and the subject. */
export class ResumeTokens {
  readonly #key: Buffer;

  /** Without a secret: one of this process. */
  constructor(secret: string | undefined) {
    this.#key = secret === undefined ? randomBytes(32) : Buffer.from(secret);
  }

  /** Another one each time. `coordinatorId`: what the coordinator calls the member now; whoever takes it up gives it another name. */
  issue(subject: TokenSubject, coordinatorId: string): string {
    const said = Buffer.concat([randomBytes(NONCE_BYTES), lifeOf(coordinatorId)]);
    return Buffer.concat([said, this.#seal(subject, said)]).toString('base64url');
  }

  /** For the name of whoever takes a member up by this token: tells nobody else anything. */
  mark(token: string): string {
    return createHmac('sha256', this.#key).update('taken up by').update(token).digest('hex').slice(0, MARK_LENGTH);
  }

  /**
   * `forged`: not one of ours for that subject. `spent`: it was one, before somebody took the member up by another one. Who took it up
   * by this one (`mark` says so) may never have heard of it.
   */
  check(token: string, subject: TokenSubject, coordinatorId: string, mark: string): 'good' | 'spent' | 'forged' {
    const bytes = Buffer.from(token, 'base64url');
    const said = bytes.subarray(0, NONCE_BYTES + LIFE_BYTES);
    const [seal, expected] = [bytes.subarray(said.length), this.#seal(subject, said)];
    if (seal.length !== expected.length || !timingSafeEqual(seal, expected)) return 'forged';
    const isOfThisLife = said.subarray(NONCE_BYTES).equals(lifeOf(coordinatorId));
    return isOfThisLife || mark === this.mark(token) ? 'good' : 'spent';
  }

  #seal({ groupId, memberId, instanceId, principal }: TokenSubject, said: Buffer): Buffer {
    // JSON, so that no two subjects are the same text.
    const text = JSON.stringify(['resume', groupId, memberId, instanceId, principal ?? null]);
    return createHmac('sha256', this.#key).update(said).update(text).digest();
  }
}

function lifeOf(coordinatorId: string): Buffer {
  return createHash('sha256').update(coordinatorId).digest().subarray(0, LIFE_BYTES);
}
