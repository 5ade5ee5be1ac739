// The rows that match a filter, found a slice at a time, so that no search ever holds up the page. Knows nothing of records.
import type { Rows } from './ring.ts';

/** Rows between two looks at the clock. */
const STRIDE = 32;

export class RowView<T> {
  readonly rows: Rows<T>;
  #matches: ((row: T) => boolean) | undefined;
  /** Numbers of matching rows, ascending; those before #head have left the store. */
  #found: number[] = [];
  #head = 0;
  #scanned: number;

  /** Without `matches` every row is in the view and there is nothing to search. */
  constructor(rows: Rows<T>, matches?: (row: T) => boolean) {
    this.rows = rows;
    this.#matches = matches;
    this.#scanned = rows.first;
  }

  get filtered(): boolean {
    return this.#matches !== undefined;
  }
  get length(): number {
    return this.#matches === undefined ? this.rows.next - this.rows.first : this.#found.length - this.#head;
  }
  /** How many rows were not looked at yet. */
  get pending(): number {
    return this.#matches === undefined ? 0 : this.rows.next - Math.max(this.#scanned, this.rows.first);
  }

  /** The number of the row at this place of the view. */
  numberAt(index: number): number {
    return this.#matches === undefined ? this.rows.first + index : (this.#found[this.#head + index] ?? -1);
  }
  /** The place of the row, or of the first one after it. */
  indexOf(number: number): number {
    if (this.#matches === undefined) return Math.min(Math.max(number - this.rows.first, 0), this.length);
    let low = this.#head;
    let high = this.#found.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#found[middle] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }

  /** The same view on rows that stand still: what was found stays found. `rows` is a snapshot of the present rows. */
  over(rows: Rows<T>): RowView<T> {
    const view = new RowView(rows, this.#matches);
    view.#found = this.#found.slice(this.#head);
    view.#scanned = this.#scanned;
    return view;
  }

  /** Looks at new rows until `expired` says so, and lets go of rows that have left. True when nothing is left to look at. */
  advance(expired: () => boolean): boolean {
    if (this.#matches === undefined) return true;
    const { first, next } = this.rows;
    while (this.#head < this.#found.length && (this.#found[this.#head] ?? 0) < first) this.#head += 1;
    if (this.#head > 4096 && this.#head * 2 > this.#found.length) {
      this.#found = this.#found.slice(this.#head);
      this.#head = 0;
    }
    let number = Math.max(this.#scanned, first);
    while (number < next) {
      const end = Math.min(number + STRIDE, next);
      for (; number < end; number += 1) {
        const row = this.rows.at(number);
        if (row !== undefined && this.#matches(row)) this.#found.push(number);
      }
      if (number < next && expired()) break;
    }
    this.#scanned = number;
    return number >= next;
  }
}
