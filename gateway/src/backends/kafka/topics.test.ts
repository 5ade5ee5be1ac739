import { createPartitionsV3, describeConfigsV4 } from '@platformatic/kafka';
import { encodeBatch } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { answered, apiFamily } from './api-family.ts';
import { KnownEnds } from './ends.ts';
import { type KafkaLogOptions, kafkaLog } from './index.ts';
import { Offsets } from './offsets.ts';
import { brokers, describeWithKafka, openCluster, openScripted, unique } from './test-kafka.ts';
import { API, scriptedCluster } from './test-scripted-broker.ts';
import { Topics } from './topics.ts';

const CREATE_PARTITIONS = apiFamily('CreatePartitions', createPartitionsV3.api.key, {
  3: answered(createPartitionsV3.api),
});
const DESCRIBE_CONFIGS = apiFamily('DescribeConfigs', describeConfigsV4.api.key, {
  4: answered(describeConfigsV4.api),
});
const OF_TOPIC = 2;
type Change = Parameters<Parameters<Log['onTopicsChanged']>[0]>[0];

async function open(options: Partial<KafkaLogOptions> = {}): Promise<Log> {
  const log = await kafkaLog({ brokers, ...options });
  onTestFinished(() => log.close());
  return log;
}

describeWithKafka('topics of a cluster', () => {
  it('are made as asked for: partitions, replicas, any config the brokers know', async () => {
    const log = await open();
    const name = unique('made');
    const topic = await log.createTopic({
      name,
      partitions: 3,
      replicationFactor: 1,
      config: { 'cleanup.policy': 'compact', 'segment.bytes': '1048576' },
    });
    expect(topic.partitions.length).toBe(3);
    const cluster = await openCluster();
    const resource = {
      resourceType: OF_TOPIC,
      resourceName: name,
      configurationKeys: ['cleanup.policy', 'segment.bytes'],
    } as const;
    const { results } = await cluster.any(
      DESCRIBE_CONFIGS,
      [{ ...resource, configurationKeys: [...resource.configurationKeys] }],
      false,
      false,
    );
    expect(results[0]?.configs.map(({ name: key, value }) => [key, value]).sort()).toEqual([
      ['cleanup.policy', 'compact'],
      ['segment.bytes', '1048576'],
    ]);
    await log.deleteTopic(name);
  });

  it('have as many partitions as the brokers are configured for, or the log, where nobody says', async () => {
    const name = unique('default');
    const byBrokers = await open();
    expect((await byBrokers.createTopic({ name })).partitions.length).toBe(1);
    await byBrokers.deleteTopic(name);
    const byLog = await open({ defaultPartitions: 5 });
    expect((await byLog.createTopic({ name })).partitions.length).toBe(5);
    await byLog.deleteTopic(name);
  });

  it('that cannot be made say why in the brokers’ words', async () => {
    const log = await open();
    const name = unique('wrong');
    await expect(log.createTopic({ name, replicationFactor: 30_000 })).rejects.toMatchObject({
      code: 'INVALID_REPLICATION_FACTOR',
      topic: name,
      message: expect.stringContaining('30000'),
    });
    await expect(log.createTopic({ name, replicationFactor: 0 })).rejects.toMatchObject({
      code: 'INVALID_REPLICATION_FACTOR',
    });
    await expect(log.createTopic({ name, config: { 'cleanup.policy': 'sometimes' } })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('cleanup.policy'),
    });
    expect(await log.topics([name])).toEqual([]);
  });

  it('that others make, grow, fill and delete are told with their ends, in that order', async () => {
    const [log, other] = await Promise.all([open({ metadataMaxAgeMs: 50 }), open()]);
    const name = unique('others');
    const changes: Change[] = [];
    const ours = () =>
      changes.flatMap(({ changed, deleted }) => [
        ...changed
          .filter((topic) => topic.name === name)
          .map(({ partitions }) => partitions.map(({ highWatermark }) => highWatermark).join()),
        ...deleted.filter((gone) => gone === name).map(() => 'deleted'),
      ]);
    log.onTopicsChanged((change) => changes.push(change));
    const { topicId } = await other.createTopic({ name });
    await vi.waitFor(() => expect(ours()).toEqual(['0']), { timeout: 5_000 });
    await other.append({ topicId, partition: 0 }, encodeBatch([{ key: null, value: null, timestamp: Date.now() }], {}));
    const cluster = await openCluster();
    const brokerIds = [...cluster.metadata.brokers.keys()].slice(0, 1);
    const { results } = await cluster.any(
      CREATE_PARTITIONS,
      [{ name, count: 2, assignments: [{ brokerIds }] }],
      5_000,
      false,
    );
    expect(results.map(({ errorCode }) => errorCode)).toEqual([0]);
    await vi.waitFor(() => expect(ours().length).toBe(2), { timeout: 5_000 });
    expect(['0,0', '1,0']).toContain(ours()[1]);
    await vi.waitFor(
      async () => {
        const [topic] = await log.topics([name]);
        expect(topic?.partitions.map(({ highWatermark }) => highWatermark)).toEqual([1, 0]);
      },
      { timeout: 5_000 },
    );
    await other.deleteTopic(name);
    await vi.waitFor(() => expect(ours().at(-1)).toBe('deleted'), { timeout: 5_000 });
  });

  it('that are asked for by a name nobody has seen yet are looked for', async () => {
    const [log, other] = await Promise.all([open({ metadataMaxAgeMs: 3_600_000 }), open()]);
    const name = unique('late');
    const { topicId } = await other.createTopic({ name });
    expect((await log.topics([name])).map((topic) => topic.topicId)).toEqual([topicId]);
    await other.deleteTopic(name);
  });

  it('of the brokers’ own are internal', async () => {
    const log = await open();
    await log.groups.commit(unique('g'), undefined, []).catch(() => undefined);
    const internal = (await log.topics()).filter((topic) => topic.internal).map((topic) => topic.name);
    for (const name of internal) expect(name).toMatch(/^__/);
  });
});

describe('a description of topics', () => {
  const topicId = '11111111-2222-4333-8444-555555555555';
  async function scripted(leaders: number[]) {
    const cluster = await scriptedCluster([{ name: 't', topicId, leaders }]);
    const opened = await openScripted(cluster);
    const ends = new KnownEnds(opened, new Offsets(opened));
    onTestFinished(() => ends.close());
    return { cluster, topics: new Topics(opened, ends) };
  }

  it('is not held up by a partition without a leader', async () => {
    const { cluster, topics } = await scripted([0, -1]);
    cluster.onListOffsets = () => ({ offset: 4 });
    const [topic] = await topics.list(['t']);
    expect(topic?.partitions.map(({ highWatermark }) => highWatermark)).toEqual([4, 0]);
  });

  it('is refused where nothing is known of any partition', async () => {
    const { cluster, topics } = await scripted([0]);
    cluster.onListOffsets = () => ({ errorCode: 29 });
    await expect(topics.list(['t'])).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' });
  });

  it('takes three requests per leader, and none where all was just seen', async () => {
    const { cluster, topics } = await scripted(Array(50).fill(0));
    await topics.list();
    expect(cluster.count(API.listOffsets)).toBe(3);
    await topics.list(['t']);
    expect(cluster.count(API.listOffsets)).toBe(3);
  });
});
