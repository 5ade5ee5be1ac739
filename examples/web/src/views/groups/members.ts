// The members as cards, which are the legend of the picture too: colour, name, share and lag of each. Pointing at one, or choosing it, picks out what is its.
import type { AppState } from '../../app-state.ts';
import { h, reconcile, setText } from '../../dom.ts';
import { formatCount, plural } from '../../format.ts';
import type { MemberShare, Picture } from '../../groups/picture.ts';
import type { GroupsModel, GroupsState } from '../../groups/state.ts';
import type { Store } from '../../store.ts';
import { ownerClass } from './chip.ts';

/** More than these are shown in one line each. */
const MAX_CARDS = 12;

interface Card {
  readonly element: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly parts: Readonly<Record<'badge' | 'owned' | 'unit' | 'moves' | 'lag' | 'about', HTMLElement>>;
  readonly share: HTMLElement;
}

export function createMembers(
  store: Store<AppState>,
  groups: Store<GroupsState>,
  model: GroupsModel,
  onPick: (memberId: string | null) => void,
): { readonly element: HTMLElement; toggle(memberId: string): void } {
  const cards = new Map<string, Card>();
  const elements = new Map<string, HTMLLIElement>();
  let chosen: string | null = null;
  const toggle = (memberId: string): void => {
    chosen = chosen === memberId ? null : memberId;
    for (const [id, card] of cards) card.button.setAttribute('aria-pressed', String(id === chosen));
    onPick(chosen);
  };
  const create = (member: MemberShare): HTMLLIElement => {
    const { memberId, name, tag } = member;
    const part = (className: string): HTMLElement => h('span', { class: className });
    const parts = {
      badge: part('member-badge'),
      owned: part('member-owned'),
      unit: part('member-unit'),
      moves: part('member-moves'),
      lag: part('member-lag'),
      about: part('member-about'),
    };
    const share = h('i', {});
    const button = h(
      'button',
      {
        type: 'button',
        class: `member-card ${ownerClass(model.colors, memberId)}`,
        'aria-pressed': String(memberId === chosen),
        'data-testid': `member-${memberId}`,
        onclick: () => toggle(memberId),
        onpointerenter: () => onPick(memberId),
        onpointerleave: () => onPick(chosen),
      },
      h(
        'span',
        { class: 'member-head' },
        h('i', { class: 'swatch' }),
        h('span', { class: 'member-name' }, name),
        h('span', { class: 'member-tag' }, tag),
        parts.badge,
      ),
      h('span', { class: 'member-share', 'aria-hidden': 'true' }, share),
      h('span', { class: 'member-facts' }, parts.owned, parts.unit, parts.moves, parts.lag),
      parts.about,
    );
    const element = h('li', {}, button);
    cards.set(memberId, { element, button, parts, share });
    return element;
  };
  const list = h('ul', { class: 'members', 'aria-label': 'Members', 'data-testid': 'members' });
  const empty = h('p', { class: 'note' });

  const update = (member: MemberShare, picture: Picture, own: boolean): void => {
    const card = cards.get(member.memberId);
    if (card === undefined) return;
    const { parts, button, share } = card;
    button.classList.toggle('kept', !member.connected);
    button.classList.toggle('own', own);
    button.title = `${member.memberId}\n${member.topics.join(', ')}`;
    setText(parts.badge, own ? 'this tab' : '');
    setText(parts.owned, String(member.owned));
    setText(parts.unit, member.owned === 1 ? 'partition' : 'partitions');
    const moves = [member.coming > 0 ? `+${member.coming}` : '', member.going > 0 ? `−${member.going}` : ''];
    setText(parts.moves, moves.filter((text) => text !== '').join(' '));
    setText(parts.lag, `lag ${formatCount(member.lag)}`);
    const topics = member.topics.length === 1 ? (member.topics[0] ?? '') : plural(member.topics.length, 'topic');
    const instance = member.instanceId === undefined ? '' : ` · static, client ${member.clientId}`;
    const about = `epoch ${member.epoch} · ${topics}${instance}`;
    setText(parts.about, member.connected ? about : 'connection lost, kept');
    share.style.transform = `scaleX(${(picture.partitions === 0 ? 0 : member.owned / picture.partitions).toFixed(4)})`;
  };
  const show = (): void => {
    const { picture, missing } = groups.get();
    const members = picture?.members ?? [];
    list.classList.toggle('dense', members.length > MAX_CARDS);
    for (const id of cards.keys()) if (!members.some(({ memberId }) => memberId === id)) cards.delete(id);
    // A tag may have to become longer: then the card is made anew.
    reconcile(list, elements, members, ({ memberId, name, tag }) => `${memberId} ${name} ${tag}`, create);
    const own = store.get().membership?.memberId;
    if (picture !== null) for (const member of members) update(member, picture, member.memberId === own);
    list.hidden = members.length === 0;
    empty.hidden = picture === null || members.length > 0;
    setText(empty, missing ? 'There is no such group yet. Whoever joins makes it.' : 'No members: nobody is reading.');
    if (chosen !== null && !cards.has(chosen)) toggle(chosen);
  };
  groups.watch((state) => state.picture, show);
  store.watch((state) => state.membership, show);
  return { element: h('div', {}, list, empty), toggle };
}
