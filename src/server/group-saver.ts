// Writes the newest state of one group, one write at a time, and tells of it only then. Knows nothing of what the state is or where it goes.

export interface GroupSaverOptions<State> {
  /** The state as it is now, and what may be told once that is safe. */
  readonly begin: () => { readonly state: State; readonly saved: () => void };
  readonly write: (state: State) => Promise<void>;
  /** The state could not be written; what it says is told all the same. */
  readonly onFailed: (error: unknown) => void;
  /** Nothing waits any more. */
  readonly onIdle: () => void;
}

export class GroupSaver<State> {
  readonly #options: GroupSaverOptions<State>;
  /** The write that has not begun and will carry whatever happens until then. */
  #next: Promise<void> | undefined;
  #last: Promise<void> | undefined;

  constructor(options: GroupSaverOptions<State>) {
    this.#options = options;
  }

  /** undefined: nothing waits. */
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

  async #run(before: Promise<void> | undefined): Promise<void> {
    // Always a turn later: what changes together is written together.
    await before;
    const mine = this.#next;
    this.#next = undefined;
    const { state, saved } = this.#options.begin();
    try {
      await this.#options.write(state);
    } catch (error) {
      this.#options.onFailed(error);
    }
    saved();
    if (this.#last === mine) {
      this.#last = undefined;
      this.#options.onIdle();
    }
  }
}
