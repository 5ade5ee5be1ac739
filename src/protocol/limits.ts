// Every bound of the protocol and of the gateway, with its default. Values only.

export const PROTOCOL_NAME = 'dlog.v1';
export const PROTOCOL_VERSION = 1;

/** Bounds that both ends must agree on; the gateway states its own in `welcome`. Bytes, milliseconds, counts. */
export const PROTOCOL_LIMITS = {
  /** Largest frame a client may send. */
  maxFrameBytes: 2 * 1024 * 1024,
  /** Largest text frame a client may send; larger ones close 1009. */
  maxTextFrameBytes: 64 * 1024,
  /** Largest batch, decompressed, that a client takes. */
  maxBatchBytes: 16 * 1024 * 1024,
  /** Consumers a socket may carry at once. */
  maxConsumers: 32,
  /** Deepest nesting of a control frame. */
  maxJsonDepth: 64,
  /** Partitions in one control frame; clients split longer lists. */
  maxPartitionsPerFrame: 256,
  /** Bytes (UTF-8) of a committed offset’s metadata. */
  maxOffsetMetadataBytes: 4096,
} as const;

/** The largest offset: beyond it a number would round, so it is an error. */
export const MAX_SAFE_OFFSET = Number.MAX_SAFE_INTEGER;
