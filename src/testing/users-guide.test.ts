// How users test what they build, with public entry points only: a small application, and each control of the test gateway against it. No test sleeps.
import {
  Admin,
  Consumer,
  type ConsumerConfig,
  type ConsumerEvent,
  json,
  LogError,
  Producer,
  type TopicPartition,
} from 'distributedlog';
import { createTestGateway, ManualClock, type TestGateway, type TestGatewayOptions } from 'distributedlog/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Order {
  readonly customer: string;
  readonly amount: number;
}
type Store = (order: Order) => Promise<void>;

/** The application: keeps what each customer has ordered. An order is acknowledged once the store has it. */
class OrderProjector {
  readonly totals = new Map<string, number>();
  readonly consumer: Consumer<Uint8Array, Order>;
  readonly events: ConsumerEvent[] = [];
  readonly lost: TopicPartition[] = [];
  failure: unknown;
  readonly #store: Store;

  constructor(config: ConsumerConfig<Uint8Array, Order>, store: Store = async () => undefined) {
    this.consumer = new Consumer({
      groupId: 'totals',
      autoOffsetReset: 'earliest',
      value: json<Order>(orders),
      ...config,
    });
    this.consumer.events$.subscribe((event) => this.events.push(event));
    this.#store = store;
  }
  async start(topic = 'orders'): Promise<void> {
    await this.consumer.subscribe(topic, {
      listener: {
        onPartitionsLost: (partitions) => {
          this.lost.push(...partitions);
        },
      },
    });
    this.consumer.stream({ manualAck: true }).subscribe({
      next: (record) => {
        const order = record.value;
        if (order === null) return this.consumer.ack(record);
        this.#store(order).then(
          () => {
            this.totals.set(order.customer, (this.totals.get(order.customer) ?? 0) + order.amount);
            this.consumer.ack(record);
          },
          (error: unknown) => {
            this.failure = error;
          },
        );
      },
      error: (error) => {
        this.failure = error;
      },
    });
  }
  stop(): Promise<void> {
    return this.consumer.close();
  }
}
const orders = {
  '~standard': {
    version: 1,
    vendor: 'example',
    validate: (value: unknown) => ({ value: value as Order }),
  },
} as const;

const order = (customer: string, amount: number): string => JSON.stringify({ customer, amount });
const P0 = { topic: 'orders', partition: 0 };

let clock: ManualClock;
let gateway: TestGateway;
const started: { stop(): Promise<void> }[] = [];

async function setUp(options: TestGatewayOptions = {}): Promise<void> {
  clock = new ManualClock();
  gateway = await createTestGateway({ clock, random: () => 0.5, topics: [{ name: 'orders' }], ...options });
}
async function projector(
  config: ConsumerConfig<Uint8Array, Order> = {},
  store?: Store,
  topic?: string,
): Promise<OrderProjector> {
  const made = new OrderProjector({ ...gateway.config, ...config }, store);
  started.push(made);
  await clock.run(made.start(topic));
  return made;
}
beforeEach(() => setUp());
afterEach(async () => {
  gateway.refuseDials(false);
  await clock.run(Promise.all(started.splice(0).map((one) => one.stop().catch(() => undefined)))); // The test has had its say.
  await gateway.close();
});

describe('an application under test', () => {
  it('reads what the test produces', async () => {
    const { totals } = await projector();
    await gateway.produce('orders', [order('ann', 5), order('bob', 7), order('ann', 1)]);
    await clock.settle();
    expect(totals).toEqual(
      new Map([
        ['ann', 6],
        ['bob', 7],
      ]),
    );
  });

  it('commits what it acknowledged, when autoCommitIntervalMs has passed', async () => {
    const { consumer } = await projector({ autoCommitIntervalMs: 1_000 });
    await gateway.produce('orders', [order('ann', 5), order('bob', 7)]);
    await clock.settle();
    expect(await consumer.committed(P0)).toBeNull();
    await clock.tick(1_000);
    expect(await consumer.committed(P0)).toMatchObject({ offset: 2 });
  });

  it('commits nothing that its store has not got', async () => {
    let stored = () => {};
    const first = new Promise<void>((resolve) => {
      stored = resolve;
    });
    const { consumer } = await projector({}, ({ customer }) => (customer === 'slow' ? first : Promise.resolve()));
    await gateway.produce('orders', [order('ann', 5), order('slow', 7), order('ann', 1)]);
    await clock.tick(5_000);
    expect(await consumer.committed(P0)).toMatchObject({ offset: 1 });
    stored();
    await clock.tick(5_000);
    expect(await consumer.committed(P0)).toMatchObject({ offset: 3 });
  });

  it('goes on where it was after its connection was cut', async () => {
    const { totals, consumer } = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    gateway.dropConnections();
    await gateway.produce('orders', [order('ann', 2)]);
    await clock.until(() => totals.get('ann') === 3);
    expect(consumer.metrics().reconnects).toBe(1);
  });

  it('is cut off alone when only its connection is dropped', async () => {
    const one = await projector({ clientId: 'one', groupId: 'a' });
    const two = await projector({ clientId: 'two', groupId: 'b' });
    gateway.dropConnections({ clientId: 'one', code: 4503 });
    await clock.tick(1_000);
    expect([one, two].map(({ consumer }) => consumer.metrics().reconnects)).toEqual([1, 0]);
  });

  it('waits while nobody listens, and says so', async () => {
    const { consumer } = await projector();
    const seen: string[] = [];
    consumer.status$.subscribe(({ type }) => seen.push(type));
    gateway.refuseDials(true);
    gateway.dropConnections();
    await clock.tick(30_000);
    expect(seen.slice(0, 3)).toEqual(['live', 'reconnecting', 'connecting']);
    expect(seen.at(-1)).not.toBe('live');
    gateway.refuseDials(false);
    await clock.until(() => seen.at(-1) === 'live');
  });

  it('is refused a commit, and tries again', async () => {
    const { consumer, events } = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    gateway.failNext('commit', 'REBALANCE_IN_PROGRESS', { times: 2 });
    await clock.run(consumer.commit());
    expect(await consumer.committed(P0)).toMatchObject({ offset: 1 });
    expect(events.filter(({ type }) => type === 'commit')).toHaveLength(1);
  });

  it('hears of a commit that is refused for good', async () => {
    const { consumer } = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    gateway.failNext('commit', 'FENCED_MEMBER_EPOCH', { groupId: 'totals' });
    await expect(clock.run(consumer.commit())).rejects.toMatchObject({ code: 'COMMIT_FAILED', retriable: false });
  });

  it('repeats a commit whose answer was lost with the connection', async () => {
    const { consumer } = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    using answers = gateway.hold('commit', { answers: true });
    const committing = consumer.commit();
    await answers.whenWaiting();
    // It has taken effect, and the client does not know.
    expect((await gateway.describeGroup('totals')).offsets).toMatchObject([{ committed: 1, lag: 0 }]);
    gateway.dropConnections();
    answers.release();
    await clock.run(committing);
  });

  it('keeps reading while a commit is on its way', async () => {
    const { consumer, totals } = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    const commits = gateway.hold('commit', { topic: 'orders' });
    let done = false;
    const committing = consumer.commit().then(() => {
      done = true;
    });
    await commits.whenWaiting();
    await gateway.produce('orders', [order('ann', 2)]);
    await clock.settle();
    expect([totals.get('ann'), done, commits.waiting]).toEqual([3, false, 1]);
    commits.release();
    await committing;
    expect(await consumer.committed(P0)).toMatchObject({ offset: 1 });
  });

  it('gets nothing of a topic whose fetch is held, and all of it afterwards', async () => {
    const { totals } = await projector();
    const fetches = gateway.hold('fetch', { topic: 'orders', groupId: 'totals' });
    await gateway.produce('orders', [order('ann', 1)]);
    await gateway.produce('orders', [order('ann', 2)]);
    await fetches.whenWaiting();
    await clock.tick(20_000);
    expect(totals.size).toBe(0);
    fetches.release();
    await clock.until(() => totals.get('ann') === 3);
  });

  it('opens a fetch again that was refused, and loses nothing', async () => {
    const { totals, events } = await projector();
    gateway.failNext('fetch', 'KAFKA_STORAGE_ERROR', { times: 3 });
    await gateway.produce('orders', [order('ann', 1)]);
    await gateway.produce('orders', [order('ann', 2)]);
    await clock.until(() => totals.get('ann') === 3);
    expect(events.filter(({ type }) => type === 'gap')).toEqual([]);
  });

  it('ends with an error that no waiting mends', async () => {
    const made = await projector();
    gateway.failNext('fetch', 'UNSUPPORTED_COMPRESSION_TYPE', { topic: 'orders' });
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    expect(made.failure).toBeInstanceOf(LogError);
    expect(made.failure).toMatchObject({ code: 'UNSUPPORTED_COMPRESSION_TYPE', topic: 'orders', partition: 0 });
  });

  it('cannot join, and is told why', async () => {
    gateway.failNext('join', 'GROUP_AUTHORIZATION_FAILED', { groupId: 'totals' });
    const denied = new OrderProjector(gateway.config);
    started.push(denied);
    await expect(denied.start()).rejects.toMatchObject({ code: 'GROUP_AUTHORIZATION_FAILED' });
  });

  it('waits for metadata that takes its time', async () => {
    const asked = gateway.hold('metadata', { topic: 'orders' });
    const slow = new OrderProjector(gateway.config);
    started.push(slow);
    const starting = slow.start();
    await asked.whenWaiting();
    expect(slow.consumer.assignment()).toEqual([]);
    asked.release();
    await starting;
    expect(slow.consumer.assignment()).toEqual([P0]);
  });

  it('writes once what the gateway was slow to acknowledge', async () => {
    await using producer = new Producer({ ...gateway.config, lingerMs: 0 });
    const answers = gateway.hold('produce', { answers: true });
    const sent = producer.send({ topic: 'orders', value: order('ann', 1) });
    await clock.run(answers.whenWaiting());
    gateway.dropConnections();
    answers.release();
    expect(await clock.run(sent)).toMatchObject({ partition: 0, offset: 0 });
    const { totals } = await projector();
    await clock.settle();
    expect(totals.get('ann')).toBe(1);
  });

  it('sees a link as slow as the test wants it', async () => {
    const { totals } = await projector();
    gateway.latencyMs = 300;
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.tick(299);
    expect(totals.size).toBe(0);
    await clock.tick(1);
    expect(totals.get('ann')).toBe(1);
  });

  it('is described by its group', async () => {
    await projector({ clientId: 'projector-1' });
    await gateway.produce('orders', [order('ann', 1)]);
    expect(await gateway.describeGroup('totals')).toMatchObject({
      groupId: 'totals',
      state: 'Stable',
      members: [{ clientId: 'projector-1', topics: ['orders'], assignment: [P0] }],
    });
    await using admin = new Admin(gateway.config);
    expect(await admin.describeGroup('totals')).toEqual(await gateway.describeGroup('totals'));
  });

  it('hands its partitions on in a rebalance, and nothing is done twice', async () => {
    await gateway.log.createTopic({ name: 'orders-of-two', partitions: 2 });
    const done: string[] = [];
    const store: Store = async ({ customer }) => {
      done.push(customer);
    };
    const one = await projector({ clientId: 'one' }, store, 'orders-of-two');
    const two = await projector({ clientId: 'two' }, store, 'orders-of-two');
    await clock.until(() => two.consumer.assignment().length === 1);
    const [before] = one.consumer.assignment();
    await gateway.produce('orders-of-two', [
      { value: order('ann', 1), partition: 0 },
      { value: order('bob', 1), partition: 1 },
    ]);
    await clock.settle();
    await gateway.rebalance('totals');
    await clock.until(() => one.consumer.assignment()[0]?.partition !== before?.partition);
    await gateway.produce('orders-of-two', [
      { value: order('cid', 1), partition: 0 },
      { value: order('dan', 1), partition: 1 },
    ]);
    await clock.until(() => done.length >= 4);
    expect(done.sort()).toEqual(['ann', 'bob', 'cid', 'dan']);
    expect(one.lost).toEqual([]);
  });

  it('loses its partitions when its session expires, and comes back', async () => {
    const made = await projector();
    await gateway.produce('orders', [order('ann', 1)]);
    await clock.settle();
    const before = made.consumer.groupMetadata()?.memberId;
    await gateway.expireSession('totals', before);
    await clock.until(() => made.consumer.groupMetadata() !== null && made.consumer.assignment().length === 1);
    expect(made.lost).toEqual([P0]);
    expect(made.consumer.groupMetadata()?.memberId).not.toBe(before);
    // It had not committed, so the order comes again: at least once.
    await clock.until(() => made.totals.get('ann') === 2);
    await expect(gateway.expireSession('totals', before)).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
    await expect(gateway.rebalance('total')).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' });
  });

  it('keeps its partitions over a cut for sessionTimeoutMs, and not longer', async () => {
    const made = await projector({ sessionTimeoutMs: 6_000 });
    const before = made.consumer.groupMetadata()?.memberId;
    gateway.dropConnections();
    await clock.until(() => made.consumer.metrics().reconnects === 1);
    await clock.settle();
    expect([made.consumer.groupMetadata()?.memberId, made.lost]).toEqual([before, []]);
    gateway.refuseDials(true);
    gateway.dropConnections();
    await clock.tick(6_001);
    gateway.refuseDials(false);
    await clock.until(() => made.lost.length === 1 && made.consumer.assignment().length === 1);
    expect(made.consumer.groupMetadata()?.memberId).not.toBe(before);
  });

  it('refuses what is no request', () => {
    const wrong: object = gateway;
    const calls = wrong as { hold(type: string): unknown; failNext(type: string, code: string): unknown };
    expect(() => calls.hold('fetched')).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
    expect(() => calls.failNext('commits', 'REBALANCE_IN_PROGRESS')).toThrow(/allowed: .*commit/);
    expect(() => calls.failNext('commit', 'BROKEN')).toThrow(/BROKEN/);
    expect(() => gateway.failNext('commit', 'REBALANCE_IN_PROGRESS', { times: 0 })).toThrow(/at least 1/);
  });
});

describe('the same on real time', () => {
  it('needs no clock at all', async () => {
    await using real = await createTestGateway({ topics: [{ name: 'orders' }] });
    const consumer = new Consumer({ ...real.config, groupId: 'totals', autoOffsetReset: 'earliest' });
    await consumer.subscribe('orders');
    await real.produce('orders', [order('ann', 1)]);
    expect(await consumer.poll()).toHaveLength(1);
    const commits = real.hold('commit');
    const closing = consumer.close();
    await commits.whenWaiting();
    commits.release();
    await closing;
    expect((await real.describeGroup('totals')).offsets).toMatchObject([{ committed: 1 }]);
  });
});
