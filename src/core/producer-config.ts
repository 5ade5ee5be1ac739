// What a producer may be configured with, and what it takes and answers for a record. Knows nothing of how records travel.
import * as z from 'zod/mini';
import { PROTOCOL_LIMITS, type RecordHeader } from '../protocol/index.ts';
import { byteCount, type ClientConfig, choice, clientConfigShape, milliseconds } from './config.ts';

export interface ProducerConfig extends ClientConfig {
  /** How long a record may wait for others to fill its batch, in ms. 0: no longer than the batches before it take. Default 5. */
  readonly lingerMs?: number | undefined;
  /** A batch of this many bytes is sent at once; a larger record makes a batch of its own. Default 64 KiB. */
  readonly batchBytes?: number | undefined;
  /** Default 'none'. */
  readonly compression?: 'none' | 'gzip' | undefined;
  /** Bytes of records that were taken and are not yet acknowledged; above it send() waits for space. Default 16 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** How long a record may take from send() to its acknowledgement, over all retries, in ms. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined;
}

export interface ProducerRecord {
  readonly topic: string;
  /** Strings are sent as UTF-8. `null` is a tombstone. */
  readonly value: Uint8Array | string | null;
  /** Records of one key go to one partition, where Kafka's Java producer would put them. */
  readonly key?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Default: by the key; without a key, partitions take turns, a batch each. */
  readonly partition?: number | undefined;
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number | undefined;
}

export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The record's, or the log's where the topic uses the time of appending. */
  readonly timestamp: number;
}

/** The largest batch that fits into a frame, with room for the frame's header. */
export const MAX_BATCH_BYTES = PROTOCOL_LIMITS.maxFrameBytes - 256;

const producerConfigShape = {
  ...clientConfigShape,
  lingerMs: z._default(milliseconds(0), 5),
  batchBytes: z._default(byteCount(1, MAX_BATCH_BYTES), 64 * 1024),
  compression: z._default(choice(['none', 'gzip']), 'none'),
  maxBufferedBytes: z._default(byteCount(1024), 16 * 1024 * 1024),
  deliveryTimeoutMs: z._default(milliseconds(1), 120_000),
} satisfies Record<keyof ProducerConfig, z.ZodMiniType>;
export const producerConfigSchema = z.strictObject(producerConfigShape);
export type ParsedProducerConfig = z.output<typeof producerConfigSchema>;
