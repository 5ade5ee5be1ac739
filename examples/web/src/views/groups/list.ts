// The groups there are, to pick one, and a field to make a new one by joining it.
import type { AppState } from '../../app-state.ts';
import { h, reconcile, setText } from '../../dom.ts';
import { formatCount, plural } from '../../format.ts';
import type { GroupRow, GroupsState } from '../../groups/state.ts';
import type { Store } from '../../store.ts';

export const STATE_TONES: Record<GroupRow['state'], string> = {
  Stable: 'good',
  Assigning: 'busy',
  Reconciling: 'warning',
  Empty: 'idle',
  Dead: 'bad',
};

export function createGroupList(
  store: Store<AppState>,
  groups: Store<GroupsState>,
  actions: { onShow(groupId: string): void; onCreate(groupId: string): void },
): HTMLElement {
  const list = h('ul', { class: 'group-list', 'data-testid': 'groups' });
  const items = new Map<string, HTMLLIElement>();
  const note = h('p', { class: 'note' });
  const create = ({ groupId }: GroupRow): HTMLLIElement =>
    h(
      'li',
      {},
      h(
        'button',
        { type: 'button', class: 'group-item', title: groupId, onclick: () => actions.onShow(groupId) },
        h('span', { class: 'group-name' }, groupId),
        h(
          'span',
          { class: 'group-facts' },
          h('i', { class: 'lamp' }),
          h('span', { class: 'group-fact' }),
          h('span', { class: 'member-badge' }),
        ),
        h('span', { class: 'group-lag' }),
      ),
    );
  const show = (): void => {
    const { groups: known, shown } = groups.get();
    const joined = store.get().group;
    const rows = known ?? [];
    reconcile(list, items, rows, ({ groupId }) => groupId, create);
    for (const { groupId, state, members, lag } of rows) {
      const button = items.get(groupId)?.firstElementChild;
      const [, facts, lags] = button?.children ?? [];
      const [, text, badge] = facts?.children ?? [];
      if (!(button instanceof HTMLElement) || lags === undefined || text === undefined || badge === undefined) continue;
      button.dataset.tone = STATE_TONES[state];
      if (groupId === shown) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      setText(text, `${state} · ${plural(members, 'member')}`);
      setText(badge, groupId === joined ? 'this tab' : '');
      setText(lags, lag === null ? '' : `lag ${formatCount(lag)}`);
    }
    setText(note, known === null ? 'Asking the gateway…' : 'No groups yet. Join one to make it.');
    note.hidden = known !== null && rows.length > 0;
  };
  for (const part of ['groups', 'shown'] as const) groups.watch((state) => state[part], show);
  store.watch((state) => state.group, show);

  const name = h('input', {
    class: 'field',
    id: 'new-group',
    required: true,
    maxlength: 255,
    placeholder: 'Name of the group',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const toggleText = h('span', {});
  const toggle = h(
    'button',
    {
      type: 'button',
      class: 'button narrow-only',
      'aria-expanded': 'false',
      onclick: () => toggle.setAttribute('aria-expanded', String(element.classList.toggle('open'))),
    },
    toggleText,
  );
  groups.watch(
    (state) => state.shown,
    (shown) => setText(toggleText, `Groups: ${shown ?? 'none'}`),
  );
  const element = h(
    'nav',
    { class: 'sidebar', 'aria-label': 'Groups' },
    toggle,
    h(
      'section',
      { class: 'panel', 'aria-labelledby': 'groups-title' },
      h('header', {}, h('h2', { id: 'groups-title' }, 'Consumer groups')),
      note,
      list,
    ),
    h(
      'section',
      { class: 'panel', 'aria-labelledby': 'new-group-title' },
      h('header', {}, h('h2', { id: 'new-group-title' }, h('label', { for: name.id }, 'New group'))),
      h(
        'form',
        {
          onsubmit: (event: SubmitEvent) => {
            event.preventDefault();
            const groupId = name.value.trim();
            if (groupId === '') return;
            name.value = '';
            actions.onCreate(groupId);
          },
        },
        name,
        h('div', { class: 'buttons' }, h('button', { type: 'submit', class: 'button' }, 'Create and join')),
      ),
      h('p', { class: 'note' }, 'This tab becomes its first member. Open the page in more tabs to share the work.'),
    ),
  );
  return element;
}
