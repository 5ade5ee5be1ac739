// The conformance cases of the consumer, against the gateway in memory.
import { describe, it } from 'vitest';
import { Admin, Client, Consumer, Producer } from '../core/index.ts';
import { consumerCases } from './consumer-cases.ts';
import { createTestGateway } from './test-gateway.ts';

describe('the consumer, with the gateway in memory', () => {
  for (const { rules, name, autoCreateTopics, run } of consumerCases) {
    it(`${rules.join(' ')}: ${name}`, async () => {
      await using gateway = await createTestGateway({ autoCreateTopics });
      await run({
        sdk: { Admin, Client, Consumer, Producer },
        config: { transport: gateway.transport },
        dropConnections: () => gateway.dropConnections(),
        stop: async () => {
          gateway.refuseDials(true);
          gateway.dropConnections();
        },
        start: async () => gateway.refuseDials(false),
        retain: async () => gateway.log.retain(),
      });
    });
  }
});
