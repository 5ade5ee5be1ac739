// The conformance cases of the consumer, against the gateway in memory.
import { describe, it } from 'vitest';
import { Admin, Client, Consumer, Producer } from '../core/index.ts';
import { consumerCases } from './consumer-cases.ts';
import { createTestGateway } from './test-gateway.ts';

describe('the consumer, with the gateway in memory', () => {
  for (const { rules, name, autoCreateTopics, run } of consumerCases) {
    it(`${rules.join(' ')}: ${name}`, async () => {
      await using gateway = await createTestGateway({ autoCreateTopics });
      const { transport } = gateway;
      let links = 0;
      await run({
        sdk: { Admin, Client, Consumer, Producer },
        config: { transport },
        link: async () => {
          const server = `ws://link-${++links}`;
          return {
            transport,
            server,
            cut() {
              for (const socket of transport.sockets) if (new URL(socket.url).origin === server) socket.terminate();
            },
          };
        },
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
