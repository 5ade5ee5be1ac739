// The table of records: draws only the rows in sight, with elements it uses again, at most one frame after the other. Knows nothing of consumers.
import type { Row } from '../controller.ts';
import { h } from '../dom.ts';
import type { RowRing } from '../ring.ts';
import { RowView } from '../view.ts';
import { RowElement, rowId } from './row.ts';

/** Rows drawn beyond each edge, so that a flick shows no hole. */
const OVERSCAN = 6;
/** New records are drawn at most this often: nobody reads faster, and scrolling keeps its frames. */
const LIVE_INTERVAL_MS = 66;
/** Time a frame gives to searching. */
const SEARCH_MS = 6;
const COLUMNS = ['Time', 'Topic', 'Partition', 'Offset', 'Key', 'Value'] as const;

export interface TableState {
  /** Rows that match the filter, and rows there are. */
  readonly shown: number;
  readonly total: number;
  /** Rows not searched yet. */
  readonly pending: number;
  readonly following: boolean;
  /** Rows that came since the reader left the live end. */
  readonly behind: number;
}

export interface TableHandlers {
  onState(state: TableState): void;
  /** A row was clicked or Enter pressed on it; `keyboard`: the reader expects to be taken there. */
  onOpen(record: Row, keyboard: boolean): void;
  /** The active row moved. */
  onActive(record: Row): void;
}

export class RecordTable {
  readonly element: HTMLDivElement;
  readonly #ring: RowRing<Row>;
  readonly #handlers: TableHandlers;
  readonly #body = h('div', { class: 'rows', role: 'rowgroup' });
  readonly #pool: RowElement[] = [];
  #matches: ((row: Row) => boolean) | undefined;
  #view: RowView<Row>;
  #following = true;
  #active = -1;
  #frame = 0;
  #drawnAt = 0;
  #live = false;
  #rowHeight = 28;
  #headHeight = 32;
  #viewport = 0;
  #scrollTop = 0;
  #height = -1;
  #pressed = -1;
  /** When the reader last used wheel, pointer or keys here. */
  #touchedAt = Number.NEGATIVE_INFINITY;
  /** The row at the upper edge when last drawn, and its place then. */
  #topNumber = 0;
  #topPlace = 0;

  constructor(ring: RowRing<Row>, handlers: TableHandlers) {
    this.#ring = ring;
    this.#handlers = handlers;
    this.#view = new RowView<Row>(ring);
    const head = h('div', { class: 'row head', role: 'row', 'aria-rowindex': 1 });
    for (const name of COLUMNS) {
      head.append(
        h(
          'span',
          { class: `cell ${name.toLowerCase()}`, role: 'columnheader', title: name === 'Partition' ? name : undefined },
          // No room for the word, except for those who do not see it.
          name === 'Partition' ? h('span', { class: 'visually-hidden' }, name) : name,
          name === 'Partition' ? h('span', { 'aria-hidden': 'true' }, '#') : null,
        ),
      );
    }
    this.element = h(
      'div',
      {
        class: 'table',
        role: 'grid',
        tabindex: 0,
        'aria-label': 'Records',
        'aria-colcount': COLUMNS.length,
        'aria-readonly': 'true',
        'data-testid': 'records-table',
        onscroll: () => this.#onScroll(),
        onkeydown: (event: KeyboardEvent) => this.#onKey(event),
      },
      h('div', { class: 'head-group', role: 'rowgroup' }, head),
      this.#body,
    );
    const leave = (event: WheelEvent): void => {
      if (event.deltaY < 0 && this.#scrollTop > 0) this.#freeze();
    };
    this.element.addEventListener('wheel', leave, { passive: true });
    for (const type of ['wheel', 'pointerdown', 'touchmove', 'keydown'] as const) {
      this.element.addEventListener(type, () => this.#touch(), { passive: true });
    }
    // Under a fast stream the row under the pointer would change between press and release: what was pressed counts.
    this.#body.addEventListener('pointerdown', (event) => {
      this.#pressed = this.#numberOf(event.target);
      if (this.#pressed >= 0) this.#freeze();
    });
    this.#body.addEventListener('click', (event) => {
      const pressed = this.#pressed >= 0 ? this.#pressed : this.#numberOf(event.target);
      this.#pressed = -1;
      if (pressed >= 0) this.#open(pressed, false);
    });
    new ResizeObserver(() => this.#measure()).observe(this.element);
  }

  /** Rows came or went: drawn with the next frame that is due. */
  invalidate(): void {
    this.#live = true;
    this.#schedule();
  }

  setFilter(matches: ((row: Row) => boolean) | undefined): void {
    this.#matches = matches;
    this.#view = new RowView(this.#view.rows, matches);
    this.#schedule();
  }

  /** Goes to the newest row and stays with it. */
  follow(): void {
    this.#following = true;
    this.#active = -1;
    this.#view = new RowView<Row>(this.#ring, this.#matches);
    this.#schedule();
  }

  /** Starts anew after the store was cleared. */
  reset(): void {
    this.follow();
  }

  /** Moves the active row, as the arrow keys do. */
  move(by: number): void {
    const { length } = this.#view;
    if (length === 0) return;
    this.#freeze();
    const from = this.#active < 0 ? length : this.#view.indexOf(this.#active);
    this.#activate(Math.min(Math.max(from + by, 0), length - 1));
  }

  #open(number: number, keyboard: boolean): void {
    this.#freeze();
    const record = this.#view.rows.at(number);
    if (record === undefined) return;
    this.#setActive(number);
    this.#handlers.onOpen(record, keyboard);
    this.#schedule();
  }

  /** Leaves the live end. From here on the table shows the rows as they are now, whatever the stream throws away. */
  #freeze(): void {
    if (!this.#following) return;
    this.#following = false;
    this.#view = this.#view.over(this.#ring.snapshot());
    this.#resize();
    // Rows may have left since the last drawing; what is in sight stays where it is.
    const shift = (this.#view.indexOf(this.#topNumber) - this.#topPlace) * this.#rowHeight;
    if (shift !== 0) this.#scrollTo(this.element.scrollTop + shift);
    this.#schedule();
  }

  #touch(): void {
    this.#touchedAt = performance.now();
  }

  #setActive(number: number): void {
    this.#active = number;
    if (number < 0) this.element.removeAttribute('aria-activedescendant');
    else this.element.setAttribute('aria-activedescendant', rowId(number));
  }

  #activate(index: number): void {
    const number = this.#view.numberAt(index);
    const record = this.#view.rows.at(number);
    if (record === undefined) return;
    this.#setActive(number);
    const top = index * this.#rowHeight;
    const space = this.#viewport - this.#headHeight;
    if (top < this.#scrollTop) this.#scrollTo(top);
    else if (top + this.#rowHeight > this.#scrollTop + space) this.#scrollTo(top + this.#rowHeight - space);
    this.#schedule();
    this.#handlers.onActive(record);
  }

  #scrollTo(top: number): void {
    this.element.scrollTop = top;
    this.#scrollTop = this.element.scrollTop;
  }

  #onScroll(): void {
    const before = this.#scrollTop;
    const now = this.element.scrollTop;
    // Our own scrolling was noted when it was done.
    if (Math.abs(now - before) < 1) return;
    this.#scrollTop = now;
    // A scroller that the browser took out of the layout for a moment comes back at the top: nobody scrolled.
    const wasReset = now === 0 && before > 2 * this.#viewport && performance.now() - this.#touchedAt > 1000;
    if (this.#following && wasReset) {
      this.#schedule();
      return;
    }
    // Measured, not remembered: a change of size scrolls before it is observed.
    const atEnd = now + this.element.clientHeight >= this.element.scrollHeight - this.#rowHeight / 2;
    if (this.#following && !atEnd) this.#freeze();
    else if (!this.#following && atEnd && now > before) this.follow();
    this.#schedule();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor((this.#viewport - this.#headHeight) / this.#rowHeight) - 1);
    switch (event.key) {
      case 'ArrowUp':
        this.move(-1);
        break;
      case 'ArrowDown':
        this.move(1);
        break;
      case 'PageUp':
        this.move(-page);
        break;
      case 'PageDown':
        this.move(page);
        break;
      case 'Home':
        this.move(Number.NEGATIVE_INFINITY);
        break;
      case 'End':
        this.follow();
        break;
      case 'Enter':
        if (this.#active < 0) this.move(-1);
        if (this.#active >= 0) this.#open(this.#active, true);
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  #numberOf(target: EventTarget | null): number {
    const row = target instanceof Element ? target.closest('.row') : null;
    return this.#pool.find((candidate) => candidate.element === row)?.number ?? -1;
  }

  #measure(): void {
    const style = getComputedStyle(this.element);
    this.#rowHeight = Number.parseFloat(style.getPropertyValue('--row-height')) || 28;
    this.#headHeight = Number.parseFloat(style.getPropertyValue('--head-height')) || 0;
    this.#viewport = this.element.clientHeight;
    const wanted = Math.ceil(this.#viewport / this.#rowHeight) + 2 * OVERSCAN;
    for (const row of this.#pool) row.hide();
    while (this.#pool.length < wanted) {
      const row = new RowElement();
      this.#pool.push(row);
      this.#body.append(row.element);
    }
    this.#height = -1;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame((now) => this.#draw(now));
  }

  #draw(now: number): void {
    this.#frame = 0;
    // Not in sight: its size, once it is, is what draws it again.
    if (this.#viewport === 0) return;
    if (this.#live && this.#following && now - this.#drawnAt < LIVE_INTERVAL_MS) {
      this.#schedule();
      return;
    }
    this.#live = false;
    this.#drawnAt = now;
    const stop = performance.now() + SEARCH_MS;
    const searched = this.#view.advance(() => performance.now() >= stop);
    this.#render();
    if (!searched) this.#schedule();
  }

  /** As high as all rows of the view: before that, no scrolling can reach the new ones. */
  #resize(): void {
    const { length } = this.#view;
    const height = length * this.#rowHeight;
    if (height === this.#height) return;
    this.#height = height;
    this.#body.style.height = `${height}px`;
    this.element.setAttribute('aria-rowcount', String(length + 1));
    this.#scrollTop = Math.min(this.#scrollTop, Math.max(0, height - (this.#viewport - this.#headHeight)));
  }

  #render(): void {
    const view = this.#view;
    const { length } = view;
    this.#resize();
    const end = Math.max(0, this.#height - (this.#viewport - this.#headHeight));
    if (this.#following && Math.abs(this.#scrollTop - end) >= 1) this.#scrollTo(end);
    this.#topPlace = Math.floor(this.#scrollTop / this.#rowHeight);
    this.#topNumber = view.numberAt(this.#topPlace);

    const first = Math.max(0, Math.floor(this.#scrollTop / this.#rowHeight) - OVERSCAN);
    const last = Math.min(length, first + this.#pool.length);
    // A place always gets the same element, so that scrolling by one row fills one row.
    const size = this.#pool.length;
    for (let place = first; place < first + size; place += 1) {
      const row = this.#pool[place % size];
      if (row === undefined) continue;
      const number = place < last ? view.numberAt(place) : -1;
      const record = number < 0 ? undefined : view.rows.at(number);
      if (record === undefined) row.hide();
      else row.show(number, record, place, place * this.#rowHeight, number === this.#active);
    }
    this.#handlers.onState({
      shown: length,
      total: view.rows.next - view.rows.first,
      pending: view.pending,
      following: this.#following,
      behind: this.#following ? 0 : this.#ring.next - view.rows.next,
    });
  }
}
