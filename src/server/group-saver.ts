// Writes the newest state of one group, one write at a time, until it is written, and tells of it only then. Knows nothing of what the state is or where it goes.
import type { Clock } from '../core/index.ts';

export interface GroupSaverOptions<State> {
  readonly clock: Clock;
  /** The state as it is now, and what may be told once that is safe. */
  readonly begin: () => { readonly state: State; readonly saved: () => void };
  readonly write: (state: State) => Promise<void>;
  /** The state could not be written: what it says is told all the same, and the newest is tried again later. */
  readonly onFailed: (error: unknown) => void;
  /** What is the case is written, and nothing waits any more. */
  readonly onIdle: () => void;
}

/** Before the first repetition; doubles up to the longest. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export class GroupSaver<State> {
  readonly #options: GroupSaverOptions<State>;
  /** The write that has not begun and will carry whatever happens until then. */
  #next: Promise<void> | undefined;
  #last: Promise<void> | undefined;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: (() => void) | undefined;
  #isEnded = false;

  constructor(options: GroupSaverOptions<State>) {
    this.#options = options;
  }

  /** undefined: nothing is being written. */
  get pending(): Promise<void> | undefined {
    return this.#last;
  }

  /** Resolves when what is the case now was written (or could not be) and told. Never rejects. */
  save(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#run(this.#last);
      this.#last = this.#next;
    }
    return this.#next;
  }

  /** What could not be written is not tried again. */
  end(): void {
    this.#isEnded = true;
    this.#cancelRetry?.();
  }

  async #run(before: Promise<void> | undefined): Promise<void> {
    // Always a turn later: what changes together is written together.
    await before;
    const mine = this.#next;
    this.#next = undefined;
    this.#cancelRetry?.();
    const { state, saved } = this.#options.begin();
    const isWritten = await this.#write(state);
    saved();
    if (this.#last !== mine) return;
    this.#last = undefined;
    if (isWritten) this.#options.onIdle();
    else if (!this.#isEnded) this.#retry();
  }

  async #write(state: State): Promise<boolean> {
    try {
      await this.#options.write(state);
    } catch (error) {
      this.#options.onFailed(error);
      return false;
    }
    this.#retryMs = FIRST_RETRY_MS;
    return true;
  }

  #retry(): void {
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => void this.save());
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
  }
}
