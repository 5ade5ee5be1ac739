// Members that outlive their connection and their page, and what they must not deliver meanwhile.
import { describe, expect, it } from 'vitest';
import { createTestGateway, ManualClock, memoryKeepsake, type TestGateway } from '../testing/index.ts';
import { Client } from './client.ts';
import { consumerOf, eventsOf, tapped, textConsumerOf, values } from './consumer.test-support.ts';
import type { ConsumerConfig, RebalanceListener } from './public.ts';

const all = (partitions: number) => Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition }));

/** Says what it heard. */
function listenerOf() {
  const heard: string[] = [];
  const tell = (what: string): RebalanceListener['onPartitionsLost'] => {
    return (partitions) => void heard.push(`${what} ${partitions.map(({ partition }) => partition).join()}`);
  };
  const listener: RebalanceListener = {
    onPartitionsAssigned: tell('assigned'),
    onPartitionsRevoked: tell('revoked'),
    onPartitionsLost: tell('lost'),
  };
  return { heard, listener };
}
const gatewayOf = (partitions = 2, clock?: ManualClock) =>
  createTestGateway({ topics: [{ name: 't', partitions }], clock });
const readerOf = (gateway: TestGateway, config: ConsumerConfig<string, string> = {}) =>
  textConsumerOf(gateway, { groupId: 'g', ...config });

describe('a member whose connection drops', () => {
  it('comes back with its token as the same member, from the positions in memory, and nobody hears of it', async () => {
    await using gateway = await gatewayOf();
    await gateway.produce('t', ['a', 'b', 'c']);
    const tap = tapped(gateway);
    await using consumer = readerOf(gateway, { transport: tap.transport, maxPollRecords: 2, autoCommit: false });
    const { heard, listener } = listenerOf();
    await consumer.subscribe('t', { listener });
    expect(values(await consumer.poll())).toEqual(['a', 'b']);
    const before = consumer.groupMetadata();
    const events = eventsOf(consumer);
    for (let i = 1; i <= 3; i++) {
      gateway.dropConnections();
      await expect.poll(() => consumer.metrics().reconnects).toBe(i);
      await expect.poll(() => tap.received.filter(({ type }) => type === 'join').length).toBe(i + 1);
    }
    expect(values(await consumer.poll({ timeoutMs: 5_000 }))).toEqual(['c']);
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
});
