// The partitions that are read: where they begin and end, where this page is, and the buttons to pause and to move each.
import type { AppState, PartitionState } from '../app-state.ts';
import { colorOf } from '../colors.ts';
import type { Controller } from '../controller.ts';
import { h, icon, reconcile, setIcon, setText } from '../dom.ts';
import type { Store } from '../store.ts';

interface RowParts {
  readonly row: HTMLTableRowElement;
  readonly cells: Readonly<Record<'start' | 'end' | 'position' | 'lag' | 'committed', HTMLElement>>;
  readonly pause: HTMLButtonElement;
}
const NUMBERS = ['start', 'end', 'position', 'lag', 'committed'] as const;
const TITLES = {
  start: ['Start', 'First offset the log still has'],
  end: ['End', 'The offset after the last record'],
  position: ['Position', 'The next offset this page will show'],
  lag: ['Lag', 'Records between the position and the end'],
  committed: ['Committed', 'Where the group would go on'],
} as const;

const nameOf = (state: PartitionState): string => `${state.topic}-${state.partition}`;

export function createPartitions(
  store: Store<AppState>,
  controller: Controller,
  onSeek: (partition: PartitionState) => void,
): HTMLElement {
  const parts = new Map<string, RowParts>();
  const bodies = new Map<string, HTMLTableSectionElement>();
  const rows = new Map<string, Map<string, HTMLTableRowElement>>();
  const latest = new Map<string, PartitionState>();

  const createBody = (topic: string): HTMLTableSectionElement =>
    h(
      'tbody',
      {},
      h(
        'tr',
        { class: 'topic-row' },
        h('th', { scope: 'rowgroup', colspan: NUMBERS.length + 2 }, h('i', { class: `dot ${colorOf(topic)}` }), topic),
      ),
    );
  const createRow = (state: PartitionState): HTMLTableRowElement => {
    const key = nameOf(state);
    const title = `${state.topic} partition ${state.partition}`;
    const cell = (name: (typeof NUMBERS)[number]): HTMLElement =>
      h('td', { class: `number ${name}`, 'data-testid': `${name}-${key}` }, '–');
    const cells = {
      start: cell('start'),
      end: cell('end'),
      position: cell('position'),
      lag: cell('lag'),
      committed: cell('committed'),
    };
    const pause = h(
      'button',
      {
        type: 'button',
        class: 'button icon-only small',
        'aria-pressed': 'false',
        'aria-label': `Pause ${title}`,
        title: 'Pause or resume this partition',
        'data-testid': `pause-${key}`,
        onclick: () => controller.setPartitionPaused(state, !(latest.get(key)?.paused ?? false)),
      },
      icon('pause'),
    );
    const seek = h(
      'button',
      {
        type: 'button',
        class: 'button icon-only small',
        'aria-label': `Seek ${title}`,
        title: 'Move this partition',
        'data-testid': `seek-${key}`,
        onclick: () => onSeek(latest.get(key) ?? state),
      },
      icon('seek'),
    );
    const row = h(
      'tr',
      {},
      h('th', { scope: 'row' }, String(state.partition)),
      ...NUMBERS.map((name) => cells[name]),
      h('td', { class: 'row-actions' }, pause, seek),
    );
    parts.set(key, { row, cells, pause });
    return row;
  };

  const table = h(
    'table',
    { class: 'partitions-table' },
    h('caption', { class: 'visually-hidden' }, 'Partitions that this page reads'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col', title: 'Partition' }, '#'),
        ...NUMBERS.map((name) =>
          h('th', { scope: 'col', class: `number ${name}`, title: TITLES[name][1] }, TITLES[name][0]),
        ),
        h('th', { scope: 'col' }, h('span', { class: 'visually-hidden' }, 'Actions')),
      ),
    ),
  );
  const empty = h('p', { class: 'note' }, 'No partitions are being read.');

  store.watch(
    (state) => state.partitions,
    (partitions, { paused }) => {
      empty.hidden = partitions.length > 0;
      table.hidden = partitions.length === 0;
      const byTopic = new Map<string, PartitionState[]>();
      for (const partition of partitions) {
        const others = byTopic.get(partition.topic);
        if (others === undefined) byTopic.set(partition.topic, [partition]);
        else others.push(partition);
      }
      for (const [key] of parts) if (!partitions.some((partition) => nameOf(partition) === key)) parts.delete(key);
      const topics = [...byTopic.keys()].sort();
      // The head stays in front of the bodies.
      reconcileBodies(topics);
      for (const topic of topics) {
        const body = bodies.get(topic);
        if (body === undefined) continue;
        const cache = rows.get(topic) ?? new Map<string, HTMLTableRowElement>();
        rows.set(topic, cache);
        const sorted = (byTopic.get(topic) ?? []).toSorted((a, b) => a.partition - b.partition);
        reconcileRows(body, cache, sorted);
        for (const partition of sorted) update(partition, paused);
      }
    },
  );
  store.watch(
    (state) => state.group,
    (group) => table.classList.toggle('grouped', group !== null),
  );

  function reconcileBodies(topics: readonly string[]): void {
    for (const [topic, body] of bodies) {
      if (topics.includes(topic)) continue;
      body.remove();
      bodies.delete(topic);
      rows.delete(topic);
    }
    let before: Element | null = table.tHead;
    for (const topic of topics) {
      const body = bodies.get(topic) ?? createBody(topic);
      bodies.set(topic, body);
      if (before?.nextElementSibling !== body) before?.after(body);
      before = body;
    }
  }
  function reconcileRows(
    body: HTMLTableSectionElement,
    cache: Map<string, HTMLTableRowElement>,
    partitions: readonly PartitionState[],
  ): void {
    const title = body.firstElementChild;
    if (title === null) return;
    cache.set('', title as HTMLTableRowElement);
    const items = [undefined, ...partitions];
    reconcile(
      body,
      cache,
      items,
      (item) => (item === undefined ? '' : nameOf(item)),
      (item) => (item === undefined ? h('tr') : createRow(item)),
    );
  }
  function update(partition: PartitionState, allPaused: boolean): void {
    const key = nameOf(partition);
    latest.set(key, partition);
    const part = parts.get(key);
    if (part === undefined) return;
    for (const name of NUMBERS) setText(part.cells[name], partition[name] === null ? '–' : String(partition[name]));
    part.row.classList.toggle('paused', partition.paused);
    part.pause.setAttribute('aria-pressed', String(partition.paused));
    part.pause.disabled = allPaused;
    setIcon(part.pause, partition.paused ? 'play' : 'pause');
  }

  return h('div', { class: 'scroll' }, empty, table);
}
