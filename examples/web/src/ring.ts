// A bounded store of rows in order of arrival, each with a number that never changes. Knows nothing of records or of the page.

/** Rows with numbers in [first, next). Numbers grow by one for each row and are never used twice. */
export interface Rows<T> {
  readonly first: number;
  readonly next: number;
  at(number: number): T | undefined;
}

export interface RingLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

export class RowRing<T> implements Rows<T> {
  readonly limits: RingLimits;
  #sizeOf: (row: T) => number;
  #slots: (T | undefined)[] = [];
  #first = 0;
  #next = 0;
  #bytes = 0;

  constructor(limits: RingLimits, sizeOf: (row: T) => number) {
    this.limits = limits;
    this.#sizeOf = sizeOf;
  }

  get first(): number {
    return this.#first;
  }
  get next(): number {
    return this.#next;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a row; the oldest leave as long as there are too many rows or bytes. The newest always stays, whatever its size. */
  push(row: T): void {
    if (this.#next - this.#first >= this.limits.maxRows) this.#evict();
    this.#slots[this.#next % this.limits.maxRows] = row;
    this.#next += 1;
    this.#bytes += this.#sizeOf(row);
    while (this.#bytes > this.limits.maxBytes && this.#next - this.#first > 1) this.#evict();
  }

  at(number: number): T | undefined {
    return number >= this.#first && number < this.#next ? this.#slots[number % this.limits.maxRows] : undefined;
  }

  /** The rows as they are now; later pushes and evictions do not touch it. */
  snapshot(): Rows<T> {
    const first = this.#first;
    const next = this.#next;
    const rows = new Array<T | undefined>(next - first);
    for (let number = first; number < next; number += 1) {
      rows[number - first] = this.#slots[number % this.limits.maxRows];
    }
    return { first, next, at: (number) => rows[number - first] };
  }

  /** Forgets all rows; numbering goes on. */
  clear(): void {
    this.#slots = [];
    this.#first = this.#next;
    this.#bytes = 0;
  }

  #evict(): void {
    const slot = this.#first % this.limits.maxRows;
    const row = this.#slots[slot];
    if (row !== undefined) this.#bytes -= this.#sizeOf(row);
    this.#slots[slot] = undefined;
    this.#first += 1;
  }
}
