// Shows notices twice: as short-lived toasts that lie over the page and are read out, and as a history to look back on.
import type { AppState, Notice } from '../app-state.ts';
import { h, icon, setText } from '../dom.ts';
import { formatTime } from '../format.ts';
import type { Store } from '../store.ts';

const TOAST_MS = 6000;
const MAX_TOASTS = 3;

export interface EventsView {
  readonly toasts: HTMLElement;
  readonly history: HTMLElement;
  readonly badge: HTMLElement;
}

export function createEvents(store: Store<AppState>): EventsView {
  // Read out politely and one by one; the history is not a live region, so nothing is said twice.
  const toasts = h('div', {
    class: 'toasts',
    role: 'status',
    'aria-live': 'polite',
    'aria-label': 'Notices',
    'data-testid': 'notices',
  });
  const list = h('ol', { class: 'events', 'data-testid': 'events' });
  const empty = h('p', { class: 'note' }, 'Reconnects, gaps and errors are listed here.');
  const badge = h('span', { class: 'badge' });
  let shown = 0;

  const toast = (notice: Notice): void => {
    const element = h(
      'div',
      { class: 'toast', 'data-tone': notice.tone },
      h('i', { class: 'lamp' }),
      h('span', { class: 'toast-text' }, notice.text),
      h(
        'button',
        { type: 'button', class: 'button icon-only small', 'aria-label': 'Dismiss', onclick: () => remove() },
        icon('close'),
      ),
    );
    const remove = (): void => {
      clearTimeout(timer);
      element.remove();
    };
    let timer = setTimeout(remove, TOAST_MS);
    // It stays while someone reads it.
    element.addEventListener('pointerenter', () => clearTimeout(timer));
    element.addEventListener('pointerleave', () => {
      timer = setTimeout(remove, TOAST_MS);
    });
    toasts.append(element);
    while (toasts.childElementCount > MAX_TOASTS) toasts.firstElementChild?.remove();
  };

  store.watch(
    (state) => state.notices,
    (notices) => {
      const fresh = notices.filter((notice) => notice.id > shown);
      shown = notices.at(-1)?.id ?? shown;
      for (const notice of fresh) {
        list.prepend(
          h(
            'li',
            { 'data-tone': notice.tone },
            h('time', { datetime: new Date(notice.at).toISOString() }, formatTime(notice.at)),
            h('i', { class: 'lamp' }),
            h('span', {}, notice.text),
          ),
        );
      }
      const newest = notices.at(-1);
      const entry = list.firstElementChild;
      if (newest !== undefined && newest.times > 1 && entry !== null) {
        const [time, , text] = entry.children;
        if (time !== undefined) setText(time, formatTime(newest.at));
        if (text !== undefined) setText(text, `${newest.text} (${newest.times} times)`);
      }
      while (list.childElementCount > notices.length) list.lastElementChild?.remove();
      // Of a burst, only the last few are worth a toast.
      for (const notice of fresh.slice(-MAX_TOASTS)) toast(notice);
      empty.hidden = notices.length > 0;
      badge.textContent = notices.length === 0 ? '' : String(notices.length);
    },
  );
  return { toasts, history: h('div', { class: 'scroll' }, empty, list), badge };
}
