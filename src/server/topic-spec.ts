// What a topic may be called and how it may be configured, the same for every log of our own. Knows nothing of how topics are kept.
import { LogError } from '../protocol/index.ts';
import type { TopicSpec } from './log.ts';

export interface CheckedTopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** undefined: kept for ever. */
  readonly retentionMs: number | undefined;
  readonly retentionBytes: number | undefined;
}

export const MAX_PARTITIONS = 10_000;

/** Kafka’s rule: 1 to 249 of a-z A-Z 0-9 . _ - and neither "." nor "..". */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..';
}

/** Names that begin with two underscores are the log’s own. */
export function isInternalTopic(name: string): boolean {
  return name.startsWith('__');
}

/** Throws INVALID_TOPIC_EXCEPTION. */
export function checkTopicName(name: string): void {
  if (isTopicName(name)) return;
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  throw new LogError(
    'INVALID_TOPIC_EXCEPTION',
    `Topic name ${JSON.stringify(shown)} is not allowed: 1 to 249 of a-z A-Z 0-9 . _ - and neither "." nor "..".`,
    { topic: shown },
  );
}

/** Throws INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REQUEST. */
export function checkTopicSpec(
  spec: TopicSpec,
  defaults: {
    readonly partitions: number;
    readonly retentionMs?: number | undefined;
    readonly retentionBytes?: number | undefined;
  },
): CheckedTopicSpec {
  checkTopicName(spec.name);
  const partitions = spec.partitions ?? defaults.partitions;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
    throw new LogError(
      'INVALID_PARTITIONS',
      `Topic "${spec.name}" cannot have ${partitions} partitions: 1 to ${MAX_PARTITIONS} are allowed.`,
      { topic: spec.name },
    );
  }
  if (spec.replicationFactor !== undefined && spec.replicationFactor !== 1 && spec.replicationFactor !== -1) {
    throw new LogError(
      'INVALID_REPLICATION_FACTOR',
      `Topic "${spec.name}" cannot have ${spec.replicationFactor} replicas: this log keeps 1.`,
      { topic: spec.name },
    );
  }
  let { retentionMs, retentionBytes } = defaults;
  for (const [key, value] of Object.entries(spec.config ?? {})) {
    if (key === 'retention.ms') retentionMs = retention(key, value);
    else if (key === 'retention.bytes') retentionBytes = retention(key, value);
    else {
      throw new LogError(
        'INVALID_REQUEST',
        `Topic config "${key}" is not known here: retention.ms and retention.bytes are.`,
        { topic: spec.name },
      );
    }
  }
  return { name: spec.name, partitions, retentionMs, retentionBytes };
}

function retention(key: string, value: string): number | undefined {
  const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < -1) {
    throw new LogError(
      'INVALID_REQUEST',
      `Topic config ${key} = ${JSON.stringify(value)} is not allowed: a whole number, or -1 for no limit.`,
    );
  }
  return number === -1 ? undefined : number;
}
