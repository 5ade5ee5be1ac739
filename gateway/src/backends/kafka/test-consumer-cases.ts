// The conformance cases of the consumer, over real sockets and on a real Kafka, with members that speak one of Kafka's two group protocols.
import { consumerCases } from 'distributedlog/testing';
import { it } from 'vitest';
import { runOverSockets } from '../../test-conformance.ts';
import { kafkaLog } from './index.ts';
import type { KafkaLogOptions } from './options.ts';
import { brokers, describeWithKafka, openCluster, unique } from './test-kafka.ts';
import { Namespace } from './test-namespace.ts';

/** Some wait for several rebalances, and a broker beside other tests takes its time. */
const TIMEOUT_MS = 60_000;
const resumeSecret = 'the same whenever a gateway starts';

export function consumerCasesWith(groupProtocol: KafkaLogOptions['groupProtocol']): void {
  describeWithKafka(`the consumer, over sockets and on Kafka, with ${groupProtocol} groups`, () => {
    for (const one of consumerCases) {
      it(`${one.rules.join(' ')}: ${one.name}`, { timeout: TIMEOUT_MS }, async () => {
        const namespace = new Namespace(unique('case'), await openCluster());
        const { autoCreateTopics = true } = one;
        try {
          await runOverSockets(one, {
            open: async () =>
              namespace.within(await kafkaLog({ brokers, autoCreateTopics, resumeSecret, groupProtocol })),
            retain: () => namespace.retain(),
          });
        } finally {
          await namespace.clear();
        }
      });
    }
  });
}
