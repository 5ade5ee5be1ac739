// What a cluster that asks who we are lets us do, and what of its refusals reaches a client. On a broker of its own.
import {
  AclOperations,
  AclPermissionTypes,
  createAclsV3,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka';
import { Admin, Consumer, Producer } from 'distributedlog/node';
import { encodeBatch, type LogError } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Cluster as OwnCluster, startCluster } from '../../../../e2e/kafka/cluster.mjs';
import { findJava, KafkaUnavailable } from '../../../../e2e/kafka/java.mjs';
import { openGateway } from '../../test-support.ts';
import { TEST_CERT, TEST_KEY } from '../../test-tls.ts';
import { answered, apiFamily } from './api-family.ts';
import { type KafkaLogOptions, kafkaLog } from './index.ts';
import { brokers, openCluster } from './test-kafka.ts';

function canStartOne(): boolean {
  try {
    findJava();
    return brokers.length > 0;
  } catch (error) {
    if (error instanceof KafkaUnavailable) return false;
    throw error;
  }
}

const CREATE_ACLS = apiFamily('CreateAcls', createAclsV3.api.key, { 3: answered(createAclsV3.api) });
const PASSWORD = 'a long password: 1?';
const users = { limited: PASSWORD, nobody: PASSWORD };
const tls = { ca: TEST_CERT };
type Allowed = readonly [type: 'TOPIC' | 'GROUP' | 'CLUSTER', name: string, operation: keyof typeof AclOperations];

describe.skipIf(!canStartOne() && process.env.REQUIRE_KAFKA !== '1')('a cluster that asks who we are', () => {
  let own: OwnCluster;
  let admin: Log;

  beforeAll(async () => {
    own = await startCluster({ users, tls: { key: TEST_KEY, cert: TEST_CERT } });
    admin = await kafkaLog({ brokers: own.bootstrap.split(',') });
  }, 120_000);
  afterAll(async () => {
    await admin?.close();
    await own?.close();
  });

  async function allow(user: string, ...allowed: Allowed[]): Promise<void> {
    const cluster = await openCluster({ brokers: own.bootstrap.split(',') });
    const acls = allowed.map(([type, resourceName, operation]) => ({
      resourceType: ResourceTypes[type],
      resourceName,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: `User:${user}`,
      host: '*',
      operation: AclOperations[operation],
      permissionType: AclPermissionTypes.ALLOW,
    }));
    const { results } = await cluster.any(CREATE_ACLS, acls);
    expect(results.map(({ errorCode }) => errorCode)).toEqual(acls.map(() => 0));
  }
  async function openAs(username: keyof typeof users, options: Partial<KafkaLogOptions> = {}): Promise<Log> {
    const sasl = { mechanism: 'SCRAM-SHA-512', username, password: users[username] } as const;
    const log = await kafkaLog({ brokers: own.secureBootstrap.split(','), tls, sasl, ...options });
    onTestFinished(() => log.close());
    return log;
  }
  const batch = () => encodeBatch([{ key: null, value: new Uint8Array([1]), timestamp: Date.now() }], {});
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'ok',
      (error: LogError) => error.code,
    );

  it.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('takes %s, over TLS', async (mechanism) => {
    const log = await openAs('nobody', { sasl: { mechanism, username: 'nobody', password: PASSWORD } });
    expect(log.health()).toBeUndefined();
    expect(log.logId).toBe(admin.logId);
    expect(await log.topics()).toEqual([]);
  });

  it.each([
    [
      'a wrong password',
      { sasl: { mechanism: 'SCRAM-SHA-512', username: 'limited', password: 'wrong' } },
      /authentication/i,
    ],
    ['a mechanism the broker does not have', { sasl: { mechanism: 'OAUTHBEARER', token: 'x' } }, /mechanism/i],
    ['no TLS', { tls: false }, /Kafka at 127\.0\.0\.1:\d+/],
    ['a certificate nobody vouches for', { tls: true }, /certificate/i],
    ['another name in the certificate', { tls: { ca: TEST_CERT, servername: 'elsewhere' } }, /elsewhere/],
  ] as const)('says what is wrong with %s, and stays up', async (_, options, why) => {
    const log = await openAs('limited', { requestTimeoutMs: 2_000, ...options });
    expect(log.health()).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', message: expect.stringMatching(why) });
    expect(log.health()?.message).not.toContain('\n');
    expect(log.health()?.message).not.toContain(PASSWORD);
    expect(log.logId).toBeUndefined();
    expect(await codeOf(log.topics())).toBe('BROKER_NOT_AVAILABLE');
  });

  it('refuses by topic and by group what nobody allowed, in the words of the protocol', async () => {
    const [readable, writable, secret] = await Promise.all(
      ['readable', 'writable', 'secret'].map((name) => admin.createTopic({ name })),
    );
    if (readable === undefined || writable === undefined || secret === undefined) throw new Error('there are three');
    await admin.append({ topicId: readable.topicId, partition: 0 }, batch());
    await allow(
      'limited',
      ['TOPIC', 'readable', 'READ'],
      ['TOPIC', 'writable', 'WRITE'],
      ['GROUP', 'ours', 'READ'],
      ['GROUP', 'watched', 'DESCRIBE'],
    );
    const log = await openAs('limited');
    await vi.waitFor(async () => expect((await log.topics()).length).toBe(2));
    expect((await log.topics()).map(({ name }) => name)).toEqual(['readable', 'writable']);
    await expect(log.topics(['readable', 'secret'])).rejects.toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
      topic: 'secret',
      retriable: false,
    });
    const read = (topicId: string) =>
      log.read({
        topicId,
        partition: 0,
        offset: 0,
        isolation: 'read_uncommitted',
        maxBytes: 1_000,
        minBytes: 1,
        maxWaitMs: 0,
        headroom: 0,
      });
    const append = (topicId: string) => log.append({ topicId, partition: 0 }, batch());
    expect((await read(readable.topicId)).nextOffset).toBe(1);
    expect((await append(writable.topicId)).baseOffset).toBe(0);
    expect(await codeOf(append(readable.topicId))).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await codeOf(read(writable.topicId))).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await codeOf(log.createTopic({ name: 'mine' }))).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await codeOf(log.deleteTopic('readable'))).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await codeOf(log.initProducer())).toBe('ok');
    expect(await codeOf((await openAs('nobody')).initProducer())).toBe('TOPIC_AUTHORIZATION_FAILED');

    const offset = { topicId: readable.topicId, partition: 0, offset: 1 };
    expect((await log.groups.commit('ours', undefined, [offset])).map(({ error }) => error?.code)).toEqual([undefined]);
    expect((await log.groups.committed('ours', [offset]))[0]?.offset).toBe(1);
    const refused = async (work: Promise<readonly { error?: LogError | undefined }[]>) =>
      work.then(
        ([first]) => first?.error?.code,
        (error: LogError) => error.code,
      );
    expect(await refused(log.groups.commit('theirs', undefined, [offset]))).toBe('GROUP_AUTHORIZATION_FAILED');
    expect(await refused(log.groups.committed('theirs', [offset]))).toBe('GROUP_AUTHORIZATION_FAILED');
    expect(await refused(log.groups.commit('ours', undefined, [{ ...offset, topicId: writable.topicId }]))).toBe(
      'TOPIC_AUTHORIZATION_FAILED',
    );
  });

  it('reaches a client of the gateway as what it is', async () => {
    await admin.createTopic({ name: 'seen' });
    await admin.createTopic({ name: 'unseen' });
    await admin.createTopic({ name: 'sealed' });
    await allow('limited', ['TOPIC', 'seen', 'READ'], ['TOPIC', 'sealed', 'DESCRIBE'], ['GROUP', 'mine', 'READ']);
    const { gateway } = await openGateway({ log: await openAs('limited') });
    const client = { bootstrapServers: gateway.url };
    const open = (groupId?: string) => {
      const consumer = new Consumer({ ...client, groupId, autoOffsetReset: 'earliest' });
      onTestFinished(() => consumer.close({ timeoutMs: 1_000 }).catch(() => undefined));
      return consumer;
    };
    const producer = new Producer({ ...client, lingerMs: 0 });
    const asAdmin = new Admin(client);
    onTestFinished(async () => {
      await producer.close({ timeoutMs: 0 }).catch(() => undefined);
      await asAdmin.close();
    });
    await vi.waitFor(async () => expect((await asAdmin.listTopics()).length).toBeGreaterThan(1));
    await expect(producer.send({ topic: 'seen', value: 'x' })).rejects.toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
    });
    await expect(open().assign([{ topic: 'unseen', partition: 0 }])).rejects.toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
    });
    const sealed = open();
    await sealed.assign([{ topic: 'sealed', partition: 0 }]);
    await expect(sealed.poll({ timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' });
    await expect(open('theirs').subscribe('seen')).rejects.toMatchObject({ code: 'GROUP_AUTHORIZATION_FAILED' });
    const member = open('mine');
    await member.subscribe('seen');
    await admin.append({ topicId: (await admin.topics(['seen']))[0]?.topicId ?? '', partition: 0 }, batch());
    expect((await member.poll({ timeoutMs: 10_000 })).length).toBe(1);
    await member.commit();
  });
});
