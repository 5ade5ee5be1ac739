// What `dlog gateway` tells a log on Kafka, put together of a file, environment variables and flags. Knows nothing of connections.
import { LogError } from 'distributedlog/protocol';
import { type KafkaLogOptions, type KafkaSasl, type KafkaTls, parseKafkaLogOptions } from './backends/kafka/options.ts';

/** What flags say of Kafka; `undefined` where they were not given. PEM texts, not file names. */
export interface KafkaFlags {
  /** `host:port,host:port` */
  readonly brokers?: string | undefined;
  readonly tls?: boolean | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}
export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that are read, for --help. */
export const KAFKA_VARIABLES = {
  DLOG_KAFKA_SASL_MECHANISM: 'PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512',
  DLOG_KAFKA_USERNAME: 'for that mechanism',
  DLOG_KAFKA_PASSWORD: 'for that mechanism',
  DLOG_KAFKA_TLS: '1: as --kafka-tls',
  DLOG_RESUME_SECRET:
    '32 characters or more, the same on all gateways of one cluster: members of groups survive a restart of their gateway',
} as const;

/**
 * Flags win over variables, variables over the file, key by key. undefined: neither flags nor file name a cluster.
 * Throws INVALID_CONFIG in one line.
 */
export function kafkaConfig(
  file: KafkaLogOptions | undefined,
  environment: Environment,
  flags: KafkaFlags,
  topics: Pick<KafkaLogOptions, 'autoCreateTopics' | 'defaultPartitions'>,
): KafkaLogOptions | undefined {
  if (file === undefined && Object.values(flags).every((flag) => flag === undefined)) return undefined;
  if (file === undefined && flags.brokers === undefined) {
    throw new LogError('INVALID_CONFIG', 'dlog gateway: flags that begin with --kafka- need --kafka BROKERS');
  }
  const variable = (name: keyof typeof KAFKA_VARIABLES) => environment[name] || undefined;
  const sasl = defined({
    ...file?.sasl,
    ...defined({
      mechanism: variable('DLOG_KAFKA_SASL_MECHANISM'),
      username: variable('DLOG_KAFKA_USERNAME'),
      password: variable('DLOG_KAFKA_PASSWORD'),
    }),
  });
  const options = defined({
    ...file,
    ...defined({
      brokers: flags.brokers?.split(',').map((broker) => broker.trim()),
      tls: tlsOf(file?.tls, variable('DLOG_KAFKA_TLS'), flags),
      // Checked below, as everything that came from outside.
      sasl: Object.keys(sasl).length === 0 ? undefined : (sasl as KafkaSasl),
      resumeSecret: variable('DLOG_RESUME_SECRET'),
    }),
    ...defined(topics),
  }) as KafkaLogOptions;
  parseKafkaLogOptions(options, 'dlog gateway: kafka');
  return options;
}

function tlsOf(file: boolean | KafkaTls | undefined, variable: string | undefined, flags: KafkaFlags) {
  const { ca, cert, key } = flags;
  const details = { ...(typeof file === 'object' ? file : {}), ...defined({ ca, cert, key }) };
  if (Object.keys(details).length > 0) return details;
  if (flags.tls === true || file === true) return true;
  if (variable === undefined || variable === '0') return file;
  if (variable === '1') return true;
  throw new LogError('INVALID_CONFIG', `dlog gateway: DLOG_KAFKA_TLS must be 1 or 0, got ${JSON.stringify(variable)}`);
}

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
