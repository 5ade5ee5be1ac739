// What happened to the group: how its partitions were shared out over the last minutes, and the list of changes, newest first.
import { h, setText } from '../../dom.ts';
import { formatTime, plural } from '../../format.ts';
import { type GroupEvent, type GroupsModel, type GroupsState, HISTORY_MS } from '../../groups/state.ts';
import type { Store } from '../../store.ts';
import { memberChip, ownerClass } from './chip.ts';

const WIDTH = 600;
const HEIGHT = 100;
const SVG = 'http://www.w3.org/2000/svg';

export function createHistory(
  groups: Store<GroupsState>,
  model: GroupsModel,
): { readonly element: HTMLElement; tick(now: number): void } {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const bands = new Map<string, SVGPathElement>();
  const marks = h('div', { class: 'share-marks', 'aria-hidden': 'true' });
  const list = h('ol', { class: 'events group-events', 'data-testid': 'group-events' });
  const empty = h(
    'p',
    { class: 'note' },
    'Members that come and go, and partitions that change hands, are listed here.',
  );
  // Read out politely; the list is not a live region, so nothing is said twice.
  const spoken = h('p', { class: 'visually-hidden', role: 'status', 'aria-label': 'Changes of the group' });
  const shownIds: number[] = [];

  const entry = (event: GroupEvent): HTMLLIElement =>
    h(
      'li',
      { 'data-tone': event.tone },
      h('time', { datetime: new Date(event.at).toISOString() }, formatTime(event.at).slice(0, 8)),
      h('i', { class: 'lamp' }),
      h(
        'span',
        {},
        ...(event.own ? [h('span', { class: 'member-badge' }, 'this tab'), ' '] : []),
        ...event.parts.map((part) => (typeof part === 'string' ? part : memberChip(model.colors, part))),
      ),
    );
  const sentence = (event: GroupEvent): string =>
    event.parts.map((part) => (typeof part === 'string' ? part : `${part.name} ${part.tag}`)).join('');

  groups.watch(
    (state) => state.events,
    (events) => {
      const last = shownIds[0] ?? 0;
      const first = events[0]?.id ?? Number.POSITIVE_INFINITY;
      while (shownIds.length > 0 && (shownIds.at(-1) ?? 0) < first) {
        shownIds.pop();
        list.lastElementChild?.remove();
      }
      const fresh = events.filter(({ id }) => id > last);
      for (const event of fresh) {
        shownIds.unshift(event.id);
        list.prepend(entry(event));
      }
      empty.hidden = events.length > 0;
      if (fresh.length > 0) setText(spoken, fresh.slice(-4).map(sentence).join('. '));
    },
  );

  const tick = (now: number): void => {
    const current = model.shares.bands(now, WIDTH, HEIGHT);
    const ids = new Set(current.map(({ id }) => id));
    for (const [id, path] of bands) {
      if (ids.has(id)) continue;
      path.remove();
      bands.delete(id);
    }
    for (const { id, path } of current) {
      let band = bands.get(id);
      if (band === undefined) {
        band = document.createElementNS(SVG, 'path');
        bands.set(id, band);
        svg.append(band);
      }
      band.setAttribute('class', ownerClass(model.colors, id));
      if (band.getAttribute('d') !== path) band.setAttribute('d', path);
    }
    const { events } = groups.get();
    const seen = events.filter(({ at, own, tone }) => !own && tone !== 'info' && now - at < HISTORY_MS).slice(-60);
    while (marks.childElementCount < seen.length) marks.append(h('i', {}));
    while (marks.childElementCount > seen.length) marks.lastElementChild?.remove();
    for (const [index, { at, tone }] of seen.entries()) {
      const mark = marks.children[index];
      if (!(mark instanceof HTMLElement)) continue;
      mark.dataset.tone = tone;
      mark.style.left = `${(100 * (1 - (now - at) / HISTORY_MS)).toFixed(2)}%`;
    }
  };

  const element = h(
    'section',
    { class: 'panel', 'aria-labelledby': 'history-title' },
    h('header', {}, h('h2', { id: 'history-title' }, 'Rebalances')),
    h(
      'figure',
      { class: 'shares' },
      h('div', { class: 'share-bands' }, svg, marks),
      h(
        'figcaption',
        {},
        h('span', {}, `${plural(HISTORY_MS / 60_000, 'minute')} ago`),
        h('span', {}, 'shares of the members'),
        h('span', {}, 'now'),
      ),
    ),
    h('div', { class: 'scroll' }, empty, list),
    spoken,
  );
  return { element, tick };
}
