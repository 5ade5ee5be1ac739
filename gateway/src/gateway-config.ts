// The settings of `dlog gateway`: a JSON file, environment variables, and flags that win over both. Knows nothing of commander or of starting anything.
import { choice, flag, integer, label, parseConfig } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { MAX_PARTITIONS } from 'distributedlog/server';
import * as z from 'zod/mini';
import type { KafkaLogOptions } from './backends/kafka/options.ts';
import { type Environment, type KafkaFlags, kafkaConfig } from './gateway-config-kafka.ts';
import { LOG_LEVELS } from './logging.ts';
import { gatewayDataShape, parseLimits } from './options.ts';

const DEFAULT_DATA = 'dlog-data';

const schema = z.strictObject({
  ...gatewayDataShape,
  /** Directory of the embedded log. */
  data: z.optional(label(4096)),
  /** As kafkaLog takes it, topics aside: what is created, and how, is said beside it. */
  kafka: z.optional(z.looseObject({}, { error: "an object such as { brokers: ['kafka-1:9092'] }" })),
  defaultPartitions: z.optional(integer(1, MAX_PARTITIONS)),
  autoCreateTopics: z.optional(flag()),
  retentionMs: z.optional(integer(0)),
  retentionBytes: z.optional(integer(0)),
  logLevel: z._default(choice(LOG_LEVELS), 'info'),
});
type Settings = Omit<z.output<typeof schema>, 'data' | 'kafka'>;
/** One of two logs: the directory of an embedded one, or a cluster. */
export type GatewayConfig = Settings &
  (
    | { readonly data: string; readonly kafka?: undefined }
    | { readonly data?: undefined; readonly kafka: KafkaLogOptions }
  );
export const CONFIG_KEYS: readonly string[] = Object.keys(schema.def.shape);

/** Flags as given, `undefined` where they were not; what is no number stays text, so that the message shows it. */
export type GatewayFlags = { readonly [K in Exclude<keyof z.input<typeof schema>, 'kafka'>]?: unknown } & {
  readonly kafka?: KafkaFlags | undefined;
};

/** Throws INVALID_CONFIG in one line; `file` is named where the file is wrong. */
export function gatewayConfig(
  { kafka: kafkaFlags = {}, ...flags }: GatewayFlags,
  file?: { readonly name: string; readonly text: string },
  environment: Environment = {},
): GatewayConfig {
  const fromFile = file === undefined ? {} : parseFile(file.name, file.text);
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const { data, kafka: inFile, ...settings } = parseConfig('dlog gateway', schema, { ...fromFile, ...given });
  const { autoCreateTopics, defaultPartitions } = settings;
  // Whether it is one is checked with all that is known of it.
  const kafka = kafkaConfig(inFile as KafkaLogOptions | undefined, environment, kafkaFlags, {
    autoCreateTopics,
    defaultPartitions,
  });
  if (kafka === undefined) return { ...settings, data: data ?? DEFAULT_DATA };
  refuseEmbeddedSettings(data, settings);
  return { ...settings, kafka };
}

function refuseEmbeddedSettings(data: string | undefined, { retentionMs, retentionBytes }: Settings): void {
  if (data !== undefined) {
    throw new LogError(
      'INVALID_CONFIG',
      'dlog gateway: data and kafka exclude each other: a gateway serves one log, embedded in it (--data) or of a cluster (--kafka)',
    );
  }
  const given = Object.entries({ retentionMs, retentionBytes }).filter(([, value]) => value !== undefined);
  if (given.length === 0) return;
  throw new LogError(
    'INVALID_CONFIG',
    `dlog gateway: ${given.map(([name]) => name).join(' and ')} cannot be set with kafka: what is deleted, and when, is decided by the cluster (retention.ms and retention.bytes of each topic)`,
  );
}

function parseFile(name: string, text: string): object {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new LogError('INVALID_CONFIG', `${name} is not JSON: ${LogError.from(error).message}`, { cause: error });
  }
  const config = parseConfig(name, schema, content);
  parseLimits(`${name}: limits`, config.limits);
  for (const key of ['autoCreateTopics', 'defaultPartitions']) {
    if (config.kafka === undefined || !(key in config.kafka)) continue;
    throw new LogError(
      'INVALID_CONFIG',
      `${name}: ${key} stands beside kafka, not in it: it is the same for every log`,
    );
  }
  // As it was written, without defaults: those come after the flags.
  return typeof content === 'object' && content !== null ? content : {};
}
