// What a member hands over, and when, where the application does something of its own meanwhile.
import { describe, expect, it } from 'vitest';
import { createTestGateway, ManualClock } from '../testing/index.ts';
import { eventsOf, T0, tapped, textConsumerOf } from './consumer.test-support.ts';
import type { Clock, TopicPartition, Transport } from './public.ts';

const clock = new ManualClock();

describe('a member', () => {
  it('that seeks back while it gives a partition up has nothing of it in hand any more', async () => {
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't', partitions: 1 }] });
    await using first = textConsumerOf(gateway, { clock, groupId: 'g' });
    await first.subscribe('t');
    await gateway.produce('t', ['a', 'b']);
    const got: (string | null)[] = [];
    const reading = first.stream({ manualAck: true }).subscribe(({ value }) => got.push(value));
    await clock.until(() => got.length === 2);
    await gateway.log.createTopic({ name: 'u', partitions: 1 });
    const heard: string[] = [];
    const moved = first.subscribe('u', {
      listener: {
        onPartitionsRevoked: () => void heard.push('revoked'),
        onPartitionsLost: () => void heard.push('lost'),
      },
    });
    await clock.settle();
    expect(heard).toEqual([]);
    first.seek(T0, 0);
    await clock.settle();
    expect(heard).toEqual(['revoked']);
    await clock.run(moved);
    reading.unsubscribe();
  });

  it('has nothing left of another log, not even of topics that this one has only later', async () => {
    const topics = ['t', 'u'].map((name) => ({ name, partitions: 1 }));
    await using before = await createTestGateway({ clock, topics, random: () => 0.1 });
    await using after = await createTestGateway({ clock, topics: topics.slice(1), autoCreateTopics: false });
    let now = before;
    const transport: Transport = {
      ...before.transport,
      dial: (...how) => now.transport.dial(...how),
    };
    await using consumer = textConsumerOf(before, { clock, transport, groupId: 'g', autoCommit: false });
    const heard: string[] = [];
    const hear = (how: string) => (partitions: readonly TopicPartition[]) =>
      void heard.push(`${how} ${partitions.map(({ topic }) => topic)}`);
    await consumer.subscribe(['t', 'u'], {
      listener: { onPartitionsAssigned: hear('assigned'), onPartitionsLost: hear('lost') },
    });
    expect(heard).toEqual(['assigned t,u']);
    now = after;
    before.dropConnections();
    await clock.until(() => heard.length > 2);
    expect(heard).toEqual(['assigned t,u', 'lost t,u', 'assigned u']);
    expect(consumer.assignment()).toEqual([{ topic: 'u', partition: 0 }]);
  });

  it('of assigned partitions only loses none when it closes', async () => {
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't', partitions: 1 }] });
    const consumer = textConsumerOf(gateway, { clock, groupId: 'g' });
    const events = eventsOf(consumer);
    await consumer.assign([T0]);
    await clock.run(consumer.close());
    expect(events.find(({ type }) => type === 'rebalance')).toMatchObject({ revoked: [T0], lost: [] });
  });

  for (const call of ['close', 'unsubscribe'] as const) {
    for (const autoCommit of [true, false]) {
      it(`may call ${call}() from its listener, which hears of each loss once, with autoCommit ${autoCommit}`, async () => {
        await using gateway = await createTestGateway({ clock, topics: [{ name: 't', partitions: 1 }] });
        const consumer = textConsumerOf(gateway, { clock, groupId: 'g', autoCommit });
        let heard = 0;
        let ended: Promise<void> | undefined;
        const told = (): void => {
          if (++heard < 5) ended = consumer[call]();
        };
        await consumer.subscribe('t', { listener: { onPartitionsRevoked: told, onPartitionsLost: told } });
        await clock.settle();
        await gateway.expireSession('g');
        await clock.until(() => heard > 0);
        await clock.run(ended ?? Promise.reject(new Error('not called')));
        expect(heard).toBe(1);
        await clock.run(consumer.close());
      });
    }
  }
});

describe('a stream whose `next` takes its time', () => {
  let worked = 0;
  const wallClock: Clock = {
    now: () => clock.now() + worked,
    after: (delayMs, callback) => clock.after(delayMs, callback),
  };

  it('lets others have their turn within a slice, and ends it when the member may have been given up', async () => {
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't', partitions: 1 }] });
    const tap = tapped(gateway);
    const consumer = textConsumerOf(gateway, { clock: wallClock, transport: tap.transport, groupId: 'g' });
    await consumer.subscribe('t');
    await gateway.produce(
      't',
      Array.from({ length: 500 }, (_, i) => `v${i}`),
    );
    await clock.settle();
    let got = 0;
    let gotInOneTurn = 0;
    const reading = consumer.stream().subscribe(() => {
      if (got++ === 0) {
        setImmediate(() => {
          gotInOneTurn = got;
        });
        tap.hold(true);
      }
      worked += 100;
    });
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect(gotInOneTurn).toBeLessThan(20);
    expect(got).toBeGreaterThan(280);
    expect(got).toBeLessThan(320);
    tap.hold(false);
    await clock.until(() => got === 500);
    reading.unsubscribe();
    await clock.run(consumer.close());
  });
});

describe('an iterator', () => {
  it('that is asked for several records at once gives one to each', async () => {
    await using gateway = await createTestGateway({ clock, topics: [{ name: 't', partitions: 1 }] });
    await using consumer = textConsumerOf(gateway, { clock });
    await consumer.assign([T0]);
    const iterator = consumer[Symbol.asyncIterator]();
    const results = Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    await gateway.produce('t', ['a', 'b', 'c']);
    expect((await clock.run(results)).map(({ value }) => value?.value)).toEqual(['a', 'b', 'c']);
    await iterator.return?.();
  });
});
