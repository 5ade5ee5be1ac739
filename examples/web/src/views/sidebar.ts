// What to read: topics, where to start, and whether as a member of a group. Every choice takes effect at once and is kept in the URL.
import type { TopicDescription } from 'distributedlog';
import type { AppState } from '../app-state.ts';
import { colorOf } from '../colors.ts';
import type { Controller } from '../controller.ts';
import { h, icon, reconcile, setText } from '../dom.ts';
import { plural } from '../format.ts';
import type { Store } from '../store.ts';
import { formatStart, parseStart, type Start } from '../url-state.ts';

const PRESETS: readonly { readonly value: string; readonly label: string }[] = [
  { value: 'latest', label: 'Live only' },
  { value: '1', label: 'Last minute, then live' },
  { value: '5', label: 'Last 5 minutes, then live' },
  { value: '15', label: 'Last 15 minutes, then live' },
  { value: 'last:500', label: 'Last 500 records, then live' },
  { value: 'earliest', label: 'From the beginning' },
];

export function createSidebar(
  store: Store<AppState>,
  controller: Controller,
  actions: { onSeekAll(): void; onCreateTopic(): void },
): HTMLElement {
  // On a narrow screen the records come first; there this button brings the choices out.
  const summary = h('span', {});
  const toggle = h(
    'button',
    {
      type: 'button',
      class: 'button narrow-only',
      'aria-expanded': 'false',
      onclick: () => {
        const open = element.classList.toggle('open');
        toggle.setAttribute('aria-expanded', String(open));
      },
    },
    summary,
  );
  store.watch(
    (state) => state.reading,
    (reading) =>
      setText(summary, `What to read: ${reading.length === 1 ? reading[0] : plural(reading.length, 'topic')}`),
  );
  const element = h(
    'nav',
    { class: 'sidebar', 'aria-label': 'What to read' },
    toggle,
    topicsPanel(store, controller, actions.onCreateTopic),
    startPanel(store, controller, actions.onSeekAll),
    groupPanel(store, controller),
  );
  return element;
}

function topicsPanel(store: Store<AppState>, controller: Controller, onCreate: () => void): HTMLElement {
  const list = h('ul', { class: 'topics', 'data-testid': 'topics' });
  const items = new Map<string, HTMLLIElement>();
  const find = h('input', {
    type: 'search',
    class: 'field',
    placeholder: 'Find topics',
    'aria-label': 'Find topics by name',
    autocomplete: 'off',
    spellcheck: 'false',
    oninput: () => show(),
  });
  const note = h('p', { class: 'note' });

  const toggle = (name: string, on: boolean): void => {
    const { reading } = store.get();
    controller.chooseTopics(on ? [...reading, name] : reading.filter((topic) => topic !== name));
  };
  const create = (topic: { name: string }): HTMLLIElement => {
    const id = `topic-${topic.name}`;
    const box = h('input', {
      type: 'checkbox',
      id,
      'aria-describedby': `${id}-partitions`,
      onchange: () => toggle(topic.name, box.checked),
    });
    return h(
      'li',
      {},
      box,
      h('label', { for: id, title: topic.name }, h('i', { class: `dot ${colorOf(topic.name)}` }), topic.name),
      h('span', { class: 'partitions', id: `${id}-partitions` }),
    );
  };
  const show = (): void => {
    const { known, reading } = store.get();
    const described = new Map<string, TopicDescription>((known ?? []).map((topic) => [topic.name, topic]));
    // A topic may be chosen before it exists.
    const names = [...new Set([...described.keys(), ...reading])].sort();
    const wanted = find.value.trim().toLowerCase();
    const shown = names.filter((name) => name.toLowerCase().includes(wanted)).map((name) => ({ name }));
    reconcile(list, items, shown, (topic) => topic.name, create);
    for (const { name } of shown) {
      const item = items.get(name);
      const box = item?.querySelector('input');
      if (item === undefined || box == null) continue;
      box.checked = reading.includes(name);
      const partitions = item.querySelector('.partitions');
      const count = described.get(name)?.partitions.length;
      if (partitions !== null) {
        setText(partitions, count === undefined ? '?' : String(count));
        partitions.setAttribute('title', count === undefined ? 'Not there yet' : plural(count, 'partition'));
        partitions.setAttribute('aria-label', count === undefined ? 'not there yet' : plural(count, 'partition'));
      }
    }
    setText(note, known === null ? 'Asking the gateway…' : shown.length === 0 ? 'No topics found.' : '');
    note.hidden = known !== null && shown.length > 0;
  };
  for (const part of ['known', 'reading'] as const) store.watch((state) => state[part], show);

  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'topics-title' },
    h(
      'header',
      {},
      h('h2', { id: 'topics-title' }, 'Topics'),
      h('span', { class: 'spring' }),
      h('button', { type: 'button', class: 'button quiet', onclick: () => controller.chooseTopics([]) }, 'None'),
      h(
        'button',
        { type: 'button', class: 'button quiet', 'aria-label': 'New topic', title: 'New topic', onclick: onCreate },
        icon('plus'),
        'New',
      ),
    ),
    find,
    note,
    list,
  );
}

function startPanel(store: Store<AppState>, controller: Controller, onSeekAll: () => void): HTMLElement {
  const select = h(
    'select',
    {
      class: 'field',
      id: 'start',
      'data-testid': 'start',
      onchange: () =>
        void controller.startFrom(parseStart(select.value)).catch((error: unknown) => controller.report(error)),
    },
    ...PRESETS.map(({ value, label }) => h('option', { value }, label)),
  );
  const again = h(
    'button',
    {
      type: 'button',
      class: 'button',
      onclick: () => void controller.startFrom(store.get().start).catch((error: unknown) => controller.report(error)),
    },
    'Replay',
  );
  const labelOf = (start: Start): string => {
    if (start.kind === 'minutes') return `Last ${start.minutes} minutes, then live`;
    if (start.kind === 'last') return `Last ${start.count} records, then live`;
    return `From ${formatStart(start)}`;
  };
  store.watch(
    (state) => state.start,
    (start) => {
      const value = formatStart(start);
      if (![...select.options].some((option) => option.value === value)) {
        select.append(h('option', { value }, labelOf(start)));
      }
      select.value = value;
    },
  );
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'start-title' },
    h('header', {}, h('h2', { id: 'start-title' }, 'Start')),
    h('label', { class: 'visually-hidden', for: 'start' }, 'Read from'),
    select,
    h(
      'div',
      { class: 'buttons' },
      again,
      h('button', { type: 'button', class: 'button', onclick: onSeekAll }, 'Seek…'),
    ),
  );
}

function groupPanel(store: Store<AppState>, controller: Controller): HTMLElement {
  const input = h('input', {
    class: 'field',
    id: 'group',
    placeholder: 'No group',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: 249,
  });
  const join = h('button', { type: 'submit', class: 'button' }, 'Join');
  const leave = h('button', { type: 'button', class: 'button', onclick: () => controller.chooseGroup(null) }, 'Leave');
  const commit = h(
    'button',
    {
      type: 'button',
      class: 'button',
      'data-testid': 'commit',
      onclick: () => void controller.commit().catch((error: unknown) => controller.report(error)),
    },
    'Commit',
  );
  const note = h('p', { class: 'note' });
  store.watch(
    (state) => state.group,
    (group) => {
      input.value = group ?? '';
      leave.disabled = group === null;
      commit.disabled = group === null;
      setText(
        note,
        group === null
          ? 'With a group, offsets are committed and a reload goes on where it was.'
          : 'Commits every second; a reload goes on from there.',
      );
    },
  );
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'group-title' },
    h('header', {}, h('h2', { id: 'group-title' }, h('label', { for: 'group' }, 'Consumer group'))),
    h(
      'form',
      {
        onsubmit: (event: SubmitEvent) => {
          event.preventDefault();
          const name = input.value.trim();
          controller.chooseGroup(name === '' ? null : name);
        },
      },
      input,
      h('div', { class: 'buttons' }, join, leave, commit),
    ),
    note,
  );
}
