// Members that outlive their connection and their page, and what they must not deliver meanwhile.
import { describe, expect, it } from 'vitest';
import { LogError } from '../protocol/index.ts';
import { createTestGateway, ManualClock, memoryKeepsake, type TestGateway } from '../testing/index.ts';
import { Client } from './client.ts';
import { eventsOf, tapped, textConsumerOf, values } from './consumer.test-support.ts';
import type { Clock, ConsumerConfig, RebalanceListener, TopicPartition } from './public.ts';

const clock = new ManualClock();

/** Says what it heard. */
function listenerOf() {
  const heard: string[] = [];
  const tell = (what: string) => (partitions: readonly TopicPartition[]) =>
    void heard.push(`${what} ${partitions.map(({ partition }) => partition).join()}`);
  const listener: RebalanceListener = {
    onPartitionsAssigned: tell('assigned'),
    onPartitionsRevoked: tell('revoked'),
    onPartitionsLost: tell('lost'),
  };
  return { heard, listener };
}
const gatewayOf = (partitions = 2) => createTestGateway({ clock, topics: [{ name: 't', partitions }] });
const readerOf = (gateway: TestGateway, config: ConsumerConfig<string, string> = {}) =>
  textConsumerOf(gateway, { clock, groupId: 'g', ...config });

describe('a member whose connection drops', () => {
  it('comes back with its token as the same member, from the positions in memory, and nobody hears of it', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', ['a', 'b', 'c']);
    const tap = tapped(gateway);
    await using consumer = readerOf(gateway, { transport: tap.transport, maxPollRecords: 2, autoCommit: false });
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    await clock.settle();
    expect(values(await consumer.poll())).toEqual(['a', 'b']);
    const before = consumer.groupMetadata();
    const events = eventsOf(consumer);
    for (let i = 1; i <= 3; i++) {
      gateway.dropConnections();
      await clock.until(() => tap.received.filter(({ type }) => type === 'join').length > i);
    }
    expect(values(await consumer.poll())).toEqual(['c']);
    expect(consumer.groupMetadata()).toEqual(before);
    expect(heard).toEqual(['assigned 0,1']);
    expect(events.filter(({ type }) => type === 'rebalance')).toEqual([]);
    const answers = tap.received.filter((frame) => frame.type === 'join');
    const [, ...rejoins] = tap.of('join');
    expect(rejoins.map(({ memberId, resumeToken }) => [memberId, resumeToken])).toEqual(
      answers.slice(0, -1).map(({ memberId, resumeToken }) => [memberId, resumeToken]),
    );
    expect(new Set(answers.map(({ resumeToken }) => resumeToken)).size).toBe(4);
    // Each answer is known to have come.
    expect(tap.sent.filter(({ type }) => type === 'join' || type === 'owned').map(({ type }) => type)).toEqual(
      answers.flatMap(() => ['join', 'owned']),
    );
  });

  it('has lost what it had when it comes back too late, and joins anew', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', ['a', 'b']);
    await using consumer = readerOf(gateway, { maxPollRecords: 1, autoCommit: false });
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    await clock.settle();
    expect(values(await consumer.poll())).toEqual(['a']);
    const memberId = consumer.groupMetadata()?.memberId;
    gateway.refuseDials(true);
    gateway.dropConnections();
    await clock.tick(29_000);
    expect(consumer.groupMetadata()?.memberId).toBe(memberId);
    await clock.tick(2_000);
    gateway.refuseDials(false);
    await clock.until(() => consumer.groupMetadata() === null);
    // What is in hand is given up by the next poll, not before; and nothing may be committed of it.
    const offsets = [{ topic: 't', partition: 0, offset: 1 }];
    await expect(consumer.commit(offsets)).rejects.toMatchObject({ code: 'COMMIT_FAILED' });
    expect(heard).toEqual(['assigned 0,1']);
    expect(values(await clock.run(consumer.poll({ timeoutMs: 5_000 })))).toEqual(['a']);
    expect(heard).toEqual(['assigned 0,1', 'lost 0,1', 'assigned 0,1']);
    expect(consumer.groupMetadata()?.memberId).not.toBe(memberId);
  });

  it('does not go on, as its next membership, with a commit that the lost one began', async () => {
    await using gateway = await gatewayOf(1);
    await gateway.produce('t', ['a', 'b']);
    await using consumer = readerOf(gateway, { autoCommit: false });
    await consumer.subscribe('t');
    await clock.settle();
    const offsets = [{ topic: 't', partition: 0, offset: 1 }];
    gateway.failNext('commit', 'REBALANCE_IN_PROGRESS');
    const outcomes = Promise.allSettled([consumer.commit(offsets), consumer.commit(offsets)]);
    await clock.settle();
    const before = consumer.groupMetadata()?.memberId;
    await gateway.expireSession('g', before);
    await clock.settle();
    // The same partition again, but others may have had it in between.
    expect(consumer.assignment()).toEqual([{ topic: 't', partition: 0 }]);
    expect(consumer.groupMetadata()?.memberId).not.toBe(before);
    const failed = { status: 'rejected', reason: { code: 'COMMIT_FAILED' } };
    expect(await clock.run(outcomes)).toMatchObject([failed, failed]);
    expect((await gateway.describeGroup('g')).offsets).toMatchObject([{ committed: null }]);
    await consumer.commit(offsets);
  });

  it('does not wait any longer for positions of what it lost: its listener hears so, and then of the next assignment', async () => {
    await using gateway = await gatewayOf(1);
    await using consumer = readerOf(gateway);
    const heard: string[] = [];
    using lookups = gateway.hold('committed');
    const subscribed = consumer.subscribe('t', {
      listener: {
        async onPartitionsAssigned([partition], view) {
          heard.push('assigned');
          if (partition === undefined) return;
          const found = await view.position(partition).catch((error: unknown) => LogError.from(error).code);
          heard.push(String(found));
        },
        onPartitionsLost: () => void heard.push('lost'),
      },
    });
    await lookups.whenWaiting();
    await gateway.expireSession('g');
    await clock.settle();
    expect(heard).toEqual(['assigned', 'lost', 'ILLEGAL_STATE', 'assigned']);
    lookups.release();
    await clock.run(subscribed);
    expect(heard).toEqual(['assigned', 'lost', 'ILLEGAL_STATE', 'assigned', '0']);
  });

  it('in the middle of a revocation goes on with it, once', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', [
      { value: 'a', partition: 0 },
      { value: 'b', partition: 1 },
    ]);
    await using first = readerOf(gateway);
    const one = listenerOf();
    await first.subscribe('t', { listener: one.listener });
    await clock.settle();
    expect(await first.poll()).toHaveLength(2);
    await using second = readerOf(gateway);
    const two = listenerOf();
    const subscribed = second.subscribe('t', { listener: two.listener });
    await clock.settle();
    // The first has records of both in hand, so nothing has moved.
    expect(second.assignment()).toEqual([]);
    gateway.dropConnections();
    await clock.until(() => first.metrics().reconnects + second.metrics().reconnects === 2);
    await clock.settle();
    expect(one.heard).toEqual(['assigned 0,1']);
    await first.poll({ timeoutMs: 0 });
    await clock.run(subscribed);
    expect(one.heard).toEqual(['assigned 0,1', expect.stringMatching(/^revoked [01]$/)]);
    expect(two.heard).toEqual([one.heard[1]?.replace('revoked', 'assigned')]);
    // Committed before it went, so nothing comes again.
    await clock.settle();
    expect(await second.poll({ timeoutMs: 0 })).toEqual([]);
  });

  it('takes the assignment that is right behind the answer to its join', async () => {
    await using gateway = await gatewayOf(4);
    await using first = readerOf(gateway);
    await first.subscribe('t');
    const tap = tapped(gateway);
    await using second = readerOf(gateway, { transport: tap.transport });
    await second.subscribe('u');
    const joins = gateway.hold('join');
    const subscribed = second.subscribe(['t', 'u']);
    await clock.run(joins.whenWaiting());
    // Both come in one go, as from a socket that had them in one read.
    tap.hold(true);
    joins.release();
    await clock.settle();
    await first.poll({ timeoutMs: 0 });
    await clock.settle();
    expect(tap.held).toEqual(['join', 'assignment']);
    tap.hold(false);
    await clock.run(subscribed);
    expect(second.assignment()).toHaveLength(2);
    expect(tap.of('owned').at(-1)?.memberEpoch).toBe(second.groupMetadata()?.epoch);
  });

  it('waits for a slow answer to its join as long as it takes, and does not ask twice', async () => {
    await using gateway = await gatewayOf();
    const tap = tapped(gateway);
    await using consumer = readerOf(gateway, { transport: tap.transport });
    const joins = gateway.hold('join', { answers: true });
    const subscribed = consumer.subscribe('t');
    await clock.run(joins.whenWaiting());
    await clock.tick(65_000);
    joins.release();
    await clock.run(subscribed);
    expect(consumer.assignment()).toHaveLength(2);
    expect(tap.of('join')).toHaveLength(1);
  });

  it('states new topics in the join that takes it up again', async () => {
    await using gateway = await gatewayOf();
    await gateway.log.createTopic({ name: 'u' });
    const tap = tapped(gateway);
    await using consumer = readerOf(gateway, { transport: tap.transport });
    await consumer.subscribe('t');
    const memberId = consumer.groupMetadata()?.memberId;
    const joins = gateway.hold('join');
    const subscribed = consumer.subscribe(['t', 'u']);
    await clock.run(joins.whenWaiting());
    gateway.dropConnections();
    joins.release();
    await clock.run(subscribed);
    expect(consumer.assignment()).toHaveLength(3);
    expect(consumer.groupMetadata()?.memberId).toBe(memberId);
    expect(tap.of('join').map(({ resumeToken }) => resumeToken !== undefined)).toEqual([false, false, true]);
  });
});

describe('a member whose socket was taken over (4409)', () => {
  it('is at its end: nothing buffered is delivered, and onPartitionsLost says so', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', ['a', 'b', 'c']);
    await using client = new Client({ transport: gateway.transport, clock });
    const consumer = client.consumer({ groupId: 'g', autoOffsetReset: 'earliest', maxPollRecords: 1 });
    const other = client.consumer({ groupId: 'h' });
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    await other.subscribe('t');
    await clock.settle();
    expect(await consumer.poll()).toHaveLength(1);
    gateway.dropConnections(4409);
    await clock.settle();
    await expect(other.poll()).rejects.toMatchObject({ code: 'FENCED_MEMBER_EPOCH' });
    const offsets = [{ topic: 't', partition: 0, offset: 1 }];
    await expect(consumer.commit(offsets)).rejects.toMatchObject({ code: 'COMMIT_FAILED' });
    expect(heard).toEqual(['assigned 0,1']);
    for (let i = 0; i < 2; i++) {
      await expect(consumer.poll()).rejects.toMatchObject({ code: 'FENCED_MEMBER_EPOCH' });
    }
    await clock.settle();
    expect(heard).toEqual(['assigned 0,1', 'lost 0,1']);
    expect(consumer.groupMetadata()).toBeNull();
    await consumer.close();
    expect(heard).toEqual(['assigned 0,1', 'lost 0,1']);
  });

  it('hears of the loss at close() where no reader came by', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', ['a']);
    const consumer = readerOf(gateway);
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    await clock.settle();
    expect(await consumer.poll()).toHaveLength(1);
    gateway.dropConnections(4409);
    await clock.settle();
    await consumer.close();
    expect(heard).toEqual(['assigned 0,1', 'lost 0,1']);
  });
});

describe('a member that slept', () => {
  type Reader = ReturnType<typeof readerOf>;
  const surfaces: Record<string, (consumer: Reader, read: (value: string | null) => void) => Promise<unknown>> = {
    'poll()': async (consumer, read) => {
      for (;;) for (const { value } of await consumer.poll({ maxRecords: 1, timeoutMs: 1 })) read(value);
    },
    'for await': async (consumer, read) => {
      for await (const { value } of consumer) {
        read(value);
        await pause(1);
      }
    },
    'forEach()': (consumer, read) =>
      consumer.forEach(async ({ value }) => {
        read(value);
        await pause(1);
      }),
    'stream()': async (consumer, read) => consumer.stream().subscribe(({ value }) => read(value)),
  };
  let slept = 0;
  /** Does not run while the process sleeps, but tells afterwards how late it is. */
  const wallClock: Clock = {
    now: () => clock.now() + slept,
    after: (delayMs, callback) => clock.after(delayMs, callback),
  };
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));

  for (const [name, read] of Object.entries(surfaces)) {
    it(`gets nothing that is buffered before the gateway has answered, with ${name}`, async () => {
      await using gateway = await gatewayOf(1);
      const tap = tapped(gateway);
      const consumer = readerOf(gateway, { transport: tap.transport, clock: wallClock, autoCommit: false });
      await consumer.subscribe('t');
      const got: (string | null)[] = [];
      const reading = read(consumer, (value) => {
        got.push(value);
        if (value !== 'a') return;
        // Asleep: time passes, and nothing runs. What the gateway sent before it gave up lies in the socket.
        tap.hold(true);
        slept += 30_000;
      }).catch((error: unknown) => expect(error).toMatchObject({ code: 'CLOSED' }));
      await gateway.produce('t', name === 'stream()' ? ['a'] : ['a', 'b']);
      await clock.until(() => got.length > 0);
      if (name === 'stream()') await gateway.produce('t', ['b']);
      await clock.tick(100);
      expect(got).toEqual(['a']);
      expect(tap.of('ping').length).toBeGreaterThan(1);
      tap.hold(false);
      await clock.until(() => got.length > 1);
      expect(got).toEqual(['a', 'b']);
      await clock.run(consumer.close());
      await clock.run(reading);
    });
  }

  it('believes no assignment that is older than its sleep', async () => {
    await using gateway = await gatewayOf();
    const other = readerOf(gateway);
    await clock.run(other.subscribe('t'));
    const tap = tapped(gateway);
    await using sleeper = readerOf(gateway, { transport: tap.transport, clock: wallClock });
    const { heard, listener } = listenerOf();
    const subscribed = sleeper.subscribe('t', { listener });
    await clock.settle();
    await other.poll({ timeoutMs: 0 });
    await clock.run(subscribed);
    expect(heard).toEqual(['assigned 1']);
    tap.hold(true);
    await clock.run(other.close());
    await gateway.expireSession('g', sleeper.groupMetadata()?.memberId);
    await clock.settle();
    expect(tap.held).toEqual(expect.arrayContaining(['assignment', 'fenced']));
    slept += 30_000;
    tap.hold(false);
    await clock.settle();
    expect(heard).toEqual(['assigned 1', 'lost 1', 'assigned 0,1']);

    // One that still holds is taken on once the gateway has answered.
    const third = readerOf(gateway);
    tap.hold(true);
    const joined = third.subscribe('t');
    await clock.settle();
    slept += 30_000;
    tap.hold(false);
    await clock.settle();
    await clock.run(joined);
    expect(heard.slice(3)).toEqual(['revoked 1']);
    await clock.run(third.close());
  });

  it('believes no answer to its join that is older than its sleep', async () => {
    await using gateway = await gatewayOf();
    const tap = tapped(gateway);
    await using sleeper = readerOf(gateway, { transport: tap.transport, clock: wallClock });
    const { heard, listener } = listenerOf();
    tap.hold(true, 'join');
    const subscribed = sleeper.subscribe('t', { listener });
    await clock.until(() => tap.held.length > 0);
    tap.hold(true);
    await gateway.expireSession('g');
    await clock.settle();
    slept += 30_000;
    tap.hold(false);
    await clock.run(subscribed);
    expect(heard).toEqual(['assigned 0,1']);
    expect(tap.of('join')).toHaveLength(2);
  });

  it('believes no heartbeat that is older than its sleep', async () => {
    await using gateway = await gatewayOf(1);
    const tap = tapped(gateway);
    await using consumer = readerOf(gateway, { transport: tap.transport, clock: wallClock, autoCommit: false });
    await consumer.subscribe('t');
    await gateway.produce('t', ['a']);
    await clock.settle();
    tap.hold(true, 'ping');
    await clock.tick(10_500);
    expect(tap.received.filter(({ type }) => type === 'heartbeat')).not.toEqual([]);
    slept += 30_000;
    await clock.settle();
    expect(await consumer.poll({ timeoutMs: 0 })).toEqual([]);
    tap.hold(false);
    await clock.settle();
    expect(await consumer.poll({ timeoutMs: 0 })).toHaveLength(1);
  });
});

describe('a member whose page is loaded again', () => {
  /** A page of the tab: a client of its own, which ends as pages do. */
  const pageOf = (gateway: TestGateway, tab: ReturnType<typeof memoryKeepsake>) => {
    const tap = tapped(gateway, { keepsake: tab.keepsake });
    const end = (): void => {
      tap.signal('pagehide');
      tab.reload();
    };
    return { tap, end };
  };

  it('is the same member, with the same partitions, from what is committed; the others hear nothing of it', async () => {
    await using gateway = await gatewayOf();
    const tab = memoryKeepsake();
    const before = pageOf(gateway, tab);
    const first = readerOf(gateway, { transport: before.tap.transport, autoCommitIntervalMs: 1_000_000 });
    await first.subscribe('t');
    await using other = readerOf(gateway);
    const theirs = listenerOf();
    const joined = other.subscribe('t', { listener: theirs.listener });
    await clock.settle();
    const reading = first.poll({ timeoutMs: 0 });
    await clock.run(joined);
    await reading;
    const mine = first.assignment();
    expect(mine).toHaveLength(1);
    const { partition } = mine[0] ?? { partition: -1 };
    await gateway.produce('t', [
      { value: 'a', partition },
      { value: 'b', partition },
    ]);
    await clock.settle();
    const got: (string | null)[] = [];
    first.stream().subscribe(({ value }) => got.push(value));
    await clock.settle();
    expect(got).toEqual(['a', 'b']);
    const member = first.groupMetadata()?.memberId;
    before.end();
    expect(before.tap.closes).toEqual([4510]);

    const after = pageOf(gateway, tab);
    await using second = readerOf(gateway, { transport: after.tap.transport });
    const { heard, listener } = listenerOf();
    const subscribed = second.subscribe('t', { listener });
    await clock.run(subscribed);
    expect(second.groupMetadata()?.memberId).toBe(member);
    expect(heard).toEqual([`assigned ${partition}`]);
    // What was processed was committed in the page's last moment.
    await gateway.produce('t', [{ value: 'c', partition }]);
    await clock.settle();
    expect(values(await second.poll({ timeoutMs: 0 }))).toEqual(['c']);
    expect(theirs.heard).toHaveLength(1);
  });

  it('joins anew, and says nothing of it, where the gateway has given it up', async () => {
    await using gateway = await gatewayOf();
    const tab = memoryKeepsake();
    const before = pageOf(gateway, tab);
    const first = readerOf(gateway, { transport: before.tap.transport });
    await first.subscribe('t');
    const member = first.groupMetadata()?.memberId;
    before.end();
    await clock.tick(6_000);
    const after = pageOf(gateway, tab);
    await using second = readerOf(gateway, { transport: after.tap.transport });
    const events = eventsOf(second);
    const { heard, listener } = listenerOf();
    await clock.run(second.subscribe('t', { listener }));
    expect(after.tap.of('join').map(({ memberId }) => memberId)).toEqual([member, undefined]);
    expect(heard).toEqual(['assigned 0,1']);
    expect(events.filter(({ type }) => type === 'error')).toEqual([]);
  });

  it('is another one in a duplicated tab, without resumeAfterReload, and after it has left', async () => {
    await using gateway = await gatewayOf();
    const tab = memoryKeepsake();
    const joins: unknown[] = [];
    const join = async (of: ReturnType<typeof memoryKeepsake>, resumeAfterReload = true) => {
      const { tap } = pageOf(gateway, of);
      const consumer = readerOf(gateway, { transport: tap.transport, resumeAfterReload });
      const subscribed = consumer.subscribe('t');
      await clock.settle();
      joins.push(...tap.of('join').map(({ memberId, resumeToken }) => ({ memberId, resumeToken })));
      return { tap, consumer, subscribed };
    };
    const original = await join(tab);
    const copy = await join(tab.duplicate());
    const optedOut = await join(tab, false);
    const second = await join(tab);
    original.consumer.close().catch(() => undefined);
    await clock.settle();
    tab.reload();
    const afterwards = await join(tab);
    expect(joins).toEqual(Array.from({ length: 5 }, () => ({ memberId: undefined, resumeToken: undefined })));
    const all = [original, copy, optedOut, second, afterwards];
    await clock.run(Promise.all(all.map(({ consumer }) => consumer.close())));
    await clock.run(Promise.allSettled(all.map(({ subscribed }) => subscribed)));
  });

  it('keeps what it needs before the gateway hears that the answer came', async () => {
    await using gateway = await gatewayOf();
    const tab = memoryKeepsake();
    const log: string[] = [];
    const tap = tapped(gateway, {
      async keepsake(key) {
        const slot = await tab.keepsake(key);
        const save = (value: string | undefined): void => {
          log.push(`save with ${tap.of('owned').length} owned`);
          slot?.save(value);
        };
        return slot && { ...slot, save };
      },
    });
    await using consumer = readerOf(gateway, { transport: tap.transport });
    await clock.run(consumer.subscribe('t'));
    gateway.dropConnections();
    await clock.until(() => tap.of('owned').length > 1);
    expect(log).toEqual(['save with 0 owned', 'save with 1 owned']);
  });
});

describe('close()', () => {
  it('leaves the group, but not as a static member: that one comes back to what it had', async () => {
    await using gateway = await gatewayOf();
    const dynamic = readerOf(gateway);
    await dynamic.subscribe('t');
    await clock.run(dynamic.close());
    expect((await gateway.describeGroup('g').catch(() => undefined))?.members ?? []).toEqual([]);
    const fixed = readerOf(gateway, { groupInstanceId: 'one' });
    await fixed.subscribe('t');
    await clock.run(fixed.close());
    expect((await gateway.describeGroup('g')).members).toMatchObject([{ groupInstanceId: 'one', connected: false }]);
    await using again = readerOf(gateway, { groupInstanceId: 'one' });
    await clock.run(again.subscribe('t'));
    expect(again.assignment()).toHaveLength(2);
    await clock.run(again.close({ leaveGroup: true }));
    expect((await gateway.describeGroup('g').catch(() => undefined))?.members ?? []).toEqual([]);
  });

  it('with leaveGroup false keeps the member for its session, then it is gone', async () => {
    await using gateway = await gatewayOf();
    const consumer = readerOf(gateway);
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    const tap = tapped(gateway);
    await clock.run(consumer.close({ leaveGroup: false }));
    expect(heard).toEqual(['assigned 0,1', 'revoked 0,1']);
    expect(tap.of('leave')).toEqual([]);
    await clock.tick(29_000);
    expect((await gateway.describeGroup('g')).members).toHaveLength(1);
    await clock.tick(2_000);
    expect((await gateway.describeGroup('g').catch(() => undefined))?.members ?? []).toEqual([]);
  });
});
