// Panels that share one place, chosen by tabs as the ARIA practices have them: arrows move, one tab stop.
import { h } from '../dom.ts';

export interface Tab {
  readonly id: string;
  readonly label: string;
  readonly panel: HTMLElement;
  /** Shown after the label. */
  readonly badge?: HTMLElement | undefined;
}

/** `onSelect` is called after each change. */
export function createTabs(
  label: string,
  tabs: readonly Tab[],
  onSelect: (id: string) => void = () => undefined,
): { element: HTMLElement; select(id: string): void } {
  let selected = tabs[0]?.id ?? '';
  const buttons = tabs.map((tab) =>
    h(
      'button',
      {
        type: 'button',
        role: 'tab',
        class: 'tab',
        id: `tab-${tab.id}`,
        'aria-controls': `panel-${tab.id}`,
        onclick: () => select(tab.id),
      },
      tab.label,
      tab.badge ?? null,
    ),
  );
  const panels = tabs.map((tab) =>
    h(
      'div',
      { role: 'tabpanel', class: 'tab-panel', id: `panel-${tab.id}`, 'aria-labelledby': `tab-${tab.id}` },
      tab.panel,
    ),
  );
  const list = h(
    'div',
    {
      role: 'tablist',
      class: 'tabs',
      'aria-label': label,
      onkeydown: (event: KeyboardEvent) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) return;
        const current = buttons.findIndex((button) => button.ariaSelected === 'true');
        const next = (current + step + tabs.length) % tabs.length;
        select(tabs[next]?.id ?? '');
        buttons[next]?.focus();
        event.preventDefault();
      },
    },
    ...buttons,
  );
  const select = (id: string): void => {
    for (const [index, tab] of tabs.entries()) {
      const chosen = tab.id === id;
      const button = buttons[index];
      const panel = panels[index];
      if (button === undefined || panel === undefined) continue;
      button.setAttribute('aria-selected', String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      panel.hidden = !chosen;
    }
    if (id !== selected) {
      selected = id;
      onSelect(id);
    }
  };
  select(selected);
  return {
    element: h('section', { class: 'panel side', 'aria-label': label }, list, ...panels),
    select,
  };
}
