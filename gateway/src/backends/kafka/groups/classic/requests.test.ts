// What is asked of a classic group's coordinator when it is silent, has moved, or nobody wants to know any more. Brokers are scripted.
import { systemClock } from 'distributedlog/core';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Cluster } from '../../cluster.ts';
import { parseKafkaLogOptions } from '../../options.ts';
import { API, RANGES, scriptedCluster } from '../../test-scripted-broker.ts';
import { classicCoordinator } from './requests.ts';

async function setUp(requestTimeoutMs = 30_000) {
  const scripted = await scriptedCluster([], 2);
  scripted.ranges = { ...RANGES, [API.joinGroup]: [0, 9], [API.heartbeat]: [0, 4] };
  const settings = parseKafkaLogOptions({ brokers: scripted.addresses, requestTimeoutMs });
  const cluster = new Cluster(settings, systemClock, Math.random);
  onTestFinished(() => cluster.close());
  await cluster.refresh();
  return { scripted, coordinator: classicCoordinator(cluster, 'g', 'm') };
}
const identity = { memberId: 'm', instanceId: 'i' };

describe('the coordinator of a group', () => {
  it('that is silent is looked for anew: it may be another one by now', async () => {
    const { scripted, coordinator } = await setUp(500);
    const beat = () => coordinator.heartbeat({ ...identity, generation: 1 });
    expect(await beat()).toMatchObject({ errorCode: 0 });
    scripted.onHeartbeat = (broker) => (broker === 0 ? 'silence' : {});
    await expect(beat()).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' });
    scripted.coordinator = 1;
    expect(await beat()).toMatchObject({ errorCode: 0 });
  });

  it('is not asked again to let somebody join who is gone', async () => {
    const { scripted, coordinator } = await setUp();
    const joining = coordinator.join({
      ...identity,
      sessionTimeoutMs: 1_000,
      rebalanceTimeoutMs: 1_000,
      protocols: [],
    });
    await vi.waitFor(() => expect(scripted.count(API.joinGroup)).toBe(1), { timeout: 5_000 });
    const { connects } = scripted;
    coordinator.close();
    await expect(joining).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect([scripted.count(API.joinGroup), scripted.connects - connects]).toEqual([1, 0]);
  });
});
