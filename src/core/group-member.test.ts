// What a member gives up and takes on, and how one assignment follows another.
import { describe, expect, it } from 'vitest';
import { createTestGateway, ManualClock } from '../testing/index.ts';
import { Consumer } from './consumer.ts';
import { type AssignedPartition, reconcile } from './group-member.ts';

const at = (topic: string, partition: number): AssignedPartition => ({ topic, topicId: `id of ${topic}`, partition });
const topic = (name: string, ...partitions: number[]) => ({ topic: name, topicId: `id of ${name}`, partitions });

describe('reconcile', () => {
  it('revokes what is gone and adds what is new, and leaves the rest alone', () => {
    const owned = [at('t', 0), at('t', 1), at('u', 0)];
    expect(reconcile(owned, [topic('t', 1, 2), topic('v', 0)])).toEqual({
      revoked: [at('t', 0), at('u', 0)],
      added: [at('t', 2), at('v', 0)],
    });
  });
  it('takes a topic of another id for another topic', () => {
    const again = { topic: 't', topicId: 'another', partitions: [0] };
    expect(reconcile([at('t', 0)], [again])).toEqual({
      revoked: [at('t', 0)],
      added: [{ topic: 't', topicId: 'another', partition: 0 }],
    });
  });
});

describe('a member', () => {
  it('of a static id that another takes over is fenced for good with FENCED_INSTANCE_ID', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await gateway.produce('t', ['a']);
    const config = {
      transport: gateway.transport,
      groupId: 'g',
      groupInstanceId: 'one',
      autoOffsetReset: 'earliest',
      autoCommit: false,
    } as const;
    await using older = new Consumer(config);
    const calls: string[] = [];
    await older.subscribe('t', { listener: { onPartitionsLost: () => void calls.push('lost') } });
    await using newer = new Consumer(config);
    await newer.subscribe('t');
    await expect(older.poll({ timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' });
    expect(calls).toEqual(['lost']);
    expect(await newer.poll()).toHaveLength(1);
  });
  it('that is closing takes nothing on any more', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: 2 }] });
    const config = { transport: gateway.transport, groupId: 'g', autoOffsetReset: 'earliest' } as const;
    await using other = new Consumer(config);
    await other.subscribe('t');
    await using closing = new Consumer(config);
    const calls: string[] = [];
    const give = async (): Promise<void> => {
      calls.push('revoked');
      await other.close();
      // What the other had is offered to this one, as it has not left yet.
      await closing.committed({ topic: 't', partition: 0 });
    };
    await closing.subscribe('t', {
      listener: { onPartitionsAssigned: () => void calls.push('assigned'), onPartitionsRevoked: give },
    });
    while (closing.assignment().length === 0) await other.poll({ timeoutMs: 1 });
    await closing.close();
    expect(calls).toEqual(['assigned', 'revoked']);
  });
  it('of a pattern joins topics that match later', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 'a1' }] });
    await using consumer = new Consumer({ transport: gateway.transport, groupId: 'g', autoOffsetReset: 'latest' });
    await consumer.subscribe(/a\d/);
    expect(consumer.assignment()).toEqual([{ topic: 'a1', partition: 0 }]);
    await gateway.produce('a2', ['new']);
    expect(await consumer.poll({ timeoutMs: 5_000 })).toMatchObject([{ topic: 'a2', offset: 0 }]);
  });
  it('of a pattern joins topics that appeared while it was away', async () => {
    const clock = new ManualClock();
    await using gateway = await createTestGateway({ clock, topics: [{ name: 'a1' }] });
    await using consumer = new Consumer({ transport: gateway.transport, clock, groupId: 'g' });
    await consumer.subscribe(/a\d/);
    gateway.refuseDials(true);
    gateway.dropConnections();
    await clock.settle();
    await gateway.log.createTopic({ name: 'a2' });
    gateway.refuseDials(false);
    await clock.until(() => consumer.assignment().length === 2);
    expect([...consumer.subscription()].sort()).toEqual(['a1', 'a2']);
  });
  it('may commit in onPartitionsRevoked, also when it unsubscribes', async () => {
    await using gateway = await createTestGateway({ topics: [{ name: 't' }] });
    await using other = new Consumer({ transport: gateway.transport, groupId: 'g' });
    await other.subscribe('elsewhere');
    await using consumer = new Consumer({ transport: gateway.transport, groupId: 'g', autoCommit: false });
    const at = { topic: 't', partition: 0 };
    const offsets: (number | undefined)[] = [];
    await consumer.subscribe('t', {
      listener: {
        onPartitionsRevoked: async (partitions, view) => {
          await view.commit(partitions.map((partition) => ({ ...partition, offset: 7 })));
          offsets.push((await view.committed(at))?.offset);
        },
      },
    });
    await consumer.unsubscribe();
    expect(offsets).toEqual([7]);
    expect(consumer.groupMetadata()).toBeNull();
  });
  it('that left while it waited to try again leaves alone what it got when it joined anew', async () => {
    const clock = new ManualClock();
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't' }] });
    await using consumer = new Consumer({ transport: gateway.transport, clock, groupId: 'g' });
    const calls: string[] = [];
    const listener = {
      onPartitionsAssigned: () => void calls.push('assigned'),
      onPartitionsRevoked: () => void calls.push('revoked'),
      onPartitionsLost: () => void calls.push('lost'),
    };
    gateway.failNext('join', 'COORDINATOR_NOT_AVAILABLE');
    const first = consumer.subscribe('t', { listener });
    await clock.settle();
    expect(consumer.groupMetadata()).toBeNull();
    await consumer.unsubscribe();
    await consumer.subscribe('t', { listener });
    await clock.tick(5_000);
    await first;
    expect(calls).toEqual(['assigned']);
  });
});
