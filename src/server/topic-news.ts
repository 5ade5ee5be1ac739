// When a connection that watches topics hears of a change: behind every answer that may not know of it yet. Knows nothing of what topics are.

export class TopicNews<Change> {
  readonly #tell: (change: Change) => void;
  readonly #looks = new Set<object>();
  /** In order; no more than happens while one look lasts. */
  readonly #waiting: { readonly change: Change; readonly behind: Set<object> }[] = [];

  constructor(tell: (change: Change) => void) {
    this.#tell = tell;
  }

  /** Somebody looks at the topics in order to answer. Call what is returned once the answer is sent. */
  look(): () => void {
    const look = {};
    this.#looks.add(look);
    return () => {
      this.#looks.delete(look);
      for (const { behind } of this.#waiting) behind.delete(look);
      this.#go();
    };
  }

  changed(change: Change): void {
    this.#waiting.push({ change, behind: new Set(this.#looks) });
    this.#go();
  }

  #go(): void {
    for (let [first] = this.#waiting; first?.behind.size === 0; [first] = this.#waiting) {
      this.#waiting.shift();
      this.#tell(first.change);
    }
  }
}
