// A member as it is mentioned anywhere in the group view: its colour, its name and the end of its id.
import { h } from '../../dom.ts';
import type { MemberColors, MemberRef } from '../../groups/members.ts';

/** Classes of the style sheet that set --owner and --next. */
export const ownerClass = (colors: MemberColors, memberId: string): string => `member-${colors.of(memberId)}`;
export const nextClass = (colors: MemberColors, memberId: string): string => `next-${colors.of(memberId)}`;

export function memberChip(colors: MemberColors, member: MemberRef): HTMLElement {
  return h(
    'span',
    { class: `member-chip ${ownerClass(colors, member.memberId)}`, title: member.memberId },
    h('i', { class: 'swatch' }),
    h('span', { class: 'member-name' }, member.name),
    ' ',
    h('span', { class: 'member-tag' }, member.tag),
  );
}
