// Who speaks for a group member: a connection, or for a while nobody. Knows nothing of partitions.
import type { Clock } from '../core/index.ts';
import type { MemberListener } from './log.ts';

/** One connection's hold on a member; another connection, or the same one joining anew, has another. */
export interface Holder {
  readonly listener: MemberListener;
  /** The answer to its join is being prepared, and will carry what is new: nothing is pushed meanwhile. */
  answering: boolean;
}

export class Presence {
  readonly #clock: Clock;
  #holder: Holder | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** undefined: nobody, until somebody takes it or the time is over. */
  get holder(): Holder | undefined {
    return this.#holder;
  }

  take(holder: Holder): void {
    this.end();
    this.#holder = holder;
  }

  /** Nobody speaks for it any more; after `delayMs` nobody can come back either. */
  keep(delayMs: number, onExpired: () => void): void {
    this.end();
    this.#cancel = this.#clock.after(delayMs, onExpired);
  }

  /** Forgets everybody; no timer is left. */
  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#holder = undefined;
  }
}
