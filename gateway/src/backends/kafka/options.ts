// What a log on a Kafka cluster may be opened with, and the one check of it.
import { choice, flag, instance, integer, label, parseConfig } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { MAX_PARTITIONS } from 'distributedlog/server';
import * as z from 'zod/mini';

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;

/** PEM texts, as `tls.connect` takes them. */
export interface KafkaTls {
  /** Who may have signed the brokers' certificates. Default: those that Node trusts. */
  readonly ca?: string | undefined;
  /** For brokers that ask for a client's certificate. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name in the brokers' certificates where it is not their address. */
  readonly servername?: string | undefined;
  /** false accepts any certificate: for tests only. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
}
export interface KafkaSasl {
  readonly mechanism: (typeof SASL_MECHANISMS)[number];
  /** PLAIN and SCRAM. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** OAUTHBEARER: asked for at every new connection. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
}

/** A key whose value is `undefined` counts as absent. Unknown keys and wrong values: INVALID_CONFIG naming each. */
export interface KafkaLogOptions {
  /** `host:port` of some of the cluster's brokers; the others are found through them. Default port 9092. */
  readonly brokers: readonly string[];
  /** What the brokers' logs, quotas and metrics call this gateway. Default 'dlog-gateway'. */
  readonly clientId?: string | undefined;
  /** true: with Node's defaults. Default: no TLS. */
  readonly tls?: boolean | KafkaTls | undefined;
  readonly sasl?: KafkaSasl | undefined;
  /** Whether a client that asks for an unknown topic makes it. Default false. */
  readonly autoCreateTopics?: boolean | undefined;
  /** Partitions of a topic that is created without saying how many. Default: the brokers' own `num.partitions`. */
  readonly defaultPartitions?: number | undefined;
  /**
   * At least 32 characters, the same on every gateway of one cluster: what proves that a client that comes back, through this
   * gateway after a restart or through another one, is the member it says it is. Default: a random one, and then only the
   * gateway process that let a member join can give it back.
   */
  readonly resumeSecret?: string | undefined;
  /** How often topics, partitions and leaders are looked at anew, ms; errors of the brokers make it sooner. Default 10,000. */
  readonly metadataMaxAgeMs?: number | undefined;
  /** What one request to a broker may take, ms. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Which protocol members of groups speak. 'auto': the newer one where the brokers have it. Default 'auto'. */
  readonly groupProtocol?: 'auto' | 'consumer' | 'classic' | undefined;
}

const PROTOCOLS = ['auto', 'consumer', 'classic'] as const;
const pem = label(1_000_000);
const tls = z.strictObject({
  ca: z.optional(pem),
  cert: z.optional(pem),
  key: z.optional(pem),
  servername: z.optional(label(253)),
  rejectUnauthorized: z.optional(flag()),
} satisfies Record<keyof KafkaTls, z.ZodMiniType>);
const sasl = z.strictObject({
  mechanism: choice(SASL_MECHANISMS),
  username: z.optional(label(1_000)),
  password: z.optional(label(10_000)),
  token: z.optional(
    z.union([label(100_000), z.custom<() => string | Promise<string>>((value) => typeof value === 'function')]),
  ),
} satisfies Record<keyof KafkaSasl, z.ZodMiniType>);

const brokersError = "a list of 1 to 1,000 brokers, such as ['kafka-1:9092', 'kafka-2:9092']";

const optionsSchema = z.strictObject({
  brokers: z
    .array(label(300), { error: brokersError })
    .check(z.refine((all) => all.length > 0 && all.length <= 1_000, brokersError)),
  clientId: z._default(label(255), 'dlog-gateway'),
  tls: z.optional(
    z.union([flag(), tls], { error: 'true, false or an object of ca, cert, key, servername and rejectUnauthorized' }),
  ),
  sasl: z.optional(sasl),
  autoCreateTopics: z._default(flag(), false),
  defaultPartitions: z.optional(integer(1, MAX_PARTITIONS)),
  resumeSecret: z.optional(
    instance<string>(
      'a string of 32 to 1,000 characters',
      (value) => typeof value === 'string' && value.length >= 32 && value.length <= 1_000,
    ),
  ),
  metadataMaxAgeMs: z._default(integer(50, 3_600_000, ' (ms)'), 10_000),
  requestTimeoutMs: z._default(integer(100, 600_000, ' (ms)'), 30_000),
  groupProtocol: z._default(choice(PROTOCOLS), 'auto'),
} satisfies Record<keyof KafkaLogOptions, z.ZodMiniType>);

export type KafkaLogSettings = Omit<z.output<typeof optionsSchema>, 'brokers'> & {
  readonly brokers: readonly BrokerAddress[];
};
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** `what` begins the message of INVALID_CONFIG. */
export function parseKafkaLogOptions(options: KafkaLogOptions, what = 'kafkaLog'): KafkaLogSettings {
  const settings = parseConfig(what, optionsSchema, options);
  if (settings.sasl !== undefined) checkCredentials(settings.sasl, what);
  return { ...settings, brokers: settings.brokers.map((text) => parseAddress(text, what)) };
}

function checkCredentials(sasl: NonNullable<KafkaLogSettings['sasl']>, what: string): void {
  const needed = sasl.mechanism === 'OAUTHBEARER' ? (['token'] as const) : (['username', 'password'] as const);
  const missing = needed.filter((key) => sasl[key] === undefined);
  if (missing.length === 0) return;
  throw new LogError(
    'INVALID_CONFIG',
    `${what}: sasl.mechanism ${sasl.mechanism} needs sasl.${missing.join(' and sasl.')}`,
  );
}

/** `host`, `host:port`, `[v6]:port`. */
function parseAddress(text: string, what: string): BrokerAddress {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|(?<name>[^\s:/[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = match?.groups?.v6 ?? match?.groups?.name;
  const port = Number(match?.groups?.port ?? 9092);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new LogError('INVALID_CONFIG', `${what}: brokers must be host:port, got ${JSON.stringify(text)}`);
  }
  return { host, port };
}
