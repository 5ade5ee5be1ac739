// Every bound of a gateway with its default. Values only.
import { PROTOCOL_LIMITS } from '../protocol/index.ts';

/** Bytes, milliseconds or counts, as the names say. 0 is not "unlimited": it is refused. */
export interface Limits {
  readonly maxFrameBytes: number;
  readonly maxTextFrameBytes: number;
  readonly maxBatchBytes: number;
  /** Consumers a socket may carry. */
  readonly maxConsumers: number;
  readonly helloTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Without any frame or write progress for this long after a heartbeat, the socket is closed 4508. */
  readonly heartbeatTimeoutMs: number;
  /** Outgoing bytes of a socket not yet taken by the kernel; above it reading for that socket pauses. */
  readonly maxSocketBufferBytes: number;
  /** A socket whose outgoing buffer stays above the bound without progress this long is closed 4531. */
  readonly stallTimeoutMs: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxConnections: number;
  readonly drainMs: number;
  /** Control requests of a socket per second; more are delayed. Heartbeats, credit and produce are exempt. */
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  /** Requests of a socket that may be waiting for their turn; more of them close 4529. */
  readonly maxDelayedRequests: number;
  /** Malformed frames a socket may send before it is closed 4400. */
  readonly maxMalformedFrames: number;
  /** Batches are gathered into data frames of about this size. */
  readonly targetFrameBytes: number;
  /** How long the group members of a page that went away are kept, for a page that is loaded again; never longer than their own sessionTimeoutMs. */
  readonly pageHoldMs: number;
  /** Produce frames of one socket that may be waiting for the disk; more wait in the socket. */
  readonly maxProduceInFlight: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxFrameBytes: PROTOCOL_LIMITS.maxFrameBytes,
  maxTextFrameBytes: PROTOCOL_LIMITS.maxTextFrameBytes,
  maxBatchBytes: PROTOCOL_LIMITS.maxBatchBytes,
  maxConsumers: PROTOCOL_LIMITS.maxConsumers,
  helloTimeoutMs: 10_000,
  heartbeatIntervalMs: 25_000,
  heartbeatTimeoutMs: 8_000,
  maxSocketBufferBytes: 1024 * 1024,
  stallTimeoutMs: 10_000,
  maxConnectionsPerAddress: 32,
  maxConnections: 1_000,
  drainMs: 10_000,
  requestsPerSecond: 50,
  requestBurst: 100,
  maxDelayedRequests: 1_000,
  maxMalformedFrames: 16,
  targetFrameBytes: 256 * 1024,
  pageHoldMs: 5_000,
  maxProduceInFlight: 64,
};
