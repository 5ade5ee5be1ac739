// What an embedded log may be opened with, and the one check of it.
import { flag, integer, label, parseConfig } from 'distributedlog/core';
import { MAX_PARTITIONS } from 'distributedlog/server';
import * as z from 'zod/mini';

/** A key whose value is `undefined` counts as absent. Unknown keys and wrong values: INVALID_CONFIG naming each. */
export interface EmbeddedLogOptions {
  /** The data directory; made if it is not there. One process at a time. */
  readonly dir: string;
  /** Partitions of a topic that is created without saying how many. Default 1. */
  readonly defaultPartitions?: number | undefined;
  /** Whether a client that asks for an unknown topic makes it. Default true. */
  readonly autoCreateTopics?: boolean | undefined;
  /** Batches whose newest record is older than this are removed, ms. A topic's own `retention.ms` goes first. Default: kept for ever. */
  readonly retentionMs?: number | undefined;
  /** The oldest batches of a partition are removed while this many bytes remain. A topic's own `retention.bytes` goes first. Default: no limit. */
  readonly retentionBytes?: number | undefined;
}

const optionsSchema = z.strictObject({
  dir: label(4_096),
  defaultPartitions: z._default(integer(1, MAX_PARTITIONS), 1),
  autoCreateTopics: z._default(flag(), true),
  retentionMs: z.optional(integer(0, Number.MAX_SAFE_INTEGER, ' (ms)')),
  retentionBytes: z.optional(integer(0, Number.MAX_SAFE_INTEGER, ' (bytes)')),
} satisfies Record<keyof EmbeddedLogOptions, z.ZodMiniType>);

export type EmbeddedLogSettings = z.output<typeof optionsSchema>;

export function parseEmbeddedLogOptions(options: EmbeddedLogOptions): EmbeddedLogSettings {
  return parseConfig('embeddedLog', optionsSchema, options);
}
