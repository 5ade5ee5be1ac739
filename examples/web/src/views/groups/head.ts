// The group that is looked at, in a line of numbers, and this tab's part in it: join, share, speed, leave.
import type { AppState } from '../../app-state.ts';
import type { Controller } from '../../controller.ts';
import { h, icon, setText } from '../../dom.ts';
import { formatCount, formatTime, plural } from '../../format.ts';
import type { GroupsModel, GroupsState } from '../../groups/state.ts';
import type { Store } from '../../store.ts';
import { RATES } from '../../url-state.ts';
import { ownerClass } from './chip.ts';
import { STATE_TONES } from './list.ts';
import { rememberedMember } from './remembered-member.ts';

/** Answers older than this are said to be old, ms. */
const STALE_MS = 4000;
type Facts = 'members' | 'partitions' | 'moving' | 'lag' | 'epoch' | 'assignor';

export function createGroupHead(
  store: Store<AppState>,
  groups: Store<GroupsState>,
  model: GroupsModel,
  controller: Controller,
): { readonly element: HTMLElement; tick(now: number): void } {
  const name = h('h2', { class: 'group-title', 'data-testid': 'group-name' });
  const stateText = h('span', {}, '–');
  const pill = h('span', { class: 'group-state', 'data-testid': 'group-state' }, h('i', { class: 'lamp' }), stateText);
  const fact = (label: string, id: Facts): { readonly box: HTMLElement; readonly value: HTMLElement } => {
    const value = h('dd', { 'data-testid': `group-${id}` }, '–');
    return { box: h('div', { class: 'stat' }, h('dt', {}, label), value), value };
  };
  const facts = {
    members: fact('Members', 'members'),
    partitions: fact('Partitions', 'partitions'),
    moving: fact('Moving', 'moving'),
    lag: fact('Total lag', 'lag'),
    epoch: fact('Epoch', 'epoch'),
    assignor: fact('Assignor', 'assignor'),
  };
  const problem = h('p', { class: 'group-problem', role: 'alert', 'data-testid': 'group-problem', hidden: true });

  // This tab.
  const swatch = h('i', { class: 'swatch' });
  const aboutText = h('span', { class: 'tab-text', 'data-testid': 'tab-member' });
  const rate = h('data', { class: 'tab-rate', 'data-testid': 'tab-rate', value: '0' });
  const resumed = h('span', { class: 'tab-resumed', 'data-testid': 'tab-resumed' });
  const what = h('select', {
    class: 'field',
    'aria-label': 'Topics to read as a member',
    'data-testid': 'join-topics',
  });
  const speed = h(
    'select',
    {
      class: 'field',
      'aria-label': 'Reading speed of this tab',
      title: 'Reading speed of this tab: a slow member falls behind',
      onchange: () => controller.setRate(speed.value === '' ? null : Number(speed.value)),
    },
    h('option', { value: '' }, 'Full speed'),
    ...RATES.map((value) => h('option', { value }, `${value} per s`)),
  );
  const join = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'data-testid': 'join',
      onclick: () => {
        const { shown } = groups.get();
        const topics = what.value === 'own' ? store.get().reading : groupTopics();
        if (shown !== null) controller.joinGroup(shown, topics);
      },
    },
    icon('plus'),
    'Join from this tab',
  );
  const leave = h(
    'button',
    { type: 'button', class: 'button', 'data-testid': 'leave', onclick: () => controller.chooseGroup(null) },
    'Leave',
  );
  const strip = h(
    'div',
    { class: 'tab-strip', role: 'group', 'aria-label': 'This tab' },
    swatch,
    aboutText,
    rate,
    resumed,
    h('span', { class: 'spring' }),
    what,
    speed,
    join,
    leave,
  );

  const groupTopics = (): string[] => {
    const { description } = groups.get();
    const named = (description?.members ?? []).flatMap((member) => member.topics);
    return [...new Set([...named, ...(description?.offsets ?? []).map(({ topic }) => topic)])].sort();
  };
  let offered = '';
  const offerTopics = (): void => {
    const theirs = groupTopics();
    const { reading } = store.get();
    join.disabled = theirs.length === 0 && reading.length === 0;
    const options: (readonly [string, string])[] = [];
    if (theirs.length > 0) options.push(['group', `Read its ${plural(theirs.length, 'topic')}`]);
    options.push(['own', `Read the ${plural(reading.length, 'topic')} chosen in Records`]);
    const text = JSON.stringify(options);
    if (text === offered) return;
    offered = text;
    what.replaceChildren(...options.map(([value, label]) => h('option', { value }, label)));
  };

  const showFacts = (): void => {
    const { shown, description, picture, missing } = groups.get();
    setText(name, shown ?? 'No group');
    const state = missing ? undefined : description?.state;
    pill.dataset.tone = state === undefined ? 'idle' : STATE_TONES[state];
    setText(stateText, missing ? 'not there yet' : (state ?? '–'));
    setText(facts.members.value, picture === null ? '–' : String(picture.members.length));
    const unowned = picture !== null && picture.unowned > 0 ? `, ${picture.unowned} unowned` : '';
    setText(facts.partitions.value, picture === null ? '–' : `${picture.partitions}${unowned}`);
    setText(facts.moving.value, picture === null ? '–' : String(picture.moving));
    facts.moving.box.classList.toggle('busy', (picture?.moving ?? 0) > 0);
    setText(facts.lag.value, picture === null ? '–' : formatCount(picture.lag));
    setText(facts.epoch.value, description === null ? '–' : String(description.epoch));
    setText(facts.assignor.value, description?.assignor ?? '–');
  };
  const showTab = (): void => {
    const { group, membership, rate: limit } = store.get();
    const { shown, picture } = groups.get();
    const here = group !== null && group === shown;
    const member = picture?.members.find(({ memberId }) => memberId === membership?.memberId);
    strip.classList.toggle('joined', here);
    swatch.className =
      here && membership !== null ? `swatch ${ownerClass(model.colors, membership.memberId)}` : 'swatch';
    swatch.hidden = !here;
    leave.hidden = !here;
    speed.hidden = !here;
    rate.hidden = !here;
    join.hidden = here || shown === null;
    what.hidden = join.hidden;
    if (shown === null) setText(aboutText, 'Pick a group, or make a new one.');
    else if (!here) {
      setText(aboutText, group === null ? 'This tab is not a member.' : `This tab is a member of ${group}.`);
    } else if (store.get().reading.length === 0)
      setText(aboutText, 'This tab reads nothing: choose topics in Records.');
    else if (membership === null) setText(aboutText, 'This tab is joining…');
    else {
      const share =
        member === undefined ? '' : ` · ${member.owned} of ${plural(picture?.partitions ?? 0, 'partition')}`;
      setText(
        aboutText,
        `This tab is ${member?.name ?? 'member'} ${member?.tag ?? membership.memberId.slice(-4)}${share}`,
      );
    }
    setText(resumed, here && membership !== null ? rememberedMember.tell(membership) : '');
    speed.value = limit === null ? '' : String(limit);
  };
  let stale = false;
  const showProblem = (): void => {
    const { problem: error, at } = groups.get();
    const { failure } = store.get();
    const parts: string[] = [];
    if (failure !== null) parts.push(`${failure.title}. ${failure.advice}`);
    if (error !== null && error.code !== 'TIMED_OUT') parts.push(error.message);
    if (stale) parts.push(`The gateway does not answer; this is what it said at ${formatTime(at).slice(0, 8)}.`);
    problem.hidden = parts.length === 0;
    setText(problem, parts.join(' '));
  };

  for (const part of ['description', 'shown'] as const) groups.watch((state) => state[part], showFacts);
  for (const part of ['description', 'shown'] as const) groups.watch((state) => state[part], offerTopics);
  for (const part of ['picture', 'shown'] as const) groups.watch((state) => state[part], showTab);
  for (const part of ['group', 'membership', 'rate'] as const) store.watch((state) => state[part], showTab);
  for (const show of [offerTopics, showTab]) store.watch((state) => state.reading, show);
  // What stops this page's reading stops its membership; the records view says the same.
  store.watch((state) => state.failure, showProblem);

  groups.watch((state) => state.problem, showProblem);

  let before: { records: number; at: number } | undefined;
  const tick = (now: number): void => {
    const { records } = controller.continuity;
    if (before !== undefined && now > before.at) {
      const perSecond = ((records - before.records) * 1000) / (now - before.at);
      rate.value = perSecond.toFixed(1);
      setText(rate, store.get().paused ? 'paused' : `${formatCount(Math.round(perSecond))} records/s`);
    }
    before = { records, at: now };
    const { at, description } = groups.get();
    const isStale = description !== null && now - at > STALE_MS;
    if (isStale !== stale) {
      stale = isStale;
      element.classList.toggle('stale', stale);
      showProblem();
    }
  };

  const element = h(
    'section',
    { class: 'panel group-head', 'aria-label': 'Group' },
    h(
      'div',
      { class: 'group-line' },
      name,
      pill,
      h('span', { class: 'spring' }),
      h('dl', { class: 'stats' }, ...Object.values(facts).map(({ box }) => box)),
    ),
    problem,
    strip,
  );
  return { element, tick };
}
