// The group view: which groups there are, who owns what in one of them, what happens to it, and this tab as a member. Asks the gateway only while it is in sight.
import '../../styles/group-members.css';
import '../../styles/group-cells.css';
import '../../styles/groups.css';
import type { AppState, OwnRebalance } from '../../app-state.ts';
import type { Controller } from '../../controller.ts';
import { h, setText } from '../../dom.ts';
import { formatCount } from '../../format.ts';
import { GroupsModel, type GroupsState, initialGroups } from '../../groups/state.ts';
import { GroupWatch } from '../../groups/watch.ts';
import { createStore, type Store } from '../../store.ts';
import { createTabs } from '../tabs.ts';
import { createCells } from './cells.ts';
import { createGroupHead } from './head.ts';
import { createHistory } from './history.ts';
import { createGroupList } from './list.ts';
import { createMembers } from './members.ts';
import { createGroupTable } from './table.ts';

const TICK_MS = 1000;

export function createGroups(store: Store<AppState>, controller: Controller): HTMLElement {
  const groups: Store<GroupsState> = createStore(initialGroups(null));
  const model = new GroupsModel(groups, () => store.get().known ?? []);
  const watch = new GroupWatch(controller, {
    onGroups: (list) => {
      model.onGroups(list);
      follow();
    },
    onDescription: (groupId, description) => model.onDescription(groupId, description, Date.now()),
    onProblem: (error) => model.onProblem(error),
  });
  /** The one chosen, else the one this tab is in, else the first that has members. */
  const follow = (): void => {
    const { shown, group } = store.get();
    const known = groups.get().groups ?? [];
    const first = known.find(({ members }) => members > 0) ?? known[0];
    const current = groups.get().shown;
    const stays = known.some(({ groupId }) => groupId === current) ? current : null;
    const next = shown ?? group ?? stays ?? first?.groupId ?? null;
    model.show(next);
    watch.show(next);
  };
  for (const part of ['shown', 'group'] as const) store.watch((state) => state[part], follow);

  let active = false;
  const attend = (): void => {
    const now = store.get().view === 'groups' && !document.hidden;
    if (now === active) return;
    active = now;
    watch.setActive(active);
    if (!active) model.pause(Date.now());
  };
  store.watch((state) => state.view, attend);
  document.addEventListener('visibilitychange', attend);

  let told: OwnRebalance | undefined;
  store.watch(
    (state) => state.rebalances,
    (rebalances) => {
      const from = told === undefined ? 0 : rebalances.indexOf(told) + 1;
      for (const { groupId, at, event } of rebalances.slice(from)) {
        if (groupId === groups.get().shown) model.onRebalance(event, at);
      }
      told = rebalances.at(-1);
    },
  );

  const show = (groupId: string): void => store.set({ shown: groupId });
  const list = createGroupList(store, groups, {
    onShow: show,
    onCreate: (groupId) => {
      show(groupId);
      controller.joinGroup(groupId, store.get().reading);
    },
  });
  const head = createGroupHead(store, groups, model, controller);
  const history = createHistory(groups, model);
  const members = createMembers(store, groups, model, (memberId) => cells.pick(memberId));
  const cells = createCells(store, groups, model, (memberId) => members.toggle(memberId));
  const table = createGroupTable(groups, model);
  const scale = h('span', {});
  groups.watch(
    (state) => Math.max(999, state.picture?.maxLag ?? 0),
    (full) => setText(scale, `Bar: lag, full at ${formatCount(full)}, by orders of magnitude`),
  );
  const tabs = createTabs(
    'Who owns what',
    [
      {
        id: 'group-picture',
        label: 'Who owns what',
        panel: h(
          'div',
          { class: 'scroll ownership' },
          members.element,
          cells.element,
          h(
            'p',
            { class: 'cell-legend', 'aria-hidden': 'true' },
            h('span', {}, h('i', { class: 'key moving' }), 'moving'),
            h('span', {}, h('i', { class: 'key kept' }), 'connection lost, kept'),
            h('span', {}, h('i', { class: 'key free' }), 'owned by nobody'),
            scale,
          ),
        ),
      },
      { id: 'group-table', label: 'Table', panel: h('div', { class: 'scroll' }, table.element) },
    ],
    (id) => {
      if (id === 'group-table') table.refresh();
    },
  );

  const tick = (): void => {
    if (!active) return;
    const now = Date.now();
    head.tick(now);
    history.tick(now);
  };
  setInterval(tick, TICK_MS);
  groups.watch(
    (state) => state.picture,
    () => history.tick(Date.now()),
  );

  return h(
    'div',
    { class: 'app groups-app' },
    list,
    h(
      'main',
      { id: 'groups', tabindex: -1, 'aria-label': 'Consumer groups' },
      head.element,
      h('div', { class: 'work' }, tabs.element, h('div', { class: 'aside' }, history.element)),
    ),
  );
}
