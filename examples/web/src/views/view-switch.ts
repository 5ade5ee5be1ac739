// Links to the views of the page: a click stays on the page, a new tab opens it there.
import type { AppState } from '../app-state.ts';
import { h } from '../dom.ts';
import type { Store } from '../store.ts';
import { formatChoice, VIEWS, type ViewName } from '../url-state.ts';

const LABELS: Record<ViewName, string> = { records: 'Records', groups: 'Groups' };

export function createViewSwitch(store: Store<AppState>): HTMLElement {
  const links = VIEWS.map((view) => {
    const link = h(
      'a',
      {
        class: 'view-link',
        href: '?',
        onclick: (event: MouseEvent) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
          event.preventDefault();
          store.set({ view });
        },
      },
      LABELS[view],
    );
    return { view, link };
  });
  store.watch(
    (state) => state.view,
    (current) => {
      for (const { view, link } of links) {
        if (view === current) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
    },
  );
  store.watch(
    (state) => formatChoice({ ...state, view: 'records' }),
    (_, state) => {
      for (const { view, link } of links) link.href = formatChoice({ ...state, view }) || location.pathname;
    },
  );
  return h('nav', { class: 'view-switch', 'aria-label': 'Views' }, ...links.map(({ link }) => link));
}
