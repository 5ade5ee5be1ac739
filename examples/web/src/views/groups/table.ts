// The picture as a table: the same partitions with all their numbers, for reading, searching and screen readers.
import { h, reconcile, setText } from '../../dom.ts';
import type { MemberRef } from '../../groups/members.ts';
import type { Cell, Picture } from '../../groups/picture.ts';
import type { GroupsModel, GroupsState } from '../../groups/state.ts';
import type { Store } from '../../store.ts';
import { memberChip } from './chip.ts';

interface RowParts {
  readonly row: HTMLTableRowElement;
  readonly owner: HTMLElement;
  readonly next: HTMLElement;
  readonly numbers: readonly HTMLElement[];
  who: string;
}

/** Updated only while it is in sight; `refresh` brings it up to date when it comes there. */
export function createGroupTable(
  groups: Store<GroupsState>,
  model: GroupsModel,
): { readonly element: HTMLElement; refresh(): void } {
  const parts = new Map<string, RowParts>();
  const rows = new Map<string, HTMLTableRowElement>();
  const body = h('tbody', {});
  const column = (name: string, className = ''): HTMLElement => h('th', { scope: 'col', class: className }, name);
  const element = h(
    'table',
    { class: 'partitions-table group-table', 'data-testid': 'group-table' },
    h('caption', { class: 'visually-hidden' }, 'Partitions of the group'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        column('Partition'),
        column('Owner'),
        column('Moving to'),
        column('Committed', 'number'),
        column('End', 'number'),
        column('Lag', 'number'),
      ),
    ),
    body,
  );
  const create = (cell: Cell): HTMLTableRowElement => {
    const owner = h('td', {});
    const next = h('td', {});
    const numbers = [0, 1, 2].map(() => h('td', { class: 'number' }));
    const row = h('tr', {}, h('th', { scope: 'row' }, `${cell.topic} / ${cell.partition}`), owner, next, ...numbers);
    parts.set(cell.key, { row, owner, next, numbers, who: '?' });
    return row;
  };
  const name = (member: MemberRef | null): HTMLElement | string =>
    member === null ? 'nobody' : memberChip(model.colors, member);
  const update = (cell: Cell): void => {
    const part = parts.get(cell.key);
    if (part === undefined) return;
    const { owner, target, moving, kept } = cell;
    const who = [owner?.memberId, owner?.tag, moving ? (target?.memberId ?? '-') : '', kept].join(' ');
    if (who !== part.who) {
      part.who = who;
      part.owner.replaceChildren(name(owner), ...(kept ? [h('span', { class: 'member-badge' }, 'kept')] : []));
      part.next.replaceChildren(...(moving ? [name(target)] : []));
      part.row.classList.toggle('moving', moving);
    }
    for (const [index, value] of [cell.committed, cell.end, cell.lag].entries()) {
      const number = part.numbers[index];
      if (number !== undefined) setText(number, value === null ? '–' : String(value));
    }
  };
  const show = (picture: Picture | null): void => {
    const cells = (picture?.topics ?? []).flatMap((topic) => topic.cells);
    const keys = new Set(cells.map(({ key }) => key));
    for (const key of parts.keys()) if (!keys.has(key)) parts.delete(key);
    reconcile(body, rows, cells, ({ key }) => key, create);
    for (const cell of cells) update(cell);
  };
  groups.watch(
    (state) => state.picture,
    (picture) => {
      if (element.closest('[hidden]') === null) show(picture);
    },
  );
  return { element, refresh: () => show(groups.get().picture) };
}
