// The small JSON values of the store, parsed once when they are read. Knows nothing of where they are kept.
import { LogError } from 'distributedlog/protocol';
import * as z from 'zod/mini';

const count = z.int().check(z.minimum(0));

const storedTopic = z.object({
  name: z.string(),
  topicId: z.string(),
  partitionCount: z.int().check(z.minimum(1)),
  /** Null: kept for ever. */
  retentionMs: z.nullable(count),
  retentionBytes: z.nullable(count),
});
export type StoredTopic = z.infer<typeof storedTopic>;

const partitionState = z.object({
  logStart: count,
  nextOffset: count,
  bytes: z.int(),
  maxTimestamp: z.int(),
  sinceIndexed: z.int(),
});
const storedCommit = z.object({
  offset: count,
  metadata: z.string(),
  leaderEpoch: z.optional(z.int()),
});
export type StoredCommit = z.infer<typeof storedCommit>;

function parse<T>(schema: z.ZodMiniType<T>, what: string, bytes: Buffer): T {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    const message = `the store holds a damaged ${what}: restore the directory from a backup`;
    throw new LogError('KAFKA_STORAGE_ERROR', message, { cause, retriable: false });
  }
}

export const parseTopic = (bytes: Buffer): StoredTopic => parse(storedTopic, 'topic description', bytes);
export const parseCommit = (bytes: Buffer): StoredCommit => parse(storedCommit, 'committed offset', bytes);
export const parsePartitionState = (bytes: Buffer | undefined) =>
  bytes === undefined ? undefined : parse(partitionState, 'partition state', bytes);
/** A counter of the `meta` table. */
export const parseMeta = (bytes: Buffer | undefined): number | undefined =>
  bytes === undefined ? undefined : parse(count, 'counter', bytes);
/** A text of the `meta` table. */
export const parseMetaText = (bytes: Buffer | undefined): string | undefined =>
  bytes === undefined ? undefined : parse(z.string(), 'text', bytes);
/** Of whatever form; undefined: it is no JSON. */
export function anyJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
