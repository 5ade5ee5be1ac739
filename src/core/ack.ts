// Acknowledgements of one partition in any order, and the contiguous prefix they make. Pure; knows nothing of commits.

interface Handed {
  readonly offset: number;
  /** When it was handed out, ms. */
  readonly at: number;
  acked: boolean;
}

/** What was handed out and not yet covered by the processed prefix, in offset order. */
export class AckTracker {
  readonly #queue: Handed[] = [];
  #head = 0;
  readonly #byOffset = new Map<number, Handed>();
  #unacked = 0;

  /** Records handed out that wait for their acknowledgement. */
  get unacked(): number {
    return this.#unacked;
  }
  /** The first record without acknowledgement. */
  get first(): { readonly offset: number; readonly at: number } | undefined {
    return this.#queue[this.#head];
  }

  /** Offsets grow from call to call. */
  handOut(offset: number, at: number): void {
    const entry = { offset, at, acked: false };
    this.#queue.push(entry);
    this.#byOffset.set(offset, entry);
    this.#unacked++;
  }
  /** false: not waiting for this one (late, duplicate, revoked). */
  ack(offset: number): boolean {
    const entry = this.#byOffset.get(offset);
    if (entry === undefined || entry.acked) return false;
    entry.acked = true;
    this.#byOffset.delete(offset);
    this.#unacked--;
    while (this.#queue[this.#head]?.acked === true) this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return true;
  }
  clear(): void {
    this.#queue.length = 0;
    this.#head = 0;
    this.#byOffset.clear();
    this.#unacked = 0;
  }
}
