// The browser transport in real Chromium against the same conformance cases as the others.
import { transportCases } from 'distributedlog/testing';
import { type RunningPeer, startTransportPeer } from '../src/transport-node/transport-peer.test-support.ts';
import { expect, test } from './support/test.ts';

let peer: RunningPeer;
test.beforeAll(async () => {
  peer = await startTransportPeer();
});
test.afterAll(() => peer.close());

for (const { name } of transportCases) {
  test(`the browser transport in Chromium: ${name}`, async ({ openPage }) => {
    const page = await openPage('transports');
    expect(
      await page.evaluate(([caseName, server]) => window.runTransportCase(caseName, server), [
        name,
        peer.server,
      ] as const),
    ).toBeNull();
  });
}
