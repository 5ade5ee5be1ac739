// The records panel: its toolbar (pause, filter, follow, reading speed, clear) around the table, and what it says when it is empty.
import type { AppState } from '../app-state.ts';
import type { Controller, Row } from '../controller.ts';
import { h, icon, setIcon, setNumber, setText } from '../dom.ts';
import { compileFilter } from '../filter.ts';
import { formatCount } from '../format.ts';
import type { Store } from '../store.ts';
import { describeStart, RATES } from '../url-state.ts';
import { RecordTable, type TableState } from './table.ts';

const FILTER_DELAY_MS = 120;

export interface RecordsView {
  readonly element: HTMLElement;
  readonly table: RecordTable;
  togglePause(): void;
  focusFilter(): void;
}

export function createRecords(
  store: Store<AppState>,
  controller: Controller,
  handlers: { onOpen(record: Row, keyboard: boolean): void; onActive(record: Row): void },
): RecordsView {
  const table = new RecordTable(controller.rows, { ...handlers, onState: (state) => showState(state) });
  controller.onRows(() => table.invalidate());

  const pauseLabel = h('span', {}, 'Pause');
  const pause = h(
    'button',
    { type: 'button', class: 'button pause', 'data-testid': 'pause', onclick: () => togglePause() },
    icon('pause'),
    pauseLabel,
  );
  const togglePause = (): void => controller.setPaused(!store.get().paused);

  const filter = h('input', {
    type: 'search',
    class: 'field',
    id: 'filter',
    placeholder: 'Filter key, value or topic',
    'aria-label': 'Filter records by key, value or topic',
    'aria-describedby': 'filter-count',
    autocomplete: 'off',
    spellcheck: 'false',
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => store.set({ filter: filter.value }), FILTER_DELAY_MS);
    },
    onkeydown: (event: KeyboardEvent) => {
      if (event.key === 'Escape' && filter.value !== '') {
        event.stopPropagation();
        filter.value = '';
        store.set({ filter: '' });
      }
    },
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  filter.value = store.get().filter;

  const matched = h('data', { 'data-testid': 'match-count' });
  const held = h('data', { 'data-testid': 'row-count' });
  const between = h('span', {}, '');
  const count = h('span', { class: 'count', id: 'filter-count' }, matched, between, held, ' records');

  const rate = h(
    'select',
    {
      class: 'field',
      id: 'rate',
      'data-testid': 'rate',
      'aria-label': 'Reading speed',
      title: 'Reading speed: a slow reader shows that the buffer keeps its bound',
      onchange: () => controller.setRate(rate.value === '' ? null : Number(rate.value)),
    },
    h('option', { value: '' }, 'Full speed'),
    ...RATES.map((value) => h('option', { value }, `${value} per s`)),
  );
  const clear = h('button', { type: 'button', class: 'button quiet', onclick: () => controller.clearRows() }, 'Clear');

  const jumpLabel = h('span', {}, 'Jump to live');
  const jump = h(
    'button',
    { type: 'button', class: 'button primary jump', 'data-testid': 'jump-to-live', onclick: () => jumpToLive() },
    icon('down'),
    jumpLabel,
  );
  const behind = h('span', { class: 'behind' });
  const jumpToLive = (): void => {
    table.follow();
    table.element.focus({ preventScroll: true });
  };

  const emptyTitle = h('strong');
  const emptyText = h('span');
  const empty = h('div', { class: 'empty' }, emptyTitle, emptyText);
  const failure = h('div', { class: 'failure', role: 'alert', 'data-testid': 'failure', hidden: true });

  const showState = (state: TableState): void => {
    const filtered = store.get().filter.trim() !== '';
    setNumber(matched, state.shown);
    setNumber(held, state.total);
    setText(between, filtered ? (state.pending > 0 ? ' found so far in ' : ' found in ') : ' of ');
    matched.hidden = !filtered;
    between.hidden = !filtered;
    // One button, two states, one width: nothing beside it moves.
    jump.disabled = state.following;
    setText(jumpLabel, state.following ? 'Following' : 'Jump to live');
    setText(behind, state.behind > 0 ? `${formatCount(state.behind)} new` : '');
    showEmpty(state.shown === 0, filtered);
  };
  const showEmpty = (none: boolean, filtered: boolean): void => {
    empty.classList.toggle('visible', none && store.get().failure === null);
    if (!none) return;
    const { reading, start, known, paused, status } = store.get();
    if (reading.length === 0) {
      setText(emptyTitle, known !== null && known.length === 0 ? 'The log has no topics yet' : 'No topics chosen');
      setText(
        emptyText,
        known !== null && known.length === 0 ? 'Create one, or produce a record.' : 'Choose topics to read.',
      );
    } else if (status?.type !== 'live') {
      setText(emptyTitle, 'Connecting to the gateway');
      setText(emptyText, 'Records appear as soon as it answers.');
    } else if (filtered) {
      setText(emptyTitle, 'Nothing matches the filter');
      setText(emptyText, 'New records that match appear here.');
    } else {
      setText(emptyTitle, paused ? 'Paused' : 'Waiting for records');
      setText(
        emptyText,
        `Reading ${reading.length === 1 ? reading[0] : `${reading.length} topics`} from ${describeStart(start)}.`,
      );
    }
  };

  store.watch(
    (state) => state.paused,
    (paused) => {
      setIcon(pause, paused ? 'play' : 'pause');
      setText(pauseLabel, paused ? 'Resume' : 'Pause');
      pause.classList.toggle('on', paused);
      table.invalidate();
    },
  );
  store.watch(
    (state) => state.filter,
    (text) => table.setFilter(compileFilter(text)),
  );
  store.watch(
    (state) => state.rate,
    (value) => {
      const text = value === null ? '' : String(value);
      if (![...rate.options].some((option) => option.value === text)) {
        rate.append(h('option', { value: text }, `${text} per s`));
      }
      rate.value = text;
    },
  );
  for (const part of ['reading', 'status', 'known', 'start'] as const) {
    store.watch(
      (state) => state[part],
      () => table.invalidate(),
    );
  }
  store.watch(
    (state) => state.failure,
    (problem) => {
      failure.hidden = problem === null;
      table.invalidate();
      if (problem === null) return;
      failure.replaceChildren(
        h('strong', {}, problem.title),
        h('p', {}, problem.advice),
        h('code', {}, problem.detail),
        h(
          'div',
          { class: 'actions' },
          ...problem.actions.map((action) =>
            h('button', { type: 'button', class: 'button', onclick: action.run }, action.label),
          ),
        ),
      );
    },
  );

  const element = h(
    'section',
    { class: 'panel records', 'aria-labelledby': 'records-title' },
    h(
      'header',
      { class: 'toolbar' },
      h('h2', { id: 'records-title' }, 'Records'),
      pause,
      h('div', { class: 'search' }, icon('search'), filter),
      h('span', { class: 'spring' }),
      rate,
      clear,
    ),
    h('div', { class: 'table-frame' }, table.element, empty, failure),
    h('footer', {}, count, h('span', { class: 'spring' }), behind, jump),
  );
  return { element, table, togglePause, focusFilter: () => filter.focus() };
}
