// The picture of who owns what: a cell for every partition in the colour of its owner. One tab stop; arrows move through the cells.
import type { AppState } from '../../app-state.ts';
import { h, icon, reconcile, setText } from '../../dom.ts';
import { formatCount, plural } from '../../format.ts';
import { type Cell, cellLabel, cellSize, lagDepth, type Picture } from '../../groups/picture.ts';
import type { GroupsModel, GroupsState } from '../../groups/state.ts';
import type { Store } from '../../store.ts';
import { memberChip, nextClass, ownerClass } from './chip.ts';

interface CellParts {
  readonly button: HTMLButtonElement;
  readonly tag: HTMLElement;
  readonly lag: HTMLElement;
  readonly depth: HTMLElement;
  cell: Cell;
  look: string;
  fill: string;
}

export interface CellsView {
  readonly element: HTMLElement;
  /** Picks out what this member owns or will own; null: nothing. */
  pick(memberId: string | null): void;
}

export function createCells(
  store: Store<AppState>,
  groups: Store<GroupsState>,
  model: GroupsModel,
  onChoose: (memberId: string) => void,
): CellsView {
  const sections = new Map<string, HTMLElement>();
  const elements = new Map<string, Map<string, HTMLButtonElement>>();
  const parts = new Map<string, CellParts>();
  const tip = h('div', { class: 'cell-tip', 'aria-hidden': 'true', hidden: true });
  const element = h('div', { class: 'cells', role: 'group', 'aria-label': 'Partitions', 'data-testid': 'cells' });
  const holder = h('div', { class: 'cells-holder' }, element, tip);
  let picked: string | null = null;
  let stop: string | undefined;
  let tipped: string | undefined;

  const create = (cell: Cell): HTMLButtonElement => {
    const tag = h('span', { class: 'cell-tag' });
    const lag = h('span', { class: 'cell-lag' });
    const depth = h('i', {});
    const button = h(
      'button',
      { type: 'button', class: 'cell-box', tabindex: -1, 'data-key': cell.key, 'data-testid': `cell-${cell.key}` },
      h('span', { class: 'cell-next', 'aria-hidden': 'true' }, icon('send')),
      h('span', { class: 'cell-number' }, String(cell.partition)),
      tag,
      lag,
      h('span', { class: 'cell-depth', 'aria-hidden': 'true' }, depth),
    );
    parts.set(cell.key, { button, tag, lag, depth, cell, look: '', fill: '' });
    return button;
  };
  const createSection = (name: string): HTMLElement =>
    h(
      'section',
      { class: 'cell-topic', role: 'group', 'aria-label': name },
      h('h3', {}, h('span', { class: 'cell-topic-name' }, name), h('span', { class: 'cell-topic-facts' })),
      h('div', { class: 'cell-grid' }),
    );

  const update = (cell: Cell, maxLag: number, own: string | undefined): void => {
    const part = parts.get(cell.key);
    if (part === undefined) return;
    const { button } = part;
    part.cell = cell;
    const { owner, target, moving, kept } = cell;
    const mine = owner !== null && owner.memberId === own;
    const look = [
      'cell-box',
      owner === null ? 'free' : ownerClass(model.colors, owner.memberId),
      moving ? 'moving' : '',
      moving && target !== null ? nextClass(model.colors, target.memberId) : '',
      kept ? 'kept' : '',
      mine ? 'own' : '',
    ].join(' ');
    if (look !== part.look) {
      const before = part.look;
      part.look = look;
      button.className = look;
      const changed = button.dataset.owner !== (owner?.memberId ?? '');
      button.dataset.owner = owner?.memberId ?? '';
      button.dataset.target = target?.memberId ?? '';
      setText(part.tag, owner?.tag ?? 'free');
      if (changed && before !== '' && element.dataset.size !== 'small') button.classList.add('arrived');
    }
    button.classList.toggle('aside-of-it', !concerns(cell));
    const depth = lagDepth(cell.lag, maxLag).toFixed(3);
    const lag = cell.lag === null ? '–' : formatCount(cell.lag);
    const fill = `${depth} ${lag} ${look}`;
    if (fill === part.fill) return;
    part.fill = fill;
    part.depth.style.transform = `scaleX(${depth})`;
    setText(part.lag, lag);
    button.setAttribute('aria-label', cellLabel(cell));
  };
  const concerns = ({ owner, target }: Cell): boolean =>
    picked === null || owner?.memberId === picked || target?.memberId === picked;

  const show = (picture: Picture | null): void => {
    const topics = picture?.topics ?? [];
    const own = store.get().membership?.memberId;
    element.dataset.size = cellSize(picture?.partitions ?? 0);
    reconcile(
      element,
      sections,
      topics,
      ({ name }) => name,
      ({ name }) => createSection(name),
    );
    for (const name of elements.keys()) if (!sections.has(name)) elements.delete(name);
    const keys = new Set<string>();
    for (const { name, cells } of topics) {
      const section = sections.get(name);
      const grid = section?.querySelector('.cell-grid');
      const facts = section?.querySelector('.cell-topic-facts');
      if (section === undefined || grid == null || facts == null) continue;
      const cache = elements.get(name) ?? new Map<string, HTMLButtonElement>();
      elements.set(name, cache);
      reconcile(grid, cache, cells, ({ key }) => key, create);
      section.style.setProperty('--n', String(cells.length));
      let lag = 0;
      for (const cell of cells) {
        keys.add(cell.key);
        lag += cell.lag ?? 0;
        update(cell, picture?.maxLag ?? 0, own);
      }
      setText(facts, `${plural(cells.length, 'partition')} · lag ${formatCount(lag)}`);
    }
    for (const key of parts.keys()) if (!keys.has(key)) parts.delete(key);
    if (stop === undefined || !parts.has(stop)) setStop(topics[0]?.cells[0]?.key);
    if (tipped !== undefined) fillTip();
  };

  const setStop = (key: string | undefined): void => {
    if (stop !== undefined) parts.get(stop)?.button.setAttribute('tabindex', '-1');
    stop = key;
    if (stop !== undefined) parts.get(stop)?.button.setAttribute('tabindex', '0');
  };
  const keyAt = (target: EventTarget | null): string | undefined => {
    const button = target instanceof Element ? target.closest<HTMLElement>('.cell-box') : null;
    return button?.dataset.key;
  };

  // What a cell cannot show in its size is said beside it, for as long as it is pointed at or has the focus.
  const fillTip = (): void => {
    const part = tipped === undefined ? undefined : parts.get(tipped);
    tip.hidden = part === undefined;
    if (part === undefined) return;
    const { cell, button } = part;
    const line = (label: string, value: Node | string): HTMLElement =>
      h('div', {}, h('span', {}, label), h('span', {}, value));
    const who = cell.owner === null ? 'nobody' : memberChip(model.colors, cell.owner);
    tip.replaceChildren(
      h('strong', {}, `${cell.topic} / ${cell.partition}`),
      line('Owner', who),
      ...(cell.kept ? [line('', 'connection lost, kept')] : []),
      ...(cell.moving
        ? [line('Moving to', cell.target === null ? 'nobody' : memberChip(model.colors, cell.target))]
        : []),
      line('Committed', cell.committed === null ? 'nothing' : String(cell.committed)),
      line('End', cell.end === null ? '–' : String(cell.end)),
      line('Lag', cell.lag === null ? '–' : String(cell.lag)),
    );
    // Above the cell where there is room, else below; never out of sight at the sides.
    const box = button.getBoundingClientRect();
    const frame = holder.getBoundingClientRect();
    const left = Math.max(0, Math.min(box.left - frame.left, frame.width - tip.offsetWidth));
    const above = box.top - frame.top - tip.offsetHeight - 6;
    const visible = (holder.closest('.scroll')?.getBoundingClientRect().top ?? 0) - frame.top;
    tip.style.left = `${left}px`;
    tip.style.top = `${above >= visible ? above : box.bottom - frame.top + 6}px`;
  };
  const showTip = (event: Event): void => {
    const key = keyAt(event.target);
    if (key === tipped) return;
    tipped = key;
    fillTip();
  };
  element.addEventListener('pointerover', showTip);
  element.addEventListener('pointerleave', () => {
    tipped = keyAt(document.activeElement?.matches(':focus-visible') === true ? document.activeElement : null);
    fillTip();
  });
  element.addEventListener('focusin', (event) => {
    setStop(keyAt(event.target));
    showTip(event);
  });
  element.addEventListener('focusout', () => {
    tipped = undefined;
    fillTip();
  });
  element.addEventListener('click', (event) => {
    const owner = parts.get(keyAt(event.target) ?? '')?.cell.owner;
    if (owner != null) onChoose(owner.memberId);
  });
  element.addEventListener('animationend', (event) => {
    if (event.animationName === 'cell-arrive' && event.target instanceof Element) {
      event.target.classList.remove('arrived');
    }
  });
  element.addEventListener('keydown', (event) => {
    const from = stop === undefined ? undefined : parts.get(stop)?.button;
    if (from === undefined) return;
    if (event.key === 'Escape' && tipped !== undefined) {
      tipped = undefined;
      fillTip();
      return;
    }
    const to = neighbour(from, [...element.querySelectorAll<HTMLButtonElement>('.cell-box')], event.key);
    if (to === undefined) return;
    event.preventDefault();
    to.focus();
  });

  groups.watch((state) => state.picture, show);
  store.watch(
    (state) => state.membership,
    () => show(groups.get().picture),
  );
  return {
    element: holder,
    pick(memberId) {
      if (memberId === picked) return;
      picked = memberId;
      for (const { button, cell } of parts.values()) button.classList.toggle('aside-of-it', !concerns(cell));
    },
  };
}

/** Left and right in the order of the cells; up and down to the nearest in the next row. */
function neighbour(
  from: HTMLButtonElement,
  all: readonly HTMLButtonElement[],
  key: string,
): HTMLButtonElement | undefined {
  const index = all.indexOf(from);
  switch (key) {
    case 'ArrowLeft':
      return all[index - 1];
    case 'ArrowRight':
      return all[index + 1];
    case 'Home':
      return all[0];
    case 'End':
      return all.at(-1);
    case 'ArrowUp':
    case 'ArrowDown': {
      const here = from.getBoundingClientRect();
      const down = key === 'ArrowDown';
      let best: { button: HTMLButtonElement; rows: number; columns: number } | undefined;
      for (const button of down ? all.slice(index + 1) : all.slice(0, index).reverse()) {
        const box = button.getBoundingClientRect();
        const rows = Math.abs(box.top - here.top);
        if (rows < 2) continue;
        const columns = Math.abs(box.left - here.left);
        if (best !== undefined && rows > best.rows + 2) break;
        if (best === undefined || columns < best.columns) best = { button, rows, columns };
      }
      return best?.button;
    }
    default:
      return undefined;
  }
}
