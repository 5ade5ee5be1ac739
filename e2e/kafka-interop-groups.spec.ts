// Groups on a real Kafka, between us and what nobody here wrote: kafka-consumer-groups, Java's consumers, and members of ours that
// share a group with theirs; in both protocols.
import { once } from 'node:events';
import type { Client, Consumer, ConsumerRecord } from 'distributedlog';
import { expect, test, whyNoKafka } from './support/kafka.ts';

test.skip(whyNoKafka !== undefined, whyNoKafka ?? '');
// Every tool starts a Java VM.
test.slow();

const PARTITIONS = 4;
const GROUPS = 'consumer.group.ConsumerGroupCommand';

/** `count` records with the values N, from `from` on, in turn over the partitions. */
async function produce(client: Client, topic: string, from: number, count: number): Promise<void> {
  const producer = client.producer();
  const numbers = Array.from({ length: count }, (_, i) => from + i);
  await Promise.all(numbers.map((n) => producer.send({ topic, partition: n % PARTITIONS, value: `${n}` })));
  await producer.close();
}
const valueOf = ({ value }: ConsumerRecord): number => Number(Buffer.from(value ?? ''));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

/** Polls a consumer until it is closed. */
class Member {
  readonly consumer: Consumer;
  readonly read: number[] = [];
  readonly #ended: Promise<void>;
  #closing = false;

  constructor(consumer: Consumer) {
    this.consumer = consumer;
    this.#ended = this.#run();
  }
  async #run(): Promise<void> {
    while (!this.#closing) this.read.push(...(await this.consumer.poll({ timeoutMs: 100 })).map(valueOf));
  }
  get partitions(): number[] {
    return this.consumer.assignment().map(({ partition }) => partition);
  }
  async close(): Promise<void> {
    this.#closing = true;
    await this.#ended;
    await this.consumer.close();
  }
}
async function join(client: Client, topic: string, groupInstanceId?: string): Promise<Member> {
  const consumer = client.consumer({ groupId: topic, groupInstanceId, autoOffsetReset: 'earliest', autoCommit: false });
  await consumer.subscribe([topic]);
  return new Member(consumer);
}

for (const groupProtocol of ['consumer', 'classic'] as const) {
  test.describe(`groups by the ${groupProtocol} protocol`, () => {
    test.use({ groupProtocol });

    test('kafka-consumer-groups shows our members, which partitions they own, what they committed and how far they lag', async ({
      kafka,
      client,
      createTopic,
    }) => {
      const topic = await createTopic('members', { partitions: PARTITIONS });
      const members = [await join(client, topic), await join(client, topic, 'seat-2')];
      await expect.poll(() => members.map(({ partitions }) => partitions.length)).toEqual([2, 2]);
      await produce(client, topic, 0, 40);
      await expect.poll(() => sorted(members.flatMap(({ read }) => read))).toEqual(range(0, 40));
      for (const { consumer, partitions } of members) {
        await consumer.commit(partitions.map((partition) => ({ topic, partition, offset: partition })));
      }
      const rows = (await kafka.describeGroup(topic)).toSorted((a, b) => Number(a.PARTITION) - Number(b.PARTITION));
      expect(rows).toMatchObject(
        range(0, PARTITIONS).map((partition) => ({
          GROUP: topic,
          TOPIC: topic,
          PARTITION: `${partition}`,
          'CURRENT-OFFSET': `${partition}`,
          'LOG-END-OFFSET': '10',
          LAG: `${10 - partition}`,
        })),
      );
      const owners = range(0, PARTITIONS).map((partition) => rows[partition]?.['CONSUMER-ID']);
      // In the classic protocol the broker names members, and only it knows those names.
      if (groupProtocol === 'consumer') {
        const admin = client.admin();
        const described = (await admin.describeGroup(topic)).members.flatMap(({ memberId, assignment }) =>
          assignment.map(({ partition }) => ({ partition, memberId })),
        );
        await admin.close();
        expect(described.toSorted((a, b) => a.partition - b.partition)).toEqual(
          owners.map((memberId, partition) => ({ partition, memberId })),
        );
      }
      for (const { partitions } of members) {
        expect(new Set(partitions.map((partition) => owners[partition])).size).toBe(1);
      }
      expect(new Set(owners).size).toBe(2);
      const seats = (await kafka.describeGroup(topic, '--members')).map((row) => row['GROUP-INSTANCE-ID']);
      expect(seats).toContain('seat-2');
      expect(await kafka.describeGroup(topic, '--state')).toMatchObject([{ STATE: 'Stable', '#MEMBERS': '2' }]);
      for (const member of members) await member.close();
    });

    test('offsets that kafka-consumer-groups resets or deletes are where our consumers go on', async ({
      kafka,
      client,
      createTopic,
    }) => {
      const topic = await createTopic('reset', { partitions: PARTITIONS });
      await produce(client, topic, 0, 40);
      const read = async (expected: readonly number[]): Promise<void> => {
        const member = await join(client, topic);
        await expect.poll(() => sorted(member.read)).toEqual(expected);
        await member.consumer.commit();
        await member.close();
      };
      await read(range(0, 40));
      const reset = ['--reset-offsets', '--group', topic, '--execute'];
      await kafka.tool(GROUPS, [...reset, '--topic', topic, '--to-offset', '8']);
      await read(range(32, 40));
      await kafka.tool(GROUPS, [...reset, '--topic', `${topic}:1`, '--shift-by', '-3']);
      await read([29, 33, 37]);
      await kafka.tool(GROUPS, ['--delete-offsets', '--group', topic, '--topic', `${topic}:2`]);
      await read(range(0, 40).filter((n) => n % PARTITIONS === 2));
      await kafka.tool(GROUPS, ['--delete', '--group', topic]);
      await read(range(0, 40));
    });

    test('commits of Java are read by us, and ours by Java, metadata and all', async ({
      kafka,
      client,
      createTopic,
    }) => {
      const topic = await createTopic('commits', { partitions: PARTITIONS });
      await produce(client, topic, 0, 40);
      const metadata = 'schlüssel 値 "quoted"';
      await kafka.java([{ do: 'read', topics: [topic], group: topic, commit: metadata }]);
      const consumer = client.consumer({ groupId: topic, autoCommit: false });
      const all = range(0, PARTITIONS).map((partition) => ({ topic, partition }));
      for (const one of all) expect(await consumer.committed(one)).toMatchObject({ offset: 10, metadata });

      await consumer.assign(all);
      const offsets = all.map((one) => ({
        ...one,
        offset: one.partition + 1,
        metadata: `${metadata} ${one.partition}`,
      }));
      await consumer.commit(offsets);
      const [byJava] = await kafka.java([{ do: 'committed', group: topic }]);
      expect((byJava as typeof offsets).toSorted((a, b) => a.partition - b.partition)).toMatchObject(offsets);
      await consumer.close();
    });

    test('a member of ours and a Java consumer share a group, and neither misses a record when the other comes or goes', async ({
      kafka,
      client,
      createTopic,
    }) => {
      const topic = await createTopic('shared', { partitions: PARTITIONS });
      const ours = await join(client, topic);
      await produce(client, topic, 0, 40);
      await expect.poll(() => sorted(ours.read)).toEqual(range(0, 40));
      await ours.consumer.commit();

      const speaks =
        groupProtocol === 'consumer'
          ? ['group.protocol=consumer']
          : ['partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor'];
      const java = kafka.startTool('consumer.ConsoleConsumer', [
        ...['--topic', topic, '--group', topic],
        ...[...speaks, 'auto.offset.reset=earliest'].flatMap((line) => ['--consumer-property', line]),
      ]);
      let output = '';
      java.stdout?.on('data', (chunk) => {
        output += chunk;
      });
      const javaRead = (): number[] => output.split('\n').slice(0, -1).map(Number);
      await expect.poll(() => ours.partitions.length, { timeout: 30_000 }).toBe(2);
      await expect
        .poll(async () => new Set((await kafka.describeGroup(topic)).map((row) => row['CONSUMER-ID'])).size, {
          timeout: 30_000,
        })
        .toBe(2);
      const kept = ours.partitions;
      await produce(client, topic, 40, 200);
      await expect.poll(() => sorted([...ours.read, ...javaRead()]), { timeout: 30_000 }).toEqual(range(0, 240));
      expect(javaRead().length).toBe(100);
      expect(ours.read.slice(40).every((n) => kept.includes(n % PARTITIONS))).toBe(true);
      await ours.consumer.commit();

      // It leaves in order, and commits what it has.
      java.kill('SIGTERM');
      await once(java, 'exit');
      await expect.poll(() => ours.partitions.length, { timeout: 30_000 }).toBe(PARTITIONS);
      await produce(client, topic, 240, 40);
      await expect.poll(() => sorted([...ours.read, ...javaRead()]), { timeout: 30_000 }).toEqual(range(0, 280));
      await ours.close();
    });
  });
}
