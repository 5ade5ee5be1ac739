// The list of keyboard shortcuts, and the switch that turns single-key shortcuts off.
import { h, icon } from '../dom.ts';
import { remembered } from './theme.ts';

const KEY = 'dlog.shortcuts';
const SHORTCUTS: readonly (readonly [readonly string[], string])[] = [
  [['/'], 'Filter'],
  [['P'], 'Pause or resume reading'],
  [['L'], 'Jump to live'],
  [['G'], 'Records or groups'],
  [['T'], 'Change colours'],
  [['?'], 'This list'],
  [['↑', '↓'], 'Move through the records'],
  [['Page Up', 'Page Down'], 'Move by a page'],
  [['Home', 'End'], 'Oldest record; live end'],
  [['Enter'], 'Inspect the record'],
  [['Esc'], 'Close the inspector; clear the filter'],
  [['Ctrl', 'Enter'], 'Send the record, in the produce form'],
];

export interface Help {
  readonly element: HTMLDialogElement;
  open(): void;
  singleKeys(): boolean;
}

export function createHelp(): Help {
  const single = h('input', {
    type: 'checkbox',
    id: 'single-keys',
    onchange: () => remembered.set(KEY, single.checked ? 'on' : 'off'),
  });
  single.checked = remembered.get(KEY) !== 'off';
  const list = h('dl', { class: 'shortcuts' });
  for (const [keys, meaning] of SHORTCUTS) {
    list.append(h('dt', {}, ...keys.map((key) => h('kbd', {}, key))), h('dd', {}, meaning));
  }
  const element = h(
    'dialog',
    { 'aria-labelledby': 'help-title', 'data-testid': 'help-dialog' },
    h(
      'div',
      { class: 'dialog-head' },
      h('h2', { id: 'help-title' }, 'Keyboard shortcuts'),
      h(
        'button',
        { type: 'button', class: 'button icon-only', 'aria-label': 'Close', onclick: () => element.close() },
        icon('close'),
      ),
    ),
    list,
    h('label', { class: 'check', for: single.id }, single, 'Shortcuts of a single letter or sign'),
  );
  return { element, open: () => element.showModal(), singleKeys: () => single.checked };
}
