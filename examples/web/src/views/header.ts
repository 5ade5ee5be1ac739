// The bar at the top: name, connection, totals, and the buttons that concern the whole page.
import { type AppState, MAX_BUFFERED_BYTES } from '../app-state.ts';
import { h, icon, setNumber, setText } from '../dom.ts';
import { formatBytes } from '../format.ts';
import type { Store } from '../store.ts';
import { createStatus } from './status.ts';
import { createViewSwitch } from './view-switch.ts';

export function createHeader(store: Store<AppState>, actions: { theme: HTMLElement; onHelp(): void }): HTMLElement {
  const number = (testId: string): HTMLDataElement => h('data', { 'data-testid': testId, value: '0' }, '0');
  const records = number('records-total');
  const repeated = number('repeated-total');
  const skipped = number('skipped-total');
  const buffered = h('data', { 'data-testid': 'buffered-bytes', value: '0' }, '0 B');
  const meter = h('span', { class: 'meter-fill' });
  store.watch(
    (state) => state.totals,
    (totals) => {
      setNumber(records, totals.records);
      setNumber(repeated, totals.repeated);
      setNumber(skipped, totals.skipped);
      buffered.value = String(totals.bufferedBytes);
      setText(buffered, formatBytes(totals.bufferedBytes));
      meter.style.transform = `scaleX(${Math.min(1, totals.bufferedBytes / MAX_BUFFERED_BYTES).toFixed(3)})`;
    },
  );
  const stat = (label: string, title: string, ...content: (Node | string)[]): HTMLElement =>
    h('div', { class: 'stat', title }, h('dt', {}, label), h('dd', {}, ...content));
  const bufferStat = stat(
    'Buffered',
    'What the client holds and the page has not read yet. However slowly the page reads, it stays within this bound.',
    buffered,
    h('span', { class: 'of' }, ` of ${formatBytes(MAX_BUFFERED_BYTES)}`),
    h('span', { class: 'meter', 'aria-hidden': 'true' }, meter),
  );
  bufferStat.classList.add('buffer');

  return h(
    'header',
    { class: 'topbar' },
    h(
      'h1',
      {},
      h('span', { class: 'mark', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
      h('span', { class: 'name' }, 'DistributedLog'),
    ),
    createViewSwitch(store),
    createStatus(store),
    h(
      'dl',
      { class: 'stats', 'aria-label': 'Totals' },
      stat('Records', 'Records this page has read', records),
      stat('Repeated', 'Records whose offset this page had read before: a reconnect must not cause any', repeated),
      stat('Skipped', 'Offsets passed over: by compaction, transactions or retention', skipped),
      bufferStat,
    ),
    h(
      'div',
      { class: 'topbar-actions' },
      actions.theme,
      h(
        'button',
        {
          type: 'button',
          class: 'button icon-only',
          'aria-label': 'Keyboard shortcuts',
          title: 'Keyboard shortcuts (?)',
          onclick: () => actions.onHelp(),
        },
        icon('help'),
      ),
    ),
  );
}
