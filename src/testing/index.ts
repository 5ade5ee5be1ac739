// For tests of what is built on this project: no network, no sleeping, no test runner.

export { type ConsumerCase, type ConsumerHarness, consumerCases } from './consumer-cases.ts';
export type { FailOptions, FrameFilter, Hold, HoldOptions, RequestName } from './faults.ts';
export { type MemoryKeepsake, memoryKeepsake } from './keepsake.ts';
export { type LogCase, type LogHarness, logCases } from './log-cases.ts';
export { ManualClock } from './manual-clock.ts';
export {
  type MemorySocket,
  type MemorySocketHandlers,
  type MemoryTransport,
  type MemoryTransportOptions,
  memoryTransport,
} from './memory-transport.ts';
export { seededRandom } from './seeded-random.ts';
export {
  createTestGateway,
  type DropOptions,
  type TestGateway,
  type TestGatewayOptions,
  type TestRecord,
} from './test-gateway.ts';
export { type TransportCase, type TransportCaseContext, transportCases } from './transport-cases.ts';
export { PEER_GREETING, type PeerSocket, transportPeer } from './transport-peer.ts';
