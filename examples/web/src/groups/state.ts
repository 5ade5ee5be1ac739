// The state of the group view and what moves it: answers of the gateway become a picture, and what changed between them a list. Knows nothing of elements.
import type { ConsumerEvent, GroupDescription, GroupSummary, LogError, TopicDescription } from 'distributedlog';
import { plural } from '../format.ts';
import type { Store } from '../store.ts';
import { changesBetween, listPartitions, type Telling, tell } from './changes.ts';
import { MemberColors } from './members.ts';
import { type Picture, pictureOf } from './picture.ts';
import { ShareHistory } from './shares.ts';

export interface GroupRow extends GroupSummary {
  /** null: not asked for yet. */
  readonly lag: number | null;
}
export interface GroupEvent extends Telling {
  readonly id: number;
  /** ms since the epoch. */
  readonly at: number;
  /** What this tab's own consumer says, not the group. */
  readonly own: boolean;
}
export interface GroupsState {
  /** null: not known yet. */
  readonly groups: readonly GroupRow[] | null;
  readonly shown: string | null;
  /** null: not known yet, or there is no such group. */
  readonly description: GroupDescription | null;
  readonly picture: Picture | null;
  readonly missing: boolean;
  /** When the last answer came, ms since the epoch. */
  readonly at: number;
  /** Why no answers come. */
  readonly problem: LogError | null;
  /** The oldest first. */
  readonly events: readonly GroupEvent[];
}

export const MAX_EVENTS = 200;
export const HISTORY_MS = 3 * 60_000;

export const initialGroups = (shown: string | null): GroupsState => ({
  groups: null,
  shown,
  description: null,
  picture: null,
  missing: false,
  at: 0,
  problem: null,
  events: [],
});

export type Rebalance = Extract<ConsumerEvent, { readonly type: 'rebalance' }>;

export class GroupsModel {
  readonly colors = new MemberColors();
  readonly shares = new ShareHistory(HISTORY_MS);
  readonly #store: Store<GroupsState>;
  readonly #topics: () => readonly TopicDescription[];
  readonly #lags = new Map<string, number>();
  #summaries: readonly GroupSummary[] | null = null;
  #eventId = 0;

  constructor(store: Store<GroupsState>, topics: () => readonly TopicDescription[]) {
    this.#store = store;
    this.#topics = topics;
  }

  show(groupId: string | null): void {
    if (groupId === this.#store.get().shown) return;
    this.shares.clear();
    this.#store.set({ shown: groupId, description: null, picture: null, missing: false, events: [] });
  }

  /** From now on nobody looks: what happens meanwhile is not seen. */
  pause(now: number): void {
    this.shares.pause(now);
  }

  onGroups(groups: readonly GroupSummary[]): void {
    this.#summaries = groups;
    for (const groupId of this.#lags.keys()) {
      if (!groups.some((group) => group.groupId === groupId)) this.#lags.delete(groupId);
    }
    this.#listed();
  }

  onDescription(groupId: string, description: GroupDescription | null, now: number): void {
    if (description !== null) {
      this.#lags.set(
        groupId,
        description.offsets.reduce((sum, { lag }) => sum + lag, 0),
      );
      // Newer than the list, which is asked for less often.
      const { state, members } = description;
      this.#summaries =
        this.#summaries?.map((one) => (one.groupId === groupId ? { groupId, state, members: members.length } : one)) ??
        null;
    }
    this.#listed();
    const before = this.#store.get();
    if (groupId !== before.shown) return;
    const after = description ?? {
      groupId,
      state: 'Dead' as const,
      epoch: 0,
      members: [],
      offsets: [],
    };
    this.colors.update(after.members.map(({ memberId }) => memberId));
    const picture = pictureOf(after, this.#topics());
    const shares = picture.members.filter(({ owned }) => owned > 0);
    this.shares.add(
      now,
      picture.partitions,
      shares.map(({ memberId, owned }) => [memberId, owned] as const),
    );
    if (before.description === null) {
      const members = plural(after.members.length, 'member');
      const found = `${members}, ${plural(picture.partitions, 'partition')}, ${after.state}`;
      const text = description === null ? 'There is no such group yet' : `First look: ${found}`;
      if (before.events.every(({ own }) => own)) this.#add(now, { tone: 'info', parts: [text] });
    } else {
      for (const change of changesBetween(before.description, after)) this.#add(now, tell(change));
    }
    this.#store.set({ description: after, picture, missing: description === null, at: now });
  }

  onProblem(problem: LogError | null): void {
    this.#store.set({ problem });
  }

  /** What this tab's own consumer was given and lost. */
  onRebalance({ assigned, revoked, lost }: Rebalance, now: number): void {
    const say = (tone: Telling['tone'], partitions: Rebalance['assigned'], how: string): void => {
      if (partitions.length > 0) this.#add(now, { tone, parts: [`${how} ${listPartitions(partitions)}`] }, true);
    };
    say('warning', lost, 'lost');
    say('info', revoked, 'gave up');
    say('good', assigned, 'got');
  }

  #listed(): void {
    if (this.#summaries === null) return;
    const groups = this.#summaries.map((group) => ({ ...group, lag: this.#lags.get(group.groupId) ?? null }));
    this.#store.set({ groups });
  }

  #add(at: number, telling: Telling, own = false): void {
    this.#eventId += 1;
    const event: GroupEvent = { id: this.#eventId, at, own, ...telling };
    this.#store.set({ events: [...this.#store.get().events, event].slice(-MAX_EVENTS) });
  }
}
