// What the contract says of groups, with members that speak the classic protocol; skipped where KAFKA_BROKERS is not set.
import { consumerCases } from 'distributedlog/testing';
import { it } from 'vitest';
import { runOverSockets } from '../../../../test-conformance.ts';
import { kafkaLog } from '../../index.ts';
import { brokers, describeWithKafka, openCluster, unique } from '../../test-kafka.ts';
import { Namespace } from '../../test-namespace.ts';

const how = { brokers, resumeSecret: 'the same whenever a gateway starts', groupProtocol: 'classic' } as const;

describeWithKafka('a group of the classic protocol, over sockets and on Kafka', () => {
  for (const one of consumerCases.filter(({ rules }) => rules.some((rule) => rule.startsWith('groups-')))) {
    it(`${one.rules.join(' ')}: ${one.name}`, async () => {
      const namespace = new Namespace(unique('case'), await openCluster());
      const { autoCreateTopics = true } = one;
      try {
        await runOverSockets(one, {
          open: async () => namespace.within(await kafkaLog({ ...how, autoCreateTopics })),
          retain: () => namespace.retain(),
        });
      } finally {
        await namespace.clear();
      }
    });
  }
});
