import { describe, expect, it } from 'vitest';
import { LogError } from '../protocol/index.ts';
import { createTestGateway } from '../testing/test-gateway.ts';
import { Admin } from './admin.ts';
import { Consumer } from './consumer.ts';

async function setUp() {
  const gateway = await createTestGateway({ autoCreateTopics: false });
  const admin = new Admin({ transport: gateway.transport, reconnectBackoffMs: 1 });
  return { gateway, admin, [Symbol.asyncDispose]: () => admin.close() };
}

describe('Admin', () => {
  it('creates, lists and deletes topics', async () => {
    await using context = await setUp();
    const { admin } = context;
    const created = await admin.createTopic({ name: 'b', partitions: 2, config: { 'retention.ms': '1000' } });
    expect(created).toMatchObject({
      name: 'b',
      internal: false,
      partitions: [{ topic: 'b', partition: 0 }, { partition: 1 }],
    });
    await admin.createTopic({ name: 'a' });
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['a', 'b']);
    await admin.deleteTopic('b');
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['a']);
  });
  it('says with the code what is wrong', async () => {
    await using context = await setUp();
    const { admin } = context;
    const codeOf = async (work: Promise<unknown>) => LogError.from(await work.catch((error: unknown) => error)).code;
    await admin.createTopic({ name: 'a' });
    expect(await codeOf(admin.createTopic({ name: 'a' }))).toBe('TOPIC_ALREADY_EXISTS');
    expect(await codeOf(admin.createTopic({ name: 'a/b' }))).toBe('INVALID_TOPIC_EXCEPTION');
    expect(await codeOf(admin.createTopic({ name: 'c', partitions: 0 }))).toBe('INVALID_PARTITIONS');
    expect(await codeOf(admin.createTopic({ name: 'c', replicationFactor: 1.5 }))).toBe('INVALID_REPLICATION_FACTOR');
    // @ts-expect-error a misspelt key
    await expect(admin.createTopic({ name: 'c', partition: 3 })).rejects.toThrow(/did you mean "partitions"/);
    // @ts-expect-error a number among the strings
    expect(await codeOf(admin.createTopic({ name: 'c', config: { 'retention.ms': 5 } }))).toBe('INVALID_REQUEST');
    expect(await codeOf(admin.deleteTopic('nowhere'))).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(await codeOf(admin.describeGroup('nobody'))).toBe('GROUP_ID_NOT_FOUND');
    expect(await codeOf(admin.describeGroup(''))).toBe('INVALID_GROUP_ID');
    // @ts-expect-error a misspelt option
    await expect(admin.listTopics({ timeout: 5 })).rejects.toThrow(/unknown key "timeout" \(did you mean "timeoutMs"/);
  });
  it('lists and describes groups', async () => {
    await using context = await setUp();
    const { admin, gateway } = context;
    const { topicId } = await gateway.log.createTopic({ name: 'a' });
    await gateway.produce('a', ['1', '2', '3']);
    await gateway.log.groups.commit('billing', undefined, [{ topicId, partition: 0, offset: 1, metadata: 'm' }]);
    expect(await admin.listGroups()).toEqual([{ groupId: 'billing', state: 'Empty', members: 0 }]);
    expect(await admin.describeGroup('billing')).toMatchObject({
      groupId: 'billing',
      offsets: [{ topic: 'a', partition: 0, committed: 1, metadata: 'm', end: 3, lag: 2 }],
    });
  });
  it('deletes a group with its commits, but not under its members', async () => {
    await using context = await setUp();
    const { admin, gateway } = context;
    await gateway.produce('a', ['1', '2', '3']);
    const connect = { transport: gateway.transport, groupId: 'billing' };
    const member = new Consumer({ ...connect, autoOffsetReset: 'earliest' });
    await member.subscribe('a');
    await member.commit([{ topic: 'a', partition: 0, offset: 2 }]);
    await expect(admin.deleteGroup('billing')).rejects.toMatchObject({
      code: 'NON_EMPTY_GROUP',
      retriable: false,
      message: expect.stringContaining('billing'),
    });
    await member.close();
    await admin.deleteGroup('billing');
    expect(await admin.listGroups()).toEqual([]);
    await expect(admin.deleteGroup('billing')).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' });
    await expect(admin.deleteGroup('')).rejects.toMatchObject({ code: 'INVALID_GROUP_ID' });
    await using later = new Consumer(connect);
    expect(await later.committed({ topic: 'a', partition: 0 })).toBeNull();
  });
  it.each([
    ['deleteGroup', (admin: Admin) => admin.listGroups()],
    ['deleteTopic', (admin: Admin) => admin.listTopics()],
  ] as const)('%s whose answer is lost with its connection is asked again, and is done', async (call, list) => {
    await using context = await setUp();
    const { admin, gateway } = context;
    const { topicId } = await gateway.log.createTopic({ name: 'a' });
    await gateway.log.groups.commit('a', undefined, [{ topicId, partition: 0, offset: 1 }]);
    const answers = gateway.hold(call, { answers: true });
    const deleted = admin[call]('a');
    await answers.whenWaiting();
    gateway.dropConnections();
    answers.release();
    await deleted;
    expect(await list(admin)).toEqual([]);
    // Nothing was lost this time: there was nothing to delete.
    await expect(admin[call]('a')).rejects.toMatchObject({
      code: /Group/.test(call) ? 'GROUP_ID_NOT_FOUND' : 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });
  it('asks again on the next connection when one drops, and gives up on a timeout or a signal', async () => {
    await using context = await setUp();
    const { admin, gateway } = context;
    await admin.listTopics();
    gateway.refuseDials(true);
    gateway.dropConnections();
    await expect(admin.listTopics({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    const stop = new AbortController();
    const listed = admin.listTopics({ signal: stop.signal });
    stop.abort();
    await expect(listed).rejects.toMatchObject({ code: 'ABORTED' });
    const again = admin.listTopics();
    gateway.refuseDials(false);
    expect(await again).toEqual([]);
  });
  it('fails with CLOSED after close()', async () => {
    const { admin, gateway } = await setUp();
    await admin.listTopics();
    await admin.close();
    await admin.close();
    expect(gateway.transport.sockets).toHaveLength(0);
    await expect(admin.listTopics()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
