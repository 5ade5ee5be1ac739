// The settings of `dlog gateway`: a JSON file, and flags that win over it. Knows nothing of commander or of starting anything.
import { choice, flag, integer, label, parseConfig } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { MAX_PARTITIONS } from 'distributedlog/server';
import * as z from 'zod/mini';
import { LOG_LEVELS } from './logging.ts';
import { gatewayDataShape, parseLimits } from './options.ts';

const schema = z.strictObject({
  ...gatewayDataShape,
  /** Directory of the embedded log. */
  data: z._default(label(4096), 'dlog-data'),
  defaultPartitions: z.optional(integer(1, MAX_PARTITIONS)),
  autoCreateTopics: z.optional(flag()),
  retentionMs: z.optional(integer(0)),
  retentionBytes: z.optional(integer(0)),
  logLevel: z._default(choice(LOG_LEVELS), 'info'),
});
export type GatewayConfig = z.output<typeof schema>;
export const CONFIG_KEYS: readonly string[] = Object.keys(schema.def.shape);

/** Flags as given, `undefined` where they were not; what is no number stays text, so that the message shows it. */
export type GatewayFlags = { readonly [K in keyof z.input<typeof schema>]?: unknown };

/** Throws INVALID_CONFIG in one line; `file` is named where the file is wrong. */
export function gatewayConfig(
  flags: GatewayFlags,
  file?: { readonly name: string; readonly text: string },
): GatewayConfig {
  const fromFile = file === undefined ? {} : parseFile(file.name, file.text);
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return parseConfig('dlog gateway', schema, { ...fromFile, ...given });
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
  // As it was written, without defaults: those come after the flags.
  return typeof content === 'object' && content !== null ? content : {};
}
