// Which of Kafka's two group protocols a member speaks, by what was configured and what brokers answer. Drivers are stand-ins: no broker is asked.
import { type ErrorCode, LogError } from 'distributedlog/protocol';
import { ManualClock } from 'distributedlog/testing';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../cluster.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from '../options.ts';
import { Groups } from './kafka-groups.ts';
import type { DriverFactory, DriverRequest, MemberDriver } from './member-driver.ts';

function bench(groupProtocol: KafkaLogOptions['groupProtocol'], consumerFails?: ErrorCode) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const requests: DriverRequest[] = [];
  const driver = (name: string, fails?: ErrorCode): DriverFactory => {
    return (_context, request): MemberDriver => {
      requests.push(request);
      return {
        memberId: request.memberId,
        memberEpoch: 1,
        owns: () => false,
        revoking: () => [],
        join: async () => {
          asked.push(name);
          if (fails !== undefined) throw new LogError(fails, name);
          return { memberEpoch: 1, partitions: [] };
        },
        update: async () => ({ memberEpoch: 1, partitions: [] }),
        owned: () => undefined,
        refresh: async () => undefined,
        leave: async () => undefined,
        stop: () => undefined,
      };
    };
  };
  const settings = parseKafkaLogOptions({ brokers: ['none'], groupProtocol });
  const groups = new Groups({
    cluster: new Cluster(settings, clock, Math.random),
    clock,
    random: Math.random,
    endsOf: async () => [],
    drivers: { consumer: driver('consumer', consumerFails), classic: driver('classic') },
    onError: (error) => expect.unreachable(String(error)),
  });
  const join = async (instanceId?: string) => {
    const request = { topics: ['t'], sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000, maxPollIntervalMs: 300_000 };
    const listener = { onAssignment: () => undefined, onFenced: () => undefined, onTakenOver: () => undefined };
    try {
      return await groups.join({ ...request, groupId: 'g', clientId: 'c', instanceId }, listener);
    } catch (error) {
      return error instanceof LogError ? error.code : error;
    }
  };
  return { groups, asked, requests, join };
}

describe('a member speaks', () => {
  it.each([
    ['auto', undefined, ['consumer']],
    ['auto', 'UNSUPPORTED_VERSION', ['consumer', 'classic']],
    ['auto', 'GROUP_ID_NOT_FOUND', ['consumer', 'classic']],
    ['auto', 'GROUP_AUTHORIZATION_FAILED', ['consumer']],
    ['auto', 'BROKER_NOT_AVAILABLE', ['consumer']],
    ['consumer', undefined, ['consumer']],
    ['consumer', 'UNSUPPORTED_VERSION', ['consumer']],
    ['classic', undefined, ['classic']],
  ] as const)('with groupProtocol %j, where the newer one is answered %j: %j', async (protocol, fails, spoken) => {
    const { groups, asked, join } = bench(protocol, fails);
    const joined = await join();
    expect(asked).toEqual(spoken);
    const isIn = fails === undefined || spoken.length === 2;
    expect(joined).toEqual(isIn ? expect.objectContaining({ groupId: 'g', memberEpoch: 1 }) : fails);
    expect(groups.counts()).toMatchObject({ membersConnected: isIn ? 1 : 0 });
  });

  it('under the instance id of its client, else under one that nobody else has', async () => {
    const { requests, join } = bench('auto');
    await join('host-1');
    await join();
    await join();
    const [given, ...hidden] = requests.map(({ instanceId }) => instanceId);
    expect(given).toBe('host-1');
    expect(hidden).toEqual([expect.stringMatching(/^dlog\.c-/), expect.stringMatching(/^dlog\.c-/)]);
    expect(new Set(hidden).size).toBe(2);
  });
});
