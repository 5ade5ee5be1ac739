// How many bytes of batches may still be sent: one window for a consumer, one for each of its partitions’ epochs. Pure arithmetic; knows nothing of frames or logs.

/**
 * A cumulative limit and what was spent of it. A batch may go while anything remains, so the last one may overdraw the
 * window, once; nothing goes again before a raise makes it positive. A limit never falls.
 */
export class CreditWindow {
  #limit: number;
  #spent = 0;
  #reserved = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that may still go out; negative after an overdraft. */
  get remaining(): number {
    return this.#limit - this.#spent;
  }

  /** What remains when the reads under way have taken all they asked for. */
  get available(): number {
    return this.remaining - this.#reserved;
  }

  /** Whether it raised anything: old and repeated limits do nothing. */
  raise(limit: number): boolean {
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return true;
  }

  /** Sets bytes aside for a read under way; give back the same number with `unreserve`. */
  reserve(bytes: number): void {
    this.#reserved += bytes;
  }

  unreserve(bytes: number): void {
    this.#reserved -= bytes;
  }

  /** Call only while `remaining` is positive, with at most `remaining` bytes or exactly one batch. */
  spend(bytes: number): void {
    this.#spent += bytes;
  }
}
