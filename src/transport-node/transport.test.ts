// The transport against the conformance cases, over real sockets.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { transportCases } from '../testing/transport-cases.ts';
import { nodeTransport } from './transport.ts';
import { type RunningPeer, startTransportPeer } from './transport-peer.test-support.ts';

describe('the node transport', () => {
  let peer: RunningPeer;
  beforeAll(async () => {
    peer = await startTransportPeer();
  });
  afterAll(() => peer.close());
  for (const { name, run } of transportCases) {
    it(name, () => run({ transport: nodeTransport(), server: peer.server }));
  }
});
