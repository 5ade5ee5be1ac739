// Groups over a restart of their gateway: a real process, killed or stopped, and real consumers. Reads the build: `npm run build` comes first.
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, Consumer, type ConsumerEvent, Producer, type TopicPartition } from 'distributedlog/node';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ADDRESS, dataDirectory, type Run, run, startGateway } from './test-process.ts';

const PARTITIONS = 6;
const TOPIC = 't';
const GROUP = 'g';

/** Patient: the machine may be busy. What a test says of time, it measures. */
const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 20_000, interval: 20 });

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

/** A consumer that reads all the time, and all that it saw. */
class Reader {
  readonly consumer: Consumer;
  /** `topic-partition@offset`. */
  readonly records: string[] = [];
  readonly rebalances: ConsumerEvent[] = [];
  readonly failures: unknown[] = [];
  readonly #done = new AbortController();

  constructor(bootstrapServers: string, sessionTimeoutMs: number) {
    this.consumer = new Consumer({
      bootstrapServers,
      groupId: GROUP,
      sessionTimeoutMs,
      autoOffsetReset: 'earliest',
      reconnectBackoffMaxMs: 200,
    });
    this.consumer.events$.subscribe((event) => {
      if (event.type === 'rebalance') this.rebalances.push(event);
      if (event.type === 'error') this.failures.push(event.error);
    });
    // The gateway may be gone by then; a test that got to its end has closed it.
    onTestFinished(() => this.close().catch((error: unknown) => void this.failures.push(error)));
  }

  async start(): Promise<void> {
    await this.consumer.subscribe(TOPIC);
    void this.#read().catch((error: unknown) => this.failures.push(error));
  }
  async #read(): Promise<void> {
    const { signal } = this.#done;
    while (!signal.aborted) {
      for (const record of await this.consumer.poll({ timeoutMs: 1_000 })) {
        this.records.push(`${nameOf(record)}@${record.offset}`);
      }
    }
  }
  /** Who it is in the group, and what it has. */
  state() {
    return { ...this.consumer.groupMetadata(), assignment: this.consumer.assignment().map(nameOf).sort() };
  }
  async close(): Promise<void> {
    this.#done.abort();
    await this.consumer.close({ timeoutMs: 2_000 });
  }
}

async function setUp() {
  const dir = await dataDirectory();
  const gateway = startGateway(dir, 0, '--partitions', String(PARTITIONS));
  const url = await gateway.printed(ADDRESS);
  const config = { bootstrapServers: url, reconnectBackoffMaxMs: 200 };
  const producer = new Producer(config);
  const admin = new Admin(config);
  onTestFinished(async () => {
    await Promise.all([producer.close(), admin.close()]);
  });
  const sent: string[] = [];
  /** Resolves when the gateway has acknowledged them all, which may be the next one. */
  const produce = async (count: number): Promise<void> => {
    const records = Array.from({ length: count }, (_, i) =>
      producer.send({ topic: TOPIC, partition: i % PARTITIONS, value: `${i}` }),
    );
    for (const record of await Promise.all(records)) sent.push(`${nameOf(record)}@${record.offset}`);
  };
  const isStable = (members: number) =>
    eventually(async () => {
      const group = await admin.describeGroup(GROUP);
      expect(group.state).toBe('Stable');
      expect(group.members).toHaveLength(members);
      for (const { assignment } of group.members) {
        expect([Math.floor(PARTITIONS / members), Math.ceil(PARTITIONS / members)]).toContain(assignment.length);
      }
      return group;
    });
  const startAgain = async (): Promise<Run> => {
    const next = startGateway(dir, Number(new URL(url).port));
    await next.printed(ADDRESS);
    return next;
  };
  return { url, gateway, admin, produce, sent, isStable, startAgain };
}

async function threeReaders(url: string, isStable: (members: number) => Promise<unknown>): Promise<Reader[]> {
  const readers = Array.from({ length: 3 }, () => new Reader(url, 30_000));
  await Promise.all(readers.map((reader) => reader.start()));
  await isStable(3);
  await areTold(readers);
  return readers;
}
/** Members are told what is saved; the group is Stable a moment earlier. */
const areTold = (readers: readonly Reader[]) =>
  eventually(() => {
    for (const reader of readers) expect(reader.state().assignment).toHaveLength(2);
  });

const allRecords = (readers: readonly Reader[]): string[] => readers.flatMap(({ records }) => records).sort();

describe('a group whose gateway starts again', { timeout: 90_000 }, () => {
  it.each([
    ['stopped', 'SIGTERM'],
    ['killed', 'SIGKILL'],
  ] as const)(
    'after it was %s goes on: the same members, epochs and partitions, every record once',
    async (_, signal) => {
      const { url, gateway, admin, produce, sent, isStable, startAgain } = await setUp();
      const readers = await threeReaders(url, isStable);
      await produce(60);
      await eventually(() => expect(allRecords(readers)).toEqual([...sent].sort()));
      const before = readers.map((reader) => reader.state());
      const rebalances = readers.map((reader) => reader.rebalances.length);
      const { epoch } = await admin.describeGroup(GROUP);

      let running = gateway;
      for (let round = 0; round < 2; round++) {
        running.child.kill(signal);
        await running.ended;
        const duringThat = produce(60);
        running = await startAgain();
        await duringThat;
        await produce(60);
        await eventually(() => expect(allRecords(readers)).toEqual([...sent].sort()));
        // Each with its member's epoch: the group knows it.
        await Promise.all(readers.map(({ consumer }) => consumer.commit()));
      }

      expect(readers.map((reader) => reader.state())).toEqual(before);
      expect(readers.map((reader) => reader.rebalances.length)).toEqual(rebalances);
      expect(readers.flatMap(({ failures }) => failures)).toEqual([]);
      const group = await isStable(3);
      expect(group.epoch).toBe(epoch);
      expect(group.members.every(({ connected }) => connected)).toBe(true);
      // Nobody read what is another's.
      for (const reader of readers) {
        const own = new Set(reader.state().assignment);
        expect(reader.records.filter((record) => !own.has(record.split('@')[0] ?? ''))).toEqual([]);
      }
      expect(group.offsets.map(({ lag }) => lag)).toEqual(Array.from({ length: PARTITIONS }, () => 0));
      await Promise.all(readers.map((reader) => reader.close()));
    },
  );

  it('killed in the middle of rebalances gives every partition to one member in the end, and every record', async () => {
    const { url, gateway, produce, sent, isStable, startAgain } = await setUp();
    const everybody = [new Reader(url, 3_000)];
    const readers = [...everybody];
    await readers[0]?.start();
    let running = gateway;
    for (const [round, killAfterMs] of [5, 20, 40, 80, 160].entries()) {
      const newcomer = new Reader(url, 3_000);
      const joining = newcomer.start();
      const leaving = round % 2 === 1 ? readers.shift() : undefined;
      // It may find nobody to tell; then its session has to end.
      const left = leaving?.close().catch((error: unknown) => void leaving.failures.push(error));
      await sleep(killAfterMs);
      running.child.kill('SIGKILL');
      await running.ended;
      const produced = produce(60);
      running = await startAgain();
      readers.push(newcomer);
      everybody.push(newcomer);
      await Promise.all([joining, left, produced]);
      const { members } = await isStable(readers.length);
      await eventually(() => {
        const owned = readers.flatMap((reader) => reader.state().assignment);
        expect(owned.sort()).toEqual(Array.from({ length: PARTITIONS }, (_, i) => `${TOPIC}-${i}`));
      });
      expect(members.map(({ memberId }) => memberId).sort()).toEqual(
        readers.map(({ consumer }) => consumer.groupMetadata()?.memberId).sort(),
      );
    }
    await produce(60);
    await Promise.all(readers.map(({ consumer }) => consumer.commit()));
    await eventually(() => expect(new Set(everybody.flatMap(({ records }) => records))).toEqual(new Set(sent)));
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('gives the partitions of a member that does not come back to the others, after its session timeout', async () => {
    const { url, gateway, admin, produce, sent, isStable, startAgain } = await setUp();
    const SESSION_TIMEOUT_MS = 5_000;
    const other = run(
      '--input-type=module',
      '-e',
      `import { Consumer } from 'distributedlog';
       const consumer = new Consumer({ bootstrapServers: process.argv[1], groupId: '${GROUP}', sessionTimeoutMs: ${SESSION_TIMEOUT_MS} });
       await consumer.subscribe('${TOPIC}');
       console.log('joined ' + consumer.groupMetadata().memberId + ';');
       for (;;) await consumer.poll();`,
      url,
    );
    const gone = (await other.printed(/joined [^;]+;/)).slice('joined '.length, -1);
    const readers = [new Reader(url, 30_000), new Reader(url, 30_000)];
    await Promise.all(readers.map((reader) => reader.start()));
    await isStable(3);
    await areTold(readers);
    gateway.child.kill('SIGKILL');
    other.child.kill('SIGKILL');
    await Promise.all([gateway.ended, other.ended]);
    const startedAt = performance.now();
    await startAgain();

    const held = await eventually(async () => {
      const found = await admin.describeGroup(GROUP);
      expect(found.members.filter(({ connected }) => connected)).toHaveLength(2);
      return found;
    });
    expect(held.members.find(({ memberId }) => memberId === gone)).toMatchObject({ connected: false });
    expect(held.members.find(({ memberId }) => memberId === gone)?.assignment).toHaveLength(2);
    const group = await isStable(2);
    // It may say so a little before our clock does.
    expect(performance.now() - startedAt).toBeGreaterThan(SESSION_TIMEOUT_MS - 50);
    expect(group.members.map(({ memberId }) => memberId)).not.toContain(gone);
    await produce(60);
    await eventually(() => expect(allRecords(readers)).toEqual([...sent].sort()));
    for (const { rebalances } of readers) expect(rebalances.at(-1)).toMatchObject({ revoked: [], lost: [] });
    await Promise.all(readers.map((reader) => reader.close()));
  });
});
