// The transport against the conformance cases, over real sockets.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { transportCases } from '../testing/transport-cases.ts';
import { type RunningPeer, startTransportPeer } from '../transport-node/transport-peer.test-support.ts';
import { browserTransport } from './transport.ts';

describe('the browser transport', () => {
  let peer: RunningPeer;
  beforeAll(async () => {
    peer = await startTransportPeer();
  });
  afterAll(() => peer.close());
  for (const { name, run } of transportCases) {
    it(name, () => run({ transport: browserTransport(), server: peer.server }));
  }
});
