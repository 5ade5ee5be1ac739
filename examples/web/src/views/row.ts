// One recycled row of the table: shows a record, and touches only what differs from the record it showed before.
import { colorOf } from '../colors.ts';
import type { Row } from '../controller.ts';
import { h } from '../dom.ts';
import { formatTime } from '../format.ts';
import { type Preview, preview } from '../payload.ts';

const CELL = { role: 'gridcell' } as const;

export const rowId = (number: number): string => `row-${number}`;

export class RowElement {
  readonly element: HTMLDivElement;
  /** Number of the row shown; −1: none. */
  number = -1;
  #place = -1;
  #active = false;
  #topic = '';
  readonly #time = h('span', { ...CELL, class: 'cell time' });
  readonly #topicCell = h('span', { ...CELL, class: 'cell topic' });
  readonly #dot = h('i', { class: 'dot', 'aria-hidden': 'true' });
  readonly #topicText = document.createTextNode('');
  readonly #partition = h('span', { ...CELL, class: 'cell partition' });
  readonly #offset = h('span', { ...CELL, class: 'cell offset' });
  readonly #key = h('span', { ...CELL, class: 'cell key' });
  readonly #value = h('span', { ...CELL, class: 'cell value' });

  constructor() {
    this.#topicCell.append(this.#dot, this.#topicText);
    this.element = h(
      'div',
      { class: 'row', role: 'row', hidden: true },
      this.#time,
      this.#topicCell,
      this.#partition,
      this.#offset,
      this.#key,
      this.#value,
    );
  }

  hide(): void {
    if (this.number === -1) return;
    this.number = -1;
    this.element.hidden = true;
  }

  show(number: number, record: Row, place: number, top: number, active: boolean): void {
    if (this.number === -1) this.element.hidden = false;
    if (place !== this.#place || this.number === -1) {
      this.#place = place;
      this.element.style.transform = `translateY(${top}px)`;
      // The header is row 1.
      this.element.setAttribute('aria-rowindex', String(place + 2));
    }
    if (number !== this.number) {
      this.number = number;
      this.element.id = rowId(number);
      this.#fill(record);
    }
    if (active !== this.#active) {
      this.#active = active;
      this.element.classList.toggle('active', active);
      this.element.setAttribute('aria-selected', String(active));
    }
  }

  #fill(record: Row): void {
    this.#time.textContent = formatTime(record.timestamp);
    if (record.topic !== this.#topic) {
      this.#topic = record.topic;
      this.#topicText.data = record.topic;
      this.#topicCell.title = record.topic;
      this.#dot.className = `dot ${colorOf(record.topic)}`;
    }
    this.#partition.textContent = String(record.partition);
    this.#offset.textContent = String(record.offset);
    setPreview(this.#key, preview(record.key), '–');
    setPreview(this.#value, preview(record.value), 'tombstone');
  }
}

function setPreview(cell: HTMLElement, content: Preview, none: string): void {
  const text = content.kind === 'null' ? none : content.kind === 'empty' ? 'empty' : content.text;
  cell.textContent = text;
  if (cell.dataset.kind !== content.kind) cell.dataset.kind = content.kind;
}
