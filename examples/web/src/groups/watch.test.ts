import { Client, type GroupDescription, type GroupSummary, LogError } from 'distributedlog';
import { createTestGateway } from 'distributedlog/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createStore } from '../store.ts';
import { GroupsModel, initialGroups, MAX_EVENTS } from './state.ts';
import { DESCRIBE_MS, type GroupSource, GroupWatch } from './watch.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const soon = <T>(check: () => T): Promise<T> => vi.waitFor(check, { timeout: 10_000, interval: 5 });

async function world(groupId: string | null) {
  const gateway = await createTestGateway({ topics: [{ name: 't', partitions: 4 }] });
  open.push(() => gateway.close());
  const client = new Client({ transport: gateway.transport, clientId: 'page' });
  open.push(() => client.close());
  const admin = client.admin();
  const store = createStore(initialGroups(groupId));
  const topics = await admin.listTopics();
  const model = new GroupsModel(store, () => topics);
  let asking = 0;
  let most = 0;
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    asking += 1;
    most = Math.max(most, asking);
    return work.finally(() => {
      asking -= 1;
    });
  };
  const source: GroupSource = {
    listGroups: (signal) => counted(admin.listGroups({ signal })),
    describeGroup: (id, signal) => counted(admin.describeGroup(id, { signal })),
  };
  const watch = new GroupWatch(
    source,
    {
      onGroups: (groups) => model.onGroups(groups),
      onDescription: (id, description) => model.onDescription(id, description, Date.now()),
      onProblem: (problem) => model.onProblem(problem),
    },
    10,
  );
  open.push(() => watch.setActive(false));
  const join = async (clientId: string) => {
    const consumer = new Client({ transport: gateway.transport, clientId }).consumer({ groupId: 'g' });
    await consumer.subscribe('t');
    open.push(() => consumer.close());
    return consumer;
  };
  const show = (id: string | null): void => {
    model.show(id);
    watch.show(id);
  };
  const texts = (): string[] =>
    store.get().events.map(({ parts }) => parts.map((part) => (typeof part === 'string' ? part : part.name)).join(''));
  if (groupId !== null) watch.show(groupId);
  return { store, model, watch, join, show, texts, most: () => most };
}

describe('watching groups', () => {
  it('follows a group from before it is there until its last member has left', async () => {
    const { store, watch, join, texts, most } = await world('g');
    watch.setActive(true);
    await soon(() => expect(store.get().missing).toBe(true));
    const anna = await join('anna');
    await soon(() => expect(store.get().picture?.members).toMatchObject([{ name: 'anna', owned: 4 }]));
    await soon(() => expect(store.get().groups).toMatchObject([{ groupId: 'g', state: 'Stable', members: 1 }]));
    await anna.close();
    await soon(() => expect(texts()).toContain('anna left'));
    expect(texts().slice(0, 3)).toEqual(['There is no such group yet', 'anna joined', 't / 0, 1, 2, 3: to anna']);
    expect(most()).toBe(1);
  });
  it('asks for nothing while nobody looks', async () => {
    vi.useFakeTimers();
    open.push(() => vi.useRealTimers());
    let asked = 0;
    const source: GroupSource = {
      listGroups: async () => {
        asked += 1;
        return [];
      },
      describeGroup: async (groupId) => {
        asked += 1;
        return { groupId, state: 'Empty', epoch: 0, members: [], offsets: [] };
      },
    };
    const ignored = () => undefined;
    const watch = new GroupWatch(source, { onGroups: ignored, onDescription: ignored, onProblem: ignored });
    watch.show('g');
    await vi.advanceTimersByTimeAsync(5 * DESCRIBE_MS);
    expect(asked).toBe(0);
    watch.setActive(true);
    await vi.advanceTimersByTimeAsync(2.5 * DESCRIBE_MS);
    // Three times for the group, and once for the list.
    expect(asked).toBe(4);
    watch.setActive(false);
    await vi.advanceTimersByTimeAsync(5 * DESCRIBE_MS);
    expect(asked).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
  });
  it('tells the lag of the groups that are not shown too', async () => {
    const { watch, join, store, show } = await world(null);
    await join('anna');
    watch.setActive(true);
    await soon(() => expect(store.get().groups).toMatchObject([{ groupId: 'g', lag: 0 }]));
    expect(store.get().picture).toBeNull();
    show('g');
    await soon(() => expect(store.get().picture?.partitions).toBe(4));
  });
  it('says why no answers come, and when they come again', async () => {
    const problems: (string | undefined)[] = [];
    let refuse = true;
    const description: GroupDescription = { groupId: 'g', state: 'Empty', epoch: 0, members: [], offsets: [] };
    const groups: GroupSummary[] = [];
    const watch = new GroupWatch(
      {
        listGroups: async () => groups,
        describeGroup: async () => {
          if (refuse) throw new LogError('GROUP_AUTHORIZATION_FAILED', 'no');
          return description;
        },
      },
      { onGroups: () => undefined, onDescription: () => undefined, onProblem: (error) => problems.push(error?.code) },
      5,
    );
    open.push(() => watch.setActive(false));
    watch.show('g');
    watch.setActive(true);
    await soon(() => expect(problems).toContain('GROUP_AUTHORIZATION_FAILED'));
    refuse = false;
    await soon(() => expect(problems.at(-1)).toBeUndefined());
  });
});

describe('the list of events', () => {
  it('is bounded, starts anew with another group, and has what this tab was given', async () => {
    const { model, store, texts } = await world('g');
    const partitions = [{ topic: 't', partition: 2 }];
    for (let n = 0; n < MAX_EVENTS + 10; n += 1) {
      model.onRebalance({ type: 'rebalance', assigned: partitions, revoked: [], lost: [] }, n);
    }
    expect(store.get().events).toHaveLength(MAX_EVENTS);
    expect(store.get().events.at(-1)).toMatchObject({ at: MAX_EVENTS + 9, own: true });
    expect(texts().at(-1)).toBe('got t / 2');
    model.show('other');
    expect(store.get().events).toEqual([]);
  });
});
