import { expect, it, onTestFinished, vi } from 'vitest';
import type { Cluster } from '../../cluster.ts';
import { kafkaLog } from '../../index.ts';
import { brokers, describeWithKafka, openCluster, unique } from '../../test-kafka.ts';
import { type ByTopic, decodeAssignment, decodeSubscription } from './consumer-protocol.ts';
import { classicCoordinator } from './requests.ts';
import { javaConsumer, TestMember, wishes } from './test-members.ts';

async function setUp(...partitions: number[]) {
  const cluster = await openCluster({ metadataMaxAgeMs: 500 });
  const log = await kafkaLog({ brokers });
  const topics = partitions.map((_, i) => unique(`classic-${i}`));
  for (const [i, name] of topics.entries()) await log.createTopic({ name, partitions: partitions[i] });
  onTestFinished(async () => {
    for (const name of topics) await log.deleteTopic(name);
    await log.close();
  });
  await cluster.refresh();
  const [topic = ''] = topics;
  return { cluster, log, topics, topic, groupId: unique('classic-group') };
}
const all = (topic: string, count: number) => Array.from({ length: count }, (_, i) => `${topic}/${i}`);
const keysOf = (byTopic: ByTopic): string[] =>
  [...byTopic].flatMap(([topic, numbers]) => numbers.map((partition) => `${topic}/${partition}`)).sort();
const soon = <T>(check: () => T) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

/** As the coordinator sees it: what each member has now, and what it said it had when it joined last. */
async function seen(cluster: Cluster, groupId: string) {
  const group = await classicCoordinator(cluster, groupId, 'test').describe();
  return {
    state: group?.groupState,
    protocol: group?.protocolData,
    members: (group?.members ?? []).map(({ memberId, groupInstanceId, memberMetadata, memberAssignment }) => ({
      isJava: memberId.startsWith('console-consumer'),
      instanceId: groupInstanceId,
      has: keysOf(decodeAssignment(memberAssignment)),
      said: memberMetadata.length === 0 ? [] : keysOf(decodeSubscription(memberMetadata).owned),
    })),
  };
}

describeWithKafka('a member that speaks the classic protocol', () => {
  it('gets every partition while it is alone', async () => {
    const { cluster, topic, groupId } = await setUp(3);
    const member = await new TestMember(cluster, groupId, wishes([topic])).join();
    expect(member.owned).toEqual(all(topic, 3));
    expect(member.epochs).toEqual([1]);
    expect(member.driver.memberEpoch).toBe(1);
  });

  it('keeps what stays when another one joins, and lets go of the rest first', async () => {
    const { cluster, topic, groupId } = await setUp(4);
    const first = await new TestMember(cluster, groupId, wishes([topic])).join();
    first.keeps = true;
    const second = await new TestMember(cluster, groupId, wishes([topic])).join();
    expect(second.owned).toEqual([]);
    await soon(() => expect(first.owned).toHaveLength(2));
    first.letGo();
    await soon(() => expect(second.owned).toHaveLength(2));
    expect([...first.owned, ...second.owned].sort()).toEqual(all(topic, 4));
    await second.driver.leave();
    await soon(() => expect(first.owned).toEqual(all(topic, 4)));
    expect(second.fenced).toBe(undefined);
  });

  it('is replaced without a rebalance, leader or not', async () => {
    const { cluster, topic, groupId } = await setUp(4);
    const leader = await new TestMember(cluster, groupId, wishes([topic])).join();
    const follower = await new TestMember(cluster, groupId, wishes([topic])).join();
    await soon(() => expect(follower.owned).toHaveLength(2));
    await soon(() => expect(leader.driver.memberEpoch).toBe(follower.driver.memberEpoch));
    for (const old of [leader, follower]) {
      const { instanceId, driver } = old;
      const epoch = driver.memberEpoch;
      const next = new TestMember(cluster, groupId, wishes([topic]), { instanceId, replaces: driver.memberId });
      await next.join();
      expect(next.told).toEqual([old.owned]);
      expect(next.epochs).toEqual([epoch]);
      await soon(() => expect(old.fenced?.code).toBe('FENCED_INSTANCE_ID'));
    }
  });

  it('takes its predecessor up with another subscription: the group decides anew', async () => {
    const { cluster, topics, groupId } = await setUp(2, 2);
    const [one = '', other = ''] = topics;
    const leader = await new TestMember(cluster, groupId, wishes([one])).join();
    const old = await new TestMember(cluster, groupId, wishes([one])).join();
    await soon(() => expect(old.owned).toHaveLength(1));
    const { instanceId, driver } = old;
    const next = new TestMember(cluster, groupId, wishes([other]), { instanceId, replaces: driver.memberId });
    await next.join();
    await soon(() => expect(next.owned).toEqual(all(other, 2)));
    await soon(() => expect(leader.owned).toEqual(all(one, 2)));
  });

  it('says what it wants instead, and hears what it has then as the answer', async () => {
    const { cluster, topics, groupId } = await setUp(2, 2);
    const [one = '', other = ''] = topics;
    const member = await new TestMember(cluster, groupId, wishes([one])).join();
    await member.update(wishes([one, other]));
    expect(member.told).toEqual([all(one, 2), [...all(one, 2), ...all(other, 2)].sort()]);
    await member.update(wishes([other]));
    expect(member.owned).toEqual(all(other, 2));
    // It lets go of the other one, and joins once more.
    await soon(() => expect(member.driver.memberEpoch).toBe(4));
    expect(member.driver.revoking()).toEqual([]);
  });

  it('follows partitions that are added and topics that are created, whoever leads', async () => {
    const { cluster, log, topic, groupId } = await setUp(1);
    const late = unique('classic-late');
    onTestFinished(() => log.deleteTopic(late));
    const leader = await new TestMember(cluster, groupId, wishes([topic, late])).join();
    const follower = await new TestMember(cluster, groupId, wishes([topic, late])).join();
    expect([leader.owned, follower.owned]).toEqual([all(topic, 1), []]);
    await log.createTopic({ name: late, partitions: 3 });
    await soon(() => expect([leader.owned.length, follower.owned.length]).toEqual([2, 2]));
    expect([...leader.owned, ...follower.owned].sort()).toEqual([...all(topic, 1), ...all(late, 3)].sort());
  });

  it('does not let go in time: it is fenced, and the others get what it had', async () => {
    const { cluster, topic, groupId } = await setUp(2);
    const first = await new TestMember(cluster, groupId, wishes([topic], { rebalanceTimeoutMs: 1_500 })).join();
    first.keeps = true;
    const second = await new TestMember(cluster, groupId, wishes([topic])).join();
    await soon(() => expect(first.fenced?.code).toBe('FENCED_MEMBER_EPOCH'));
    await soon(() => expect(second.owned).toEqual(all(topic, 2)));
  });

  it("with 'range' lets go of everything before it joins again, and gets ranges", async () => {
    const { cluster, topics, groupId } = await setUp(3, 3);
    const how = wishes(topics, { assignor: 'range' });
    const first = await new TestMember(cluster, groupId, how, { instanceId: unique('a') }).join();
    const second = await new TestMember(cluster, groupId, how, { instanceId: unique('b') }).join();
    await soon(() => expect(first.owned).toHaveLength(4));
    expect(first.told).toHaveLength(3);
    expect(first.told[1]).toEqual([]);
    expect(first.owned).toEqual(topics.flatMap((topic) => [`${topic}/0`, `${topic}/1`]).sort());
    expect(second.owned).toEqual(topics.map((topic) => `${topic}/2`).sort());
    // Whoever wants the other way decides for all.
    const third = await new TestMember(cluster, groupId, wishes(topics)).join();
    await soon(() => expect([first, second, third].map(({ owned }) => owned.length)).toEqual([2, 2, 2]));
    expect((await seen(cluster, groupId)).protocol).toBe('cooperative-sticky');
  });

  it('hears that the coordinator does not know it any more', async () => {
    const { cluster, topic, groupId } = await setUp(1);
    const member = await new TestMember(cluster, groupId, wishes([topic])).join();
    const { memberId } = member.driver;
    await classicCoordinator(cluster, groupId, 'test').leave({ memberId, instanceId: member.instanceId });
    await member.driver.refresh();
    expect(member.fenced?.code).toBe('UNKNOWN_MEMBER_ID');
  });

  it('asks for a session longer or shorter than brokers allow: it gets the nearest that they usually do', async () => {
    const { cluster, topic, groupId } = await setUp(1);
    const member = new TestMember(cluster, groupId, wishes([topic], { sessionTimeoutMs: 86_400_000 }));
    expect((await member.join()).owned).toEqual(all(topic, 1));
  });
});

describeWithKafka("a member in one group with Java's own consumers", () => {
  const strategies = 'partition.assignment.strategy';
  const java = (name: string) => `org.apache.kafka.clients.consumer.${name}`;

  it("follows a leader of Java's, then leads it", { timeout: 60_000 }, async () => {
    const { cluster, topic, groupId } = await setUp(6);
    const theirs = await javaConsumer(groupId, topic, { [strategies]: java('CooperativeStickyAssignor') });
    const stable = (...counts: number[]) =>
      vi.waitFor(
        async () => {
          const now = await seen(cluster, groupId);
          expect(now.state, theirs.stderr()).toBe('Stable');
          expect(now.members.map(({ has }) => has.length).sort()).toEqual(counts);
          expect(now.members.flatMap(({ has }) => has).sort()).toEqual(all(topic, 6));
          return now;
        },
        { timeout: 30_000, interval: 100 },
      );
    await stable(6);
    const first = await new TestMember(cluster, groupId, wishes([topic])).join();
    const second = await new TestMember(cluster, groupId, wishes([topic])).join();
    const { protocol, members } = await stable(2, 2, 2);
    expect(protocol).toBe('cooperative-sticky');
    const before = [first, second].map(({ owned }) => [...owned]);
    for (const { instanceId, has } of members) {
      const ours = [first, second].find((member) => member.instanceId === instanceId);
      if (ours !== undefined) expect(ours.owned).toEqual(has);
    }
    theirs.child.kill('SIGTERM');
    await stable(3, 3);
    for (const [i, { owned }] of [first, second].entries())
      expect(owned).toEqual(expect.arrayContaining(before[i] ?? []));
    // Now one of ours leads.
    await javaConsumer(groupId, topic, { [strategies]: java('CooperativeStickyAssignor') });
    await stable(2, 2, 2);
    await second.driver.leave();
    await stable(3, 3);
    const again = await new TestMember(cluster, groupId, wishes([topic])).join();
    const last = (await stable(2, 2, 2)).members.find(({ isJava }) => isJava);
    // It has understood what it was given: it says so.
    expect(last?.said).toEqual(last?.has);
    await soon(() => expect([first, again].map(({ owned }) => owned.length)).toEqual([2, 2]));
  });

  it("shares ranges with those that Java's are used to", { timeout: 60_000 }, async () => {
    const { cluster, topic, groupId } = await setUp(5);
    const first = await new TestMember(cluster, groupId, wishes([topic], { assignor: 'range' })).join();
    await javaConsumer(groupId, topic);
    await vi.waitFor(
      async () => {
        const { protocol, state, members } = await seen(cluster, groupId);
        expect([protocol, state]).toEqual(['range', 'Stable']);
        expect(members.map(({ isJava, has }) => [isJava, has])).toEqual(
          expect.arrayContaining([
            [false, [0, 1, 2].map((i) => `${topic}/${i}`)],
            [true, [3, 4].map((i) => `${topic}/${i}`)],
          ]),
        );
      },
      { timeout: 30_000, interval: 100 },
    );
    await soon(() => expect(first.owned).toEqual([0, 1, 2].map((i) => `${topic}/${i}`)));
  });
});
