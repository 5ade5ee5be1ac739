// What a consumer may be configured with, and its defaults. Knows nothing of what the options do.
import * as z from 'zod/mini';
import { PROTOCOL_LIMITS } from '../protocol/index.ts';
import {
  byteCount,
  type ClientConfig,
  choice,
  clientConfigShape,
  flag,
  instance,
  integer,
  isCount,
  isFunction,
  isObject,
  label,
  MAX_DELAY_MS,
  milliseconds,
  parseConfig,
  quoted,
} from './config.ts';
import type { PoisonRecord } from './consumer-events.ts';
import type { Deserializer } from './deserializers.ts';

/** A key whose value is `undefined` counts as absent. */
export interface ConsumerConfig<K = Uint8Array, V = Uint8Array> extends ClientConfig {
  /** 1 to 255 characters. Without it: no commits, and subscribe() reads all partitions. */
  readonly groupId?: string | undefined;
  /** Makes the member static: it keeps its partitions over a restart within sessionTimeoutMs, and close() does not leave the group. */
  readonly groupInstanceId?: string | undefined;
  /**
   * How the member would have the partitions shared out; the group takes what most of its members want. 'uniform': as even as can be, and
   * as few move as can; 'range': partitions of the same number go together. Default 'uniform'.
   */
  readonly assignor?: 'uniform' | 'range' | undefined;
  /**
   * In a page: a reload within sessionTimeoutMs takes the member over, so the group does not rebalance. A secret is kept in sessionStorage
   * for that; a duplicated tab joins as a member of its own. Static members do without it. Default true.
   */
  readonly resumeAfterReload?: boolean | undefined;
  /** Commit what is processed, every autoCommitIntervalMs and when partitions go. Default true (only with a groupId). */
  readonly autoCommit?: boolean | undefined;
  /** Default 5,000. */
  readonly autoCommitIntervalMs?: number | undefined;
  /** Where reading begins without a committed offset, and goes on where the log has nothing at the position. Default 'latest'. */
  readonly autoOffsetReset?: 'earliest' | 'latest' | 'none' | { readonly durationMs: number } | undefined;
  /** The gateway answers once it has this many bytes, or after fetchMaxWaitMs. Default 1. */
  readonly fetchMinBytes?: number | undefined;
  /** Default 500. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** Most bytes on their way at once. Default 8 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** Most bytes of one partition in one frame; a larger first batch is still delivered. Default 1 MiB. */
  readonly maxPartitionFetchBytes?: number | undefined;
  /** Most records one poll returns. Default 500. */
  readonly maxPollRecords?: number | undefined;
  /** Hard bound (plus one batch) of what is held here undelivered, decompressed. Default 16 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** How long the application may work on what it was handed before the group goes on without it. Default 300,000. */
  readonly maxPollIntervalMs?: number | undefined;
  /** 'wait', or give up what is older once a partition that had caught up has been behind for so long: a 'gap' event with cause 'skipped'. Default 'wait'. */
  readonly whenBehind?: 'wait' | { readonly skipToLiveAfterMs: number } | undefined;
  /** How long the gateway keeps the member after it was last heard; so long without a word from the gateway, and nothing is delivered. Default 30,000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** How long a revocation may take. Default 60,000. */
  readonly rebalanceTimeoutMs?: number | undefined;
  /** Default 'read_uncommitted'. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined;
  /** Default bytes(). */
  readonly key?: Deserializer<K> | undefined;
  /** Default bytes(). */
  readonly value?: Deserializer<V> | undefined;
  /** A record that a deserializer refuses: 'throw' fails every read until a seek past it, 'skip' and a handler go on. Default 'throw'. */
  readonly onPoisonRecord?: OnPoisonRecord | undefined;
}
/** Reading goes on once the handler's promise resolves; what it throws fails every read until a seek. */
export type OnPoisonRecord = 'throw' | 'skip' | ((poison: PoisonRecord) => void | Promise<void>);

/** One of `words`, or `{ [key]: milliseconds }`. */
function wordOrDelay<const W extends string, K extends string>(words: readonly W[], key: K, min: number) {
  const allowed = `${quoted(words).join(', ')} or { ${key}: milliseconds of at least ${min} }`;
  return instance<W | Readonly<Record<K, number>>>(allowed, (value) =>
    isObject(value)
      ? Object.keys(value).join() === key && isCount(Reflect.get(value, key), min, MAX_DELAY_MS)
      : words.some((word) => word === value),
  );
}
const deserializer = instance<Deserializer<unknown>>(
  'a deserializer: a function of bytes, such as text() or json()',
  isFunction,
);

const schema = z.strictObject({
  ...clientConfigShape,
  groupId: z.optional(label(255)),
  groupInstanceId: z.optional(label(255)),
  assignor: z._default(choice(['uniform', 'range']), 'uniform'),
  resumeAfterReload: z._default(flag(), true),
  autoCommit: z._default(flag(), true),
  autoCommitIntervalMs: z._default(milliseconds(1), 5_000),
  autoOffsetReset: z._default(wordOrDelay(['earliest', 'latest', 'none'], 'durationMs', 0), 'latest'),
  fetchMinBytes: z._default(byteCount(0), 1),
  fetchMaxWaitMs: z._default(integer(0, 60_000, ' (ms)'), 500),
  fetchMaxBytes: z._default(byteCount(1), 8 * 1024 * 1024),
  maxPartitionFetchBytes: z._default(byteCount(1), 1024 * 1024),
  maxPollRecords: z._default(integer(1, 1_000_000), 500),
  maxBufferedBytes: z._default(byteCount(1024), 16 * 1024 * 1024),
  maxPollIntervalMs: z._default(milliseconds(1), 300_000),
  whenBehind: z._default(wordOrDelay(['wait'], 'skipToLiveAfterMs', 1), 'wait'),
  sessionTimeoutMs: z._default(milliseconds(1), 30_000),
  rebalanceTimeoutMs: z._default(milliseconds(1), 60_000),
  isolationLevel: z._default(choice(['read_uncommitted', 'read_committed']), 'read_uncommitted'),
  key: z.optional(deserializer),
  value: z.optional(deserializer),
  onPoisonRecord: z._default(
    instance<OnPoisonRecord>(
      "'throw', 'skip' or a function",
      (value) => value === 'throw' || value === 'skip' || isFunction(value),
    ),
    'throw',
  ),
});
/** {@link ConsumerConfig} after the check, defaults filled in. */
export type ParsedConsumerConfig = z.output<typeof schema>;

/** Throws INVALID_CONFIG naming every wrong and unknown key. */
export function parseConsumerConfig(config: unknown): ParsedConsumerConfig {
  return parseConfig('Consumer', schema, config);
}

/** Decompressed; a larger batch is RECORD_TOO_LARGE. */
export const MAX_BATCH_BYTES = PROTOCOL_LIMITS.maxBatchBytes;
