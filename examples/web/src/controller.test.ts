import { createTestGateway, type TestGateway } from 'distributedlog/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { initialState } from './app-state.ts';
import { Controller } from './controller.ts';
import { createStore } from './store.ts';
import { type Choice, parseChoice } from './url-state.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function gatewayWith(topics: Record<string, number>): Promise<TestGateway> {
  const gateway = await createTestGateway({
    topics: Object.entries(topics).map(([name, partitions]) => ({ name, partitions })),
  });
  open.push(gateway);
  return gateway;
}
function page(gateway: TestGateway, choice: Partial<Choice>) {
  const store = createStore(initialState({ ...parseChoice(''), ...choice }));
  const controller = new Controller(store, { transport: gateway.transport, reconnectBackoffMs: 5 });
  open.push(controller);
  controller.start();
  const values = (): string[] => {
    const shown: string[] = [];
    for (let number = controller.rows.first; number < controller.rows.next; number += 1) {
      const value = controller.rows.at(number)?.value;
      shown.push(value == null ? 'null' : new TextDecoder().decode(value));
    }
    return shown;
  };
  return { store, controller, values };
}
const soon = <T>(check: () => T): Promise<T> => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

describe('controller', () => {
  it('reads all telemetry where nothing was chosen, also topics that come later', async () => {
    const gateway = await gatewayWith({ 'telemetry.cpu': 1, orders: 1 });
    const { store, controller, values } = page(gateway, { start: { kind: 'earliest' } });
    await gateway.produce('telemetry.cpu', ['a']);
    await gateway.produce('orders', ['no']);
    await soon(() => expect(values()).toEqual(['a']));
    await gateway.produce('telemetry.load', ['b']);
    await controller.refreshTopics();
    await soon(() => expect(values()).toEqual(['a', 'b']));
    expect(store.get().topics).toBeNull();
    expect(store.get().reading).toEqual(['telemetry.cpu', 'telemetry.load']);
  });

  it('shows every record once over a lost connection', async () => {
    const gateway = await gatewayWith({ t: 1 });
    const { store, controller, values } = page(gateway, { topics: ['t'], start: { kind: 'earliest' } });
    await gateway.produce('t', numbers(50));
    await soon(() => expect(values()).toHaveLength(50));
    gateway.dropConnections();
    await gateway.produce('t', numbers(50, 50));
    await soon(() => expect(values()).toEqual(numbers(100)));
    expect([controller.continuity.repeated, controller.continuity.skipped]).toEqual([0, 0]);
    expect(store.get().notices.map((notice) => notice.tone)).toEqual(['warning', 'good']);
  });

  it('starts the table anew when everything is moved, and calls nothing repeated', async () => {
    const gateway = await gatewayWith({ t: 2 });
    const { controller, values } = page(gateway, { topics: ['t'], start: { kind: 'earliest' } });
    await gateway.produce(
      't',
      numbers(40).map((value, index) => ({ value, partition: index % 2 })),
    );
    await soon(() => expect(values()).toHaveLength(40));
    await controller.startFrom({ kind: 'last', count: 3 });
    await soon(() => expect(values().sort()).toEqual(numbers(6, 34)));
    await controller.startFrom({ kind: 'earliest' });
    await soon(() => expect(values()).toHaveLength(40));
    expect([controller.continuity.records, controller.continuity.repeated]).toEqual([86, 0]);
  });

  it('starts topics that are added later where the others started', async () => {
    const gateway = await gatewayWith({ a: 1, b: 1 });
    await gateway.produce('a', numbers(10));
    await gateway.produce('b', numbers(10, 100));
    const { controller, values } = page(gateway, { topics: ['a'], start: { kind: 'last', count: 2 } });
    await soon(() => expect(values()).toEqual(['8', '9']));
    controller.chooseTopics(['a', 'b']);
    await soon(() => expect(values()).toEqual(['8', '9', '108', '109']));
  });

  it('ends with the last of many quick choices', async () => {
    const gateway = await gatewayWith({ a: 1, b: 1, c: 1 });
    for (const topic of ['a', 'b', 'c']) await gateway.produce(topic, [topic]);
    const { controller, values, store } = page(gateway, { topics: ['a'], start: { kind: 'earliest' } });
    controller.chooseTopics(['a', 'b']);
    controller.chooseTopics(['b', 'c']);
    controller.chooseTopics([]);
    controller.chooseTopics(['c']);
    await soon(() => expect(store.get().partitions.map(({ topic }) => topic)).toEqual(['c']));
    await soon(() => expect(values().at(-1)).toBe('c'));
    expect(store.get().failure).toBeNull();
  });

  it('holds everything while paused, and one partition longer', async () => {
    const gateway = await gatewayWith({ t: 2 });
    const { store, controller, values } = page(gateway, { topics: ['t'], start: { kind: 'earliest' } });
    await soon(() => expect(store.get().partitions).toHaveLength(2));
    controller.setPartitionPaused({ topic: 't', partition: 0 }, true);
    controller.setPaused(true);
    await gateway.produce('t', [
      { value: 'held', partition: 0 },
      { value: 'later', partition: 1 },
    ]);
    await soon(() => expect(store.get().partitions.map(({ lag }) => lag)).toEqual([1, 1]));
    expect(values()).toEqual([]);
    controller.setPaused(false);
    await soon(() => expect(values()).toEqual(['later']));
    controller.setPartitionPaused({ topic: 't', partition: 0 }, false);
    await soon(() => expect(values()).toEqual(['later', 'held']));
  });

  it('as a group goes on where it committed', async () => {
    const gateway = await gatewayWith({ t: 1 });
    const choice: Partial<Choice> = { topics: ['t'], group: 'g', start: { kind: 'earliest' } };
    await gateway.produce('t', ['a', 'b']);
    const first = page(gateway, choice);
    await soon(() => expect(first.values()).toEqual(['a', 'b']));
    await first.controller.commit();
    await soon(() => expect(first.store.get().partitions[0]?.committed).toBe(2));
    await first.controller.close();
    await gateway.produce('t', ['c']);
    const second = page(gateway, choice);
    await soon(() => expect(second.values()).toEqual(['c']));
  });

  it('says what is wrong with a topic, until another one is chosen', async () => {
    const gateway = await gatewayWith({ t: 1 });
    await gateway.produce('t', ['a']);
    const { store, controller, values } = page(gateway, { topics: ['no/name'], start: { kind: 'earliest' } });
    await soon(() => expect(store.get().failure?.detail).toContain('INVALID_TOPIC_EXCEPTION'));
    controller.chooseTopics(['t']);
    await soon(() => expect(values()).toEqual(['a']));
    expect(store.get().failure).toBeNull();
  });

  it('moves one partition and leaves the others where they are', async () => {
    const gateway = await gatewayWith({ t: 2 });
    await gateway.produce(
      't',
      numbers(20).map((value, index) => ({ value, partition: index % 2 })),
    );
    const { controller, store, values } = page(gateway, { topics: ['t'], start: { kind: 'latest' } });
    await soon(() => expect(store.get().partitions.map(({ position }) => position)).toEqual([10, 10]));
    await controller.seek({ topic: 't', partition: 1 }, { kind: 'offset', offset: 8 });
    await soon(() => expect(values()).toEqual(['17', '19']));
  });

  it('writes what the form sends, and creates topics', async () => {
    const gateway = await gatewayWith({ t: 1 });
    const { controller, store, values } = page(gateway, { topics: ['t'], start: { kind: 'earliest' } });
    expect(await controller.produce({ topic: 't', value: 'x' })).toMatchObject({ topic: 't', partition: 0, offset: 0 });
    await soon(() => expect(values()).toEqual(['x']));
    await controller.createTopic('fresh', 3);
    await soon(() => expect(store.get().known?.find(({ name }) => name === 'fresh')?.partitions).toHaveLength(3));
    await expect(controller.createTopic('fresh', 3)).rejects.toMatchObject({ code: 'TOPIC_ALREADY_EXISTS' });
  });
});
